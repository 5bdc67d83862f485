// Package schematest is a schema of a test's own on the PostgreSQL that tests share.
package schematest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"cdr2otel/internal/testenv"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// Env names the URL of a database in which tests may make schemas and roles.
const Env = "CDR2OTEL_TEST_POSTGRES_URL"

// Need is the URL of the database that tests share. Without one the test ends as
// testenv.Missing says.
func Need(t testing.TB) string {
	t.Helper()
	at := os.Getenv(Env)
	if at == "" {
		testenv.Missing(t, "%s is not set: it is the URL of a PostgreSQL database in which tests may make schemas and roles, such as postgres:///test?host=/var/run/postgresql", Env)
	}
	return at
}

// most is how many tests of a process have schemas at once. A store takes up to six of the
// hundred connections that a server has by default, a test has up to four stores, and the
// tests of three packages run at once.
const most = 2

var places = make(chan struct{}, most)

// holders counts the schemas of each test that has a place, by its name.
var holders = struct {
	sync.Mutex
	schemas map[string]int
}{schemas: map[string]int{}}

// takePlace waits until fewer than most tests have schemas. One that has, or is part of
// one that has, need not.
func takePlace(t testing.TB) {
	t.Helper()
	name := t.Name()
	holders.Lock()
	for holder := range holders.schemas {
		if name == holder || strings.HasPrefix(name, holder+"/") {
			name = holder
		}
	}
	there := holders.schemas[name] > 0
	if there {
		holders.schemas[name]++
	}
	holders.Unlock()
	if !there {
		places <- struct{}{}
		holders.Lock()
		holders.schemas[name]++
		holders.Unlock()
	}
	t.Cleanup(func() {
		holders.Lock()
		defer holders.Unlock()
		if holders.schemas[name]--; holders.schemas[name] == 0 {
			delete(holders.schemas, name)
			<-places
		}
	})
}

// New makes a schema and returns the URL by which it is the first of search_path, and
// connections to look at it with. It is dropped when the test ends.
func New(t testing.TB) (at string, db *sql.DB) {
	t.Helper()
	schema := "cdr2otel_test_" + strings.ToLower(rand.Text())
	at = With(t, Need(t), "search_path", schema)
	takePlace(t)
	db, err := sql.Open("pgx", at)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(2)
	if _, err := db.ExecContext(t.Context(), `CREATE SCHEMA `+schema); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := db.ExecContext(context.Background(), `DROP SCHEMA `+schema+` CASCADE`); err != nil {
			t.Error(err)
		}
		db.Close()
	})
	return at, db
}

// With is a URL with one parameter set.
func With(t testing.TB, at, name, value string) string {
	t.Helper()
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

// Role makes a role that may log in and nothing else, and returns its name. What it
// owns goes with it when the test ends.
func Role(t testing.TB, db *sql.DB) (name string) {
	t.Helper()
	name = "cdr2otel_test_" + strings.ToLower(rand.Text())
	if _, err := db.ExecContext(t.Context(), `CREATE ROLE `+name+` LOGIN`); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := db.ExecContext(context.Background(), `DROP OWNED BY `+name+` CASCADE; DROP ROLE `+name); err != nil {
			t.Error(err)
		}
	})
	return name
}
