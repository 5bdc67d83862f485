package store

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"testing"
	"time"

	"cdr2otel/internal/postgrestest"
)

// loseAnswer lets the next commit happen without an answer.
func loseAnswer(t *testing.T, s *Store) {
	t.Helper()
	err := s.writer.write(t.Context(), &op{stage: stageOther, aside: func(w *writer) error {
		commit := w.commit
		w.commit = func() error {
			w.commit = commit
			if err := commit(); err != nil {
				return err
			}
			return io.ErrUnexpectedEOF
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
}

func wantUncertain(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, ErrUncertain) || !errors.Is(err, ErrUnavailable) {
		t.Errorf("%v, want ErrUnavailable and ErrUncertain", err)
	}
}

func TestAClaimWhoseAnswerWasLostIsGivenBackWithTheNextConnection(t *testing.T) {
	t.Parallel()
	at, _ := NewTestSchema(t)
	s, other := openReplica(t, at), openReplica(t, at)
	e := abreastMessage("call", "one")
	e.Record = true
	e.Quiet = time.Nanosecond

	loseAnswer(t, s)
	_, err := s.Accept(t.Context(), e)
	wantUncertain(t, err)
	if err := s.Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r, err := s.Accept(t.Context(), e); err != nil || r.Outcome != OutcomeDuplicate {
		t.Errorf("the second time: %+v, %v", r, err)
	}

	loseAnswer(t, s)
	_, err = s.ClaimDue(t.Context(), 10, time.Hour)
	wantUncertain(t, err)
	if err := s.Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	subjects, err := other.ClaimDue(t.Context(), 10, time.Hour)
	if err != nil || len(subjects) == 0 {
		t.Fatalf("%d subjects, %v", len(subjects), err)
	}
	for _, sub := range subjects {
		a := Assembly{Subject: sub, Root: Anchor{TraceID: sub.TraceID, SpanID: [8]byte{1}}, Parts: []Part{{Signal: "traces", Body: []byte("request")}}}
		if err := other.Members(t.Context(), sub, func(m Member) error { a.Members = append(a.Members, m.EventID); return nil }); err != nil {
			t.Fatal(err)
		}
		if err := other.Assemble(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}

	loseAnswer(t, s)
	_, err = s.ClaimRequests(t.Context(), "traces", 0, 10, time.Hour)
	wantUncertain(t, err)
	for range 2 * len(s.untold.last) { // what did not happen pushes nothing out
		s.untold.noteUncertain(s.newToken(), ErrUnavailable)
	}
	if err := s.Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	if requests, err := other.ClaimRequests(t.Context(), "traces", 0, 10, time.Hour); err != nil || len(requests) != len(subjects) {
		t.Errorf("%d requests can be claimed, %v; want %d", len(requests), err, len(subjects))
	}
}

func TestAStoreThatIsThereIsNotAwaited(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Config{URL: "sqlite:" + t.TempDir() + "/store.db"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Await(t.Context()); err != nil {
		t.Error(err)
	}
}

// It is answered as if it had not been cancelled, with a warning.
func TestACommitThatIsCancelledWhileItWaitsForAStandbyIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t, "wal_level=replica", "max_wal_senders=4")
	db := openTestDB(t, server.URL())
	exec := func(statement string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	s := openReplica(t, server.URL())
	exec(`ALTER SYSTEM SET synchronous_standby_names = 'none_such'`)
	exec(`SELECT pg_reload_conf()`)
	acknowledged := make(chan error, 1)
	go func() {
		_, err := s.Accept(context.Background(), abreastMessage("call", "1"))
		acknowledged <- err
	}()
	eventually(t, func() bool {
		var cancelled int
		err := db.QueryRowContext(t.Context(), `SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query = 'COMMIT'`).Scan(&cancelled)
		return err == nil && cancelled == 1
	})
	err := <-acknowledged
	if !errors.Is(err, ErrUncertain) || !errors.Is(err, ErrUnavailable) {
		t.Errorf("accept, of which the commit was cancelled: %v, want ErrUncertain", err)
	}
	exec(`ALTER SYSTEM RESET synchronous_standby_names`)
	exec(`SELECT pg_reload_conf()`)
	if err := s.Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r, err := s.Accept(t.Context(), abreastMessage("call", "1")); err != nil || r.Outcome != OutcomeDuplicate {
		t.Errorf("again: %+v, %v", r, err)
	}
}

func eventually(t *testing.T, done func() bool) {
	t.Helper()
	limit := time.After(30 * time.Second)
	for !done() {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-limit:
			t.Fatal("it took too long")
		}
	}
}

func openTestDB(t *testing.T, at string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}
