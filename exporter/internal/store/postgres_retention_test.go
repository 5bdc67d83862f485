package store_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"cdr2otel/exporter/internal/store"
)

// sweepAll sweeps on all stores at once until nothing is left.
func sweepAll(t *testing.T, stores ...*store.Store) (rows int) {
	t.Helper()
	most := 10 // sweeps for nothing: another one may be sweeping
	if len(stores) == 1 {
		most = 1
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, s := range stores {
		wg.Go(func() {
			for idle := 0; idle < most; {
				n, err := s.Sweep(t.Context())
				if err != nil {
					t.Error(err)
				}
				if n == 0 {
					idle++
				}
				mu.Lock()
				rows += n
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return rows
}

func TestReplicasThatSweepAtOnceDeleteEachRowOnce(t *testing.T) {
	t.Parallel()
	stores, db := replicas(t, 3, func(cfg *store.Config) { cfg.Retention, cfg.KeepBodies = 0, time.Nanosecond })
	const calls = 60
	for i := range calls {
		call := fmt.Sprint("call ", i)
		mustAccept(t, stores[i%3], replicaMessage(call, 0))
		mustAccept(t, stores[(i+1)%3], replicaCDR(call, 1))
	}
	assembleAll(t, stores[0])
	sendAll(t, stores...)
	wantLedger(t, stores[0], db, map[store.State]int64{store.StateAccepted: 2 * calls, store.StateExported: 2 * calls})
	// A call: two events, their bodies, its turn, two aliases, itself, its request with
	// the request's row, and that its bodies are gone.
	if rows := sweepAll(t, stores...); rows < 9*calls || rows > 11*calls {
		t.Errorf("%d rows went, want 9 to 11 of each of %d calls", rows, calls)
	}
	for _, table := range []string{"event", "body", "subject", "turn", "alias", "outbox", "request", "summary"} {
		var n int
		if err := db.QueryRow(`SELECT count(*) FROM ` + table).Scan(&n); err != nil || n != 0 {
			t.Errorf("%d rows of %s are left, %v", n, table, err)
		}
	}
	var stored int64 // what was counted twice would show
	if err := db.QueryRow(`SELECT sum(n) FROM space`).Scan(&stored); err != nil || stored != 0 {
		t.Errorf("%d bytes are counted as stored, %v", stored, err)
	}
	ledger, err := stores[1].Ledger(t.Context())
	if err != nil || ledger["s"][store.StateExported] != 2*calls || ledger["s"][store.StateAccepted] != 2*calls {
		t.Errorf("%v, %v", ledger, err)
	}
}

// One replica brings dead letters back while others find that their time is up: each is
// one or the other.
func TestADeadLetterThatIsRetriedWhileItExpiresIsOneOrTheOther(t *testing.T) {
	t.Parallel()
	stores, db := replicas(t, 2, func(cfg *store.Config) { cfg.DeadLetterRetention = 0 })
	const calls = 30
	retried, late := 0, 0
	for i := range calls {
		e := replicaMessage(fmt.Sprint("call ", i), 0)
		e.Quiet = time.Nanosecond
		mustAccept(t, stores[0], e)
		due, err := stores[0].ClaimDue(t.Context(), 10, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		for _, sub := range due {
			a, err := assemblyOf(t, stores[0], sub)
			if err != nil {
				t.Fatal(err)
			}
			if sub.Kind == store.SubjectConversation && len(a.Members) == 1 {
				a.Parts, a.DeadReason = nil, "unmappable"
			}
			if err := stores[0].Assemble(t.Context(), a); err != nil {
				t.Fatal(err)
			}
		}
		var id int64
		if err := db.QueryRow(`SELECT max(id) FROM event`).Scan(&id); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			switch err := stores[1].Retry(t.Context(), id); {
			case err == nil:
				retried++
			case errors.Is(err, store.ErrNotRetryable):
				late++
			default:
				t.Error(err)
			}
		})
		wg.Go(func() {
			if _, err := stores[0].Sweep(t.Context()); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		sweepAll(t, stores[0])
		var state string
		var bodies int
		if err := db.QueryRow(`SELECT state, (SELECT count(*) FROM body WHERE event_id = id) FROM event WHERE id = $1`, id).Scan(&state, &bodies); err != nil {
			t.Fatal(err)
		}
		if state == "pending" && bodies != 1 || state == "expired" && bodies != 0 || state != "pending" && state != "expired" {
			t.Errorf("event %d is %s with %d bodies", id, state, bodies)
		}
	}
	t.Logf("%d were retried in time, %d too late", retried, late)
	var pending, expired int64
	if err := db.QueryRow(`SELECT count(*) FILTER (WHERE state = 'pending'), count(*) FILTER (WHERE state = 'expired') FROM event`).Scan(&pending, &expired); err != nil {
		t.Fatal(err)
	}
	ledger, err := stores[0].Ledger(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	of := ledger["s"]
	if of[store.StatePending] != pending || of[store.StateExpired] != expired || of[store.StateDead] != 0 || pending+expired+of[store.StateExported] != calls {
		t.Errorf("%v of %d pending and %d expired", of, pending, expired)
	}
}
