package store

import (
	"database/sql"
	"testing"

	"cdr2otel/internal/schematest"
)

// NeedPostgres is the URL of the database that tests share; without one the test is
// skipped.
func NeedPostgres(t testing.TB) string {
	t.Helper()
	return schematest.Need(t)
}

// NewTestSchema is the URL of an empty schema, and a connection to it beside the store.
func NewTestSchema(t testing.TB) (string, *sql.DB) {
	t.Helper()
	return schematest.New(t)
}

// StopAsking lets a store die, as far as others see it, between each commit and what
// it would ask after it.
func (s *Store) StopAsking() { s.engine.(*postgres).pairs.close() }
