package store_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"cdr2otel/exporter/internal/store"
	"cdr2otel/exporter/internal/store/storetest"
)

func TestSQLiteConforms(t *testing.T) {
	t.Parallel()
	storetest.Run(t, newSQLite)
}

// newSQLite is an empty database in a directory of the test.
func newSQLite(t testing.TB) storetest.Database {
	path := filepath.Join(t.TempDir(), "cdr2otel.db")
	db := openRaw(t, path) // opens nothing yet
	return storetest.Database{
		URL:  "sqlite:" + path,
		Rows: func(t testing.TB) map[string]map[store.State]int64 { return countRows(t, db) },
		Count: func(t testing.TB, table string) (n int64) {
			if err := db.QueryRow(`SELECT count(*) FROM ` + table).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		},
	}
}

// countRows reads beside the store.
func countRows(t testing.TB, db *sql.DB) map[string]map[store.State]int64 {
	t.Helper()
	rows, err := db.Query(`SELECT source, state, count(*) FROM event GROUP BY source, state`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	counts := make(map[string]map[store.State]int64)
	for rows.Next() {
		var source string
		var state store.State
		var n int64
		if err := rows.Scan(&source, &state, &n); err != nil {
			t.Fatal(err)
		}
		if counts[source] == nil {
			counts[source] = make(map[store.State]int64)
		}
		counts[source][state] = n
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return counts
}

func openRaw(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}
