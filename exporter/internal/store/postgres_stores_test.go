package store_test

import (
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"cdr2otel/exporter/internal/store"
)

// replicas are stores on one schema.
func replicas(t *testing.T, n int, change ...func(*store.Config)) ([]*store.Store, *sql.DB) {
	t.Helper()
	at, db := store.NewTestSchema(t)
	stores := make([]*store.Store, n)
	var wg sync.WaitGroup
	for i := range stores {
		wg.Go(func() {
			cfg := store.Config{URL: at, Retention: time.Hour, DeadLetterRetention: time.Hour}
			for _, fn := range change {
				fn(&cfg)
			}
			s, err := store.Open(t.Context(), cfg)
			if err != nil {
				t.Error(err)
				return
			}
			stores[i] = s
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
	if wg.Wait(); t.Failed() {
		t.FailNow()
	}
	return stores, db
}

func replicaMessage(call string, turn int) *store.Event {
	log := fmt.Sprintf("%s/%d", call, turn)
	return &store.Event{
		Source: "s", Kind: store.KindMessage, Key: store.Key("log_id", log), ContentHash: store.Key("content", log), Body: []byte(log),
		LogKeys: []store.Hash{store.Key("log_id", log)}, Sessions: []store.Hash{store.Key("session_id", call)}, SIPKey: store.Key("sip", call),
		Quiet: time.Hour, QuietReason: store.ReasonWindow,
	}
}

func replicaCDR(call string, turns int) *store.Event {
	e := replicaMessage(call, -1)
	e.Kind, e.Key, e.LogKeys, e.CallID, e.Grace = store.KindCDR, store.Key("cdr", call), nil, []byte(call), time.Hour
	e.TraceID = [16]byte(e.Key[:16])
	for turn := range turns {
		e.LogKeys = append(e.LogKeys, store.Key("log_id", fmt.Sprintf("%s/%d", call, turn)))
	}
	return e
}

func mustAccept(t *testing.T, s *store.Store, e *store.Event) {
	t.Helper()
	if r, err := s.Accept(t.Context(), e); err != nil || r.Outcome != store.OutcomeAccepted {
		t.Errorf("accept %s: %+v, %v", e.Body, r, err)
	}
}

// assembleAll claims and assembles what is due until nothing is.
func assembleAll(t *testing.T, s *store.Store) (assembled []store.Subject, members int) {
	t.Helper()
	for {
		due, err := s.ClaimDue(t.Context(), 10, time.Minute)
		if err != nil {
			t.Error(err)
			return assembled, members
		}
		if len(due) == 0 {
			return assembled, members
		}
		for _, sub := range due {
			a, err := assemblyOf(t, s, sub)
			if err == nil {
				err = s.Assemble(t.Context(), a)
			}
			switch {
			case errors.Is(err, store.ErrFenced):
			case err != nil:
				t.Error(err)
			default:
				assembled, members = append(assembled, sub), members+len(a.Members)
			}
		}
	}
}

func assemblyOf(t *testing.T, s *store.Store, sub store.Subject) (store.Assembly, error) {
	a := store.Assembly{Subject: sub, Root: store.Anchor{TraceID: sub.TraceID, SpanID: [8]byte{1}, End: 1}, Parts: []store.Part{{Signal: "traces", Body: []byte("request")}}}
	for _, key := range sub.Owned {
		a.Turns = append(a.Turns, store.TurnAnchor{LogKey: key, Anchor: store.Anchor{TraceID: sub.TraceID, SpanID: [8]byte{2}, End: 1}})
	}
	return a, s.Members(t.Context(), sub, func(m store.Member) error { a.Members = append(a.Members, m.EventID); return nil })
}

// sendAll delivers everything on all stores at once.
func sendAll(t *testing.T, stores ...*store.Store) {
	t.Helper()
	var wg sync.WaitGroup
	for _, s := range stores {
		wg.Go(func() {
			for {
				requests, err := s.ClaimRequests(t.Context(), "traces", 0, 7, time.Minute)
				if err != nil {
					t.Error(err)
				}
				if len(requests) == 0 {
					return
				}
				settled := make([]store.Settlement, len(requests))
				for i, r := range requests {
					settled[i] = store.Settlement{Request: r, Verdict: store.VerdictDone}
				}
				if err := s.Settle(t.Context(), settled); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// wantLedger compares the ledger and the rows of the table, beside the store.
func wantLedger(t *testing.T, s *store.Store, db *sql.DB, want map[store.State]int64) {
	t.Helper()
	ledger, err := s.Ledger(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rows := countRows(t, db)["s"]
	for _, state := range []store.State{store.StateAccepted, store.StatePending, store.StateExported, store.StateDead, store.StateDropped} {
		if n := ledger["s"][state]; n != want[state] {
			t.Errorf("%d events are %s in the ledger, want %d", n, state, want[state])
		}
		if state != store.StateAccepted && rows[state] != want[state] {
			t.Errorf("%d rows are %s, want %d", rows[state], state, want[state])
		}
	}
}
