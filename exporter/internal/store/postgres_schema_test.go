package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"strings"
	"testing"
)

// postgresEnv is the URL of a database in which tests may make schemas.
const postgresEnv = "CDR2OTEL_TEST_POSTGRES_URL"

// NeedPostgres is that URL; without one the test is skipped.
func NeedPostgres(t testing.TB) string {
	t.Helper()
	at := os.Getenv(postgresEnv)
	if at == "" {
		t.Skipf("%s is not set: it is the URL of a database of PostgreSQL in which tests may make schemas", postgresEnv)
	}
	return at
}

// NewTestSchema is the URL of an empty schema, and a connection to it beside the store.
func NewTestSchema(t testing.TB) (string, *sql.DB) {
	t.Helper()
	at, err := url.Parse(NeedPostgres(t))
	if err != nil {
		t.Fatal(err)
	}
	schema := "cdr2otel_test_" + strings.ToLower(rand.Text())
	q := at.Query()
	q.Set("search_path", schema)
	at.RawQuery = q.Encode()
	db, err := sql.Open("pgx", at.String())
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(2)
	if _, err := db.Exec(`CREATE SCHEMA ` + schema); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := db.ExecContext(context.Background(), `DROP SCHEMA `+schema+` CASCADE`); err != nil {
			t.Error(err)
		}
		db.Close()
	})
	return at.String(), db
}
