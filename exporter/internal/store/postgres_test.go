package store_test

import (
	"testing"

	"cdr2otel/exporter/internal/store"
	"cdr2otel/exporter/internal/store/storetest"
)

func TestPostgreSQLConforms(t *testing.T) {
	t.Parallel()
	store.NeedPostgres(t)
	storetest.Run(t, newPostgres)
}

// newPostgres is an empty schema that lives as long as the test.
func newPostgres(t testing.TB) storetest.Database {
	at, db := store.NewTestSchema(t)
	return storetest.Database{
		URL:  at,
		Rows: func(t testing.TB) map[string]map[store.State]int64 { return countRows(t, db) },
		Count: func(t testing.TB, table string) (n int64) {
			if err := db.QueryRow(`SELECT count(*) FROM ` + table).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		},
	}
}
