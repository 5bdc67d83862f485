package store_test

import (
	"database/sql"
	"testing"

	"cdr2otel/exporter/internal/store"
)

func TestOneReplicaLeadsAndAnotherOneWhenItIsGone(t *testing.T) {
	t.Parallel()
	stores, db := replicas(t, 3)
	leader := func(of []*store.Store) (leader *store.Store) {
		until(t, func() bool {
			n := 0
			for _, s := range of {
				if s.Leads() {
					leader = s
					n++
				}
			}
			return n == 1
		})
		if n := leadLocks(t, db); n > 1 {
			t.Errorf("%d hold the lock of who leads", n)
		}
		return leader
	}
	leader(stores)
	// The server ends its connection: it is no leader until it has another one.
	if _, err := db.Exec(`SELECT pg_terminate_backend(pid) FROM ` + leaders); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { leader(stores); return leadLocks(t, db) == 1 })
	// One after another closes, and says so.
	left := stores
	for range 2 {
		was := leader(left)
		if err := was.Close(); err != nil {
			t.Fatal(err)
		}
		if was.Leads() {
			t.Error("a closed store leads")
		}
		var rest []*store.Store
		for _, s := range left {
			if s != was {
				rest = append(rest, s)
			}
		}
		left = rest
		leader(left)
	}
}

// leaders are the sessions that hold the lock of who leads: what is hashed is its name,
// and of it the first eight bytes count.
const leaders = `(SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND (classid::bigint << 32 | objid::bigint) =
	('x' || encode(substring(sha256('cdr2otel\000'::bytea || convert_to(current_schema(), 'UTF8') || '\000lead'::bytea) FROM 1 FOR 8), 'hex'))::bit(64)::bigint) leaders`

func leadLocks(t *testing.T, db *sql.DB) (n int) {
	t.Helper()
	if err := db.QueryRow(`SELECT count(*) FROM ` + leaders).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
