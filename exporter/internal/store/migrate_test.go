package store

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// firstSchema makes a store as the release that knew only the first schema left
// it: a call that could not be mapped, one that was exported, with a late message
// that is pending and one that was dropped, one in the outbox, one that waits for
// a message, and a conversation.
func firstSchema(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "first.db")
	rows, err := os.ReadFile("testdata/schema1.sql")
	if err != nil {
		t.Fatal(err)
	}
	db, err := connect(path, 1, url.Values{"mode": {"rwc"}})
	if err != nil {
		t.Fatal(err)
	}
	err = migrateSQLite(t.Context(), db, 1)
	if err == nil {
		_, err = db.ExecContext(t.Context(), string(rows))
	}
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// The time at which the rows of the first schema were written.
var firstSchemaTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func openFirst(t *testing.T, path string) (s *Store, advance func(time.Duration)) {
	t.Helper()
	var passed atomic.Int64
	s, err := Open(t.Context(), Config{URL: "sqlite:" + path, Retention: 24 * time.Hour, DeadLetterRetention: 24 * time.Hour,
		Now: func() time.Time { return firstSchemaTime.Add(time.Duration(passed.Load())) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, func(d time.Duration) { passed.Add(int64(d)) }
}

func wantLedger(t *testing.T, s *Store, want map[State]int64) {
	t.Helper()
	ledger, err := s.Ledger(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := ledger["s"]
	maps.DeleteFunc(got, func(_ State, n int64) bool { return n == 0 })
	if !maps.Equal(got, want) {
		t.Errorf("ledger %v, want %v", got, want)
	}
}

func TestAStoreOfTheFirstSchemaLosesNothingAndGoesOn(t *testing.T) {
	t.Parallel()
	path := firstSchema(t)
	s, advance := openFirst(t, path)
	wantLedger(t, s, map[State]int64{StateAccepted: 8, StatePending: 5, StateExported: 1, StateDead: 1, StateDropped: 1})
	missing := &Event{Source: "s", Kind: KindMessage, Key: Key("log_id", "missing"), ContentHash: Key("content", "missing"), ReceivedAt: firstSchemaTime,
		Body: []byte("message missing"), LogKeys: []Hash{Key("log_id", "missing")}, Record: true}
	for _, want := range []Outcome{OutcomeAccepted, OutcomeDuplicate} {
		if r, err := s.Accept(t.Context(), missing); err != nil || r.Outcome != want {
			t.Fatalf("accept: %+v, %v; want %s", r, err, want)
		}
	}
	if err := s.Retry(t.Context(), 1); err != nil { // what could not be mapped
		t.Fatal(err)
	}
	got := finish(t, s)
	advance(4 * time.Hour)
	maps.Copy(got, finish(t, s))
	for what, n := range map[string]int{"call unmappable": 1, "call open": 3, "late exported": 1, "log open": 1, "conversation ": 1} {
		if got[what] != n {
			t.Errorf("%s has %d events, want %d: %v", what, got[what], n, got)
		}
		delete(got, what)
	}
	if len(got) > 0 {
		t.Errorf("assembled besides: %v", got)
	}
	wantLedger(t, s, map[State]int64{StateAccepted: 9, StateExported: 8, StateDropped: 1})
	advance(24 * time.Hour)
	for n := 1; n > 0; {
		var err error
		if n, err = s.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, table := range []string{"event", "body", "subject", "turn", "alias", "outbox", "request"} {
		var n int
		if err := s.reader.QueryRow(`SELECT count(*) FROM ` + table).Scan(&n); err != nil || n != 0 {
			t.Errorf("%d rows of %s are left, %v", n, table, err)
		}
	}
}

// finish assembles what is due and delivers everything. It tells how many events
// each subject had, by its kind and call.
func finish(t *testing.T, s *Store) map[string]int {
	t.Helper()
	assembled := make(map[string]int)
	due, err := s.ClaimDue(t.Context(), 100, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for _, sub := range due {
		a := Assembly{Subject: sub, Parts: []Part{{Signal: "traces", Body: sub.CallID}}}
		err := s.Members(t.Context(), sub, func(m Member) error {
			a.Members = append(a.Members, m.EventID)
			if len(m.Body) == 0 {
				t.Errorf("the body of event %d is empty", m.EventID)
			}
			return nil
		})
		if err := errors.Join(err, s.Assemble(t.Context(), a)); err != nil {
			t.Fatal(err)
		}
		assembled[fmt.Sprintf("%s %s", sub.Kind, sub.CallID)] = len(a.Members)
	}
	requests, err := s.ClaimRequests(t.Context(), "traces", 0, 100, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range requests {
		if err := s.Settle(t.Context(), []Settlement{{Request: r, Verdict: VerdictDone}}); err != nil {
			t.Fatal(err)
		}
	}
	return assembled
}

func TestAMigratedStoreHasTheSchemaOfANewOne(t *testing.T) {
	t.Parallel()
	old, _ := openFirst(t, firstSchema(t))
	fresh, _ := openFirst(t, filepath.Join(t.TempDir(), "new.db"))
	want, err := schema(t.Context(), fresh.reader)
	if err != nil {
		t.Fatal(err)
	}
	got, err := schema(t.Context(), old.reader)
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(got, want) {
		t.Errorf("schema after the migration: %v, want %v", got, want)
	}
}
