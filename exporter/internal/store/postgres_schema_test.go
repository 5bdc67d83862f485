package store

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net"
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

// OwnAddress is a loopback address that stays the test's while nobody listens at it: the
// port lies below those that systems give to who asks for any.
func OwnAddress(t testing.TB) string {
	t.Helper()
	const lowest, highest = 20_000, 30_000
	for range 1000 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", lowest+rand.IntN(highest-lowest)))
		if err == nil {
			l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no port is free")
	return ""
}

// StopAsking lets a store die, as far as others see it, between each commit and what
// it would ask after it.
func (s *Store) StopAsking() { s.engine.(*postgres).pairs.close() }
