package store_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"cdr2otel/exporter/internal/store"
)

func TestTheLastTwoPiecesOfACallAtOnceOnTwoReplicasMakeItCompleteOnce(t *testing.T) {
	t.Parallel()
	stores, db := replicas(t, 2)
	const calls = 300
	pieces := func(call string) []*store.Event {
		return []*store.Event{replicaMessage(call, 0), replicaMessage(call, 1), replicaCDR(call, 2)}
	}
	for i := range calls {
		call := fmt.Sprint("call ", i)
		all := pieces(call)
		first := i % 3 // any of the three may be the one that was there before
		mustAccept(t, stores[i%2], all[first])
		var wg sync.WaitGroup
		for n, e := range append(all[:first:first], all[first+1:]...) {
			wg.Go(func() { mustAccept(t, stores[n], e) })
		}
		wg.Wait()
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	seen := make(map[string]int)
	events := 0
	for _, s := range stores {
		wg.Go(func() {
			assembled, members := assembleAll(t, s)
			mu.Lock()
			defer mu.Unlock()
			events += members
			for _, sub := range assembled {
				seen[string(sub.CallID)]++
				if sub.Kind != store.SubjectCall || sub.Reason != store.ReasonComplete || sub.Missing != 0 {
					t.Errorf("%s: a %s, %s, %d missing", sub.CallID, sub.Kind, sub.Reason, sub.Missing)
				}
			}
		})
	}
	wg.Wait()
	for i := range calls {
		if n := seen[fmt.Sprint("call ", i)]; n != 1 {
			t.Errorf("call %d was assembled %d times", i, n)
		}
	}
	if events != 3*calls {
		t.Errorf("%d events were assembled, want %d", events, 3*calls)
	}
	sendAll(t, stores...)
	wantLedger(t, stores[0], db, map[store.State]int64{store.StateAccepted: 3 * calls, store.StateExported: 3 * calls})
}

func TestAMessageDuringTheAssemblyOfItsCallOnAnotherReplicaEndsLate(t *testing.T) {
	t.Parallel()
	stores, db := replicas(t, 2)
	const calls = 200
	var late int
	for i := range calls {
		call := fmt.Sprint("call ", i)
		e := replicaCDR(call, 2)
		e.NotExpected = true // due at once
		mustAccept(t, stores[0], e)
		var wg sync.WaitGroup
		wg.Go(func() { mustAccept(t, stores[1], replicaMessage(call, 0)) })
		wg.Go(func() { assembleAll(t, stores[0]) })
		wg.Wait()
		again, _ := assembleAll(t, stores[1])
		for _, sub := range again {
			if sub.Kind == store.SubjectLate {
				late++
			}
		}
	}
	sendAll(t, stores...)
	wantLedger(t, stores[0], db, map[store.State]int64{store.StateAccepted: 2 * calls, store.StateExported: 2 * calls})
	t.Logf("%d of %d were late", late, calls)
}

func TestTwoReplicasNeverClaimTheSame(t *testing.T) {
	t.Parallel()
	stores, db := replicas(t, 2)
	const calls = 200
	for i := range calls {
		mustAccept(t, stores[i%2], replicaCDR(fmt.Sprint("call ", i), 0))
	}
	var mu sync.Mutex
	claimed, sent := make(map[int64]int), make(map[int64]int)
	var wg sync.WaitGroup
	for i := range 8 {
		s := stores[i%2]
		wg.Go(func() {
			for {
				due, err := s.ClaimDue(t.Context(), 3, time.Minute)
				if err != nil {
					t.Error(err)
				}
				if len(due) == 0 {
					return
				}
				for _, sub := range due {
					mu.Lock()
					claimed[sub.ID]++
					mu.Unlock()
					a, err := assemblyOf(t, s, sub)
					if err := errors.Join(err, s.Assemble(t.Context(), a)); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	for i := range 8 {
		s := stores[i%2]
		wg.Go(func() {
			for {
				requests, err := s.ClaimRequests(t.Context(), "traces", 0, 3, time.Minute)
				if err != nil {
					t.Error(err)
				}
				if len(requests) == 0 {
					return
				}
				for _, r := range requests {
					mu.Lock()
					sent[r.ID]++
					mu.Unlock()
					if err := s.Settle(t.Context(), []store.Settlement{{Request: r, Verdict: store.VerdictDone}}); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	for what, ids := range map[string]map[int64]int{"subject": claimed, "request": sent} {
		if len(ids) != calls {
			t.Errorf("%d of %d %ss were claimed", len(ids), calls, what)
		}
		for id, n := range ids {
			if n != 1 {
				t.Errorf("%s %d was claimed %d times", what, id, n)
			}
		}
	}
	wantLedger(t, stores[0], db, map[store.State]int64{store.StateAccepted: calls, store.StateExported: calls})
}

// A record and the call of its message end at the same time, on two replicas: one of
// them must see that both did.
func TestACallAndItsLogRecordDeliveredAtOnceByTwoReplicasAreExported(t *testing.T) {
	t.Parallel()
	stores, db := replicas(t, 2)
	const calls = 100
	for i := range calls {
		call := fmt.Sprint("call ", i)
		e := replicaMessage(call, 0)
		e.Record = true
		mustAccept(t, stores[0], e)
		mustAccept(t, stores[1], replicaCDR(call, 1))
		assembled, _ := assembleAll(t, stores[0])
		if len(assembled) != 2 {
			t.Fatalf("assembled %d subjects, want the call and the record", len(assembled))
		}
		claims := make([][]store.Request, 2)
		for n, s := range stores {
			var err error
			if claims[n], err = s.ClaimRequests(t.Context(), "traces", 0, 1, time.Minute); err != nil || len(claims[n]) != 1 {
				t.Fatalf("claimed %v, %v", claims[n], err)
			}
		}
		var wg sync.WaitGroup
		for n, s := range stores {
			wg.Go(func() {
				if err := s.Settle(t.Context(), []store.Settlement{{Request: claims[n][0], Verdict: store.VerdictDone}}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	wantLedger(t, stores[0], db, map[store.State]int64{store.StateAccepted: 2 * calls, store.StateExported: 2 * calls})
}

func TestTheSameEventAtOnceOnTwoReplicasIsAcceptedOnce(t *testing.T) {
	t.Parallel()
	stores, db := replicas(t, 2)
	const events = 100
	for i := range events {
		var wg sync.WaitGroup
		outcomes := make([]store.Outcome, 2)
		for n, s := range stores {
			wg.Go(func() {
				e := replicaMessage(fmt.Sprint("call ", i), 0)
				if i%2 == 1 { // the same log id elsewhere: no lock keeps these apart
					e.Sessions, e.SIPKey = []store.Hash{store.Key(fmt.Sprint(n, i))}, store.Hash{}
				}
				r, err := s.Accept(t.Context(), e)
				if err != nil {
					t.Error(err)
				}
				outcomes[n] = r.Outcome
			})
		}
		wg.Wait()
		if got := fmt.Sprint(outcomes); got != "[accepted duplicate]" && got != "[duplicate accepted]" {
			t.Errorf("event %d: %s", i, got)
		}
	}
	wantLedger(t, stores[0], db, map[store.State]int64{store.StateAccepted: events, store.StatePending: events})
}

func TestWhatIsDueOnOneReplicaIsToldToTheOther(t *testing.T) {
	t.Parallel()
	due, outbox := make(chan struct{}, 64), make(chan struct{}, 64)
	raise := func(c chan struct{}) {
		select {
		case c <- struct{}{}:
		default:
		}
	}
	at, _ := store.NewTestSchema(t)
	open := func(cfg store.Config) *store.Store {
		cfg.URL, cfg.Retention = at, time.Hour
		s, err := store.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	open(store.Config{OnDue: func(time.Time) { raise(due) }, OnOutbox: func() { raise(outbox) }})
	one := open(store.Config{})
	mustAccept(t, one, replicaCDR("call", 0))
	await(t, due)
	assembleAll(t, one)
	await(t, outbox)
}

func await(t *testing.T, told <-chan struct{}) {
	t.Helper()
	select {
	case <-told:
	case <-time.After(30 * time.Second):
		t.Fatal("nothing was told")
	}
}

// Between the look at who owns a message and its insertion its call is assembled: the
// message finds out.
func TestAMessageWhoseCallIsAssembledWhileItIsTakenInIsLate(t *testing.T) {
	t.Parallel()
	stores, db := replicas(t, 1)
	s := stores[0]
	mustAccept(t, s, replicaCDR("call", 2))
	assembly, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer assembly.Rollback()
	if _, err := assembly.Exec(`UPDATE subject SET state = 'assembled', assembled_at = 1, span_id = '\x0102030405060708' WHERE kind = 'call'`); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { mustAccept(t, s, replicaMessage("call", 0)) })
	until(t, func() bool {
		var waiting int
		if err := assembly.QueryRow(`SELECT count(*) FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))`).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
		return waiting > 0
	})
	if err := assembly.Commit(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if assembled, _ := assembleAll(t, s); len(assembled) != 1 || assembled[0].Kind != store.SubjectLate {
		t.Errorf("assembled %+v, want one late message", assembled)
	}
}
