package store_test

import (
	"database/sql"
	"fmt"
	"sync"
	"testing"

	"cdr2otel/exporter/internal/store"
)

// strangers are a CDR and the message it names, with nothing else in common.
func strangers(call string) (cdr, message *store.Event) {
	cdr, message = replicaCDR(call, 1), replicaMessage(call, 0)
	message.Sessions, message.SIPKey = []store.Hash{store.Key("session_id", "of the message", call)}, store.Hash{}
	return cdr, message
}

// acceptAtOnce has both transactions do all they do before either commits: what they
// do last is to count.
func acceptAtOnce(t *testing.T, db *sql.DB, stores []*store.Store, events ...*store.Event) {
	t.Helper()
	counting, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer counting.Rollback()
	var pid int
	if _, err := counting.Exec(`LOCK TABLE ledger IN SHARE MODE`); err != nil {
		t.Fatal(err)
	}
	if err := counting.QueryRow(`SELECT pg_backend_pid()`).Scan(&pid); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i, e := range events {
		wg.Go(func() { mustAccept(t, stores[i], e) })
	}
	until(t, func() bool {
		var waiting int
		err := db.QueryRow(`SELECT count(*) FROM pg_stat_activity WHERE $1 = ANY(pg_blocking_pids(pid)) AND query LIKE 'INSERT INTO ledger%'`, pid).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
		return waiting == len(events)
	})
	if err := counting.Commit(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
}

func TestACDRAndItsMessageAtOnceWithNothingElseInCommonAreACompleteCall(t *testing.T) {
	t.Parallel()
	stores, db := replicas(t, 2)
	mustAccept(t, stores[0], replicaMessage("known", 0)) // else they wait for each other to make the source known
	const calls = 10
	var found []store.Subject
	members := 0
	for i := range calls {
		cdr, message := strangers(fmt.Sprint("call ", i))
		acceptAtOnce(t, db, stores, cdr, message)
		until(t, func() bool {
			assembled, n := assembleAll(t, stores[i%2])
			found, members = append(found, assembled...), members+n
			return len(found) == i+1
		})
	}
	for _, sub := range found {
		if sub.Kind != store.SubjectCall || sub.Reason != store.ReasonComplete || sub.Missing != 0 {
			t.Errorf("%s: a %s, %s, %d missing", sub.CallID, sub.Kind, sub.Reason, sub.Missing)
		}
	}
	if members != 2*calls {
		t.Errorf("%d events were assembled, want %d", members, 2*calls)
	}
	sendAll(t, stores...)
	wantLedger(t, stores[0], db, map[store.State]int64{store.StateAccepted: 2*calls + 1, store.StateExported: 2 * calls, store.StatePending: 1})
}

// Both processes die after their commits, before they ask.
func TestASweepFindsWhatNobodyAskedForAfterItsCommit(t *testing.T) {
	t.Parallel()
	stores, db := replicas(t, 3)
	mustAccept(t, stores[0], replicaMessage("known", 0))
	for _, s := range stores[:2] {
		s.StopAsking()
	}
	cdr, message := strangers("call")
	acceptAtOnce(t, db, stores, cdr, message)
	for _, s := range stores[:2] {
		if assembled, _ := assembleAll(t, s); len(assembled) != 0 {
			t.Fatalf("assembled %+v: they did see each other", assembled)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	until(t, func() bool {
		n, err := stores[2].Sweep(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return n > 0
	})
	if n, err := stores[2].Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("swept again: %d, %v", n, err)
	}
	assembled, members := assembleAll(t, stores[2])
	if len(assembled) != 1 || assembled[0].Kind != store.SubjectCall || assembled[0].Reason != store.ReasonComplete || members != 2 {
		t.Errorf("assembled %+v of %d events, want one complete call of 2", assembled, members)
	}
}
