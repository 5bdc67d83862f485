package store_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"cdr2otel/exporter/internal/store"
)

func TestADatabaseThatIsDownAtStartIsWaitedFor(t *testing.T) {
	t.Parallel()
	p, through, _ := newProxy(t)
	var log lockedBuffer
	due, outbox := make(chan struct{}, 1), make(chan struct{}, 1)
	raise := func(c chan struct{}) {
		select {
		case c <- struct{}{}:
		default:
		}
	}
	s, err := store.Open(t.Context(), store.Config{
		URL: through, Retention: time.Hour, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		OnDue: func(time.Time) { raise(due) }, OnOutbox: func() { raise(outbox) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Ready(); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "refused") {
		t.Errorf("ready: %v, want that the connection was refused", err)
	}
	if _, err := store.OpenExisting(t.Context(), store.Config{URL: through}); err == nil || errors.Is(err, store.ErrNone) {
		t.Errorf("open existing: %v, want that the connection was refused", err)
	}
	everythingIsUnavailable(t, s)
	until(t, func() bool { everythingIsUnavailable(t, s); return strings.Contains(log.String(), "unavailable") })
	p.up()
	await(t, due)
	await(t, outbox)
	until(t, func() bool { return s.Ready() == nil })
	mustAccept(t, s, replicaMessage("call", 0))
	if n := strings.Count(log.String(), `msg="database is unavailable"`); n != 1 {
		t.Errorf("%d lines say that it is unavailable, want 1:\n%s", n, log.String())
	}
}

func everythingIsUnavailable(t *testing.T, s *store.Store) {
	t.Helper()
	ctx := t.Context()
	for what, do := range map[string]func() error{
		"accept": func() error { _, err := s.Accept(ctx, replicaMessage("call", 0)); return err },
		"claim":  func() error { _, err := s.ClaimDue(ctx, 1, time.Minute); return err },
		"sweep":  func() error { _, err := s.Sweep(ctx); return err },
		"ledger": func() error { _, err := s.Ledger(ctx); return err },
		"due":    func() error { _, _, err := s.NextDue(ctx); return err },
		"wait":   func() error { _, err := s.Waiting(ctx, "traces"); return err },
		"forget": func() error { _, err := s.Forget(ctx, store.Person{Source: "s", Customer: "c"}); return err },
		"finish": func() error { _, err := s.FinishForgetting(ctx); return err },
	} {
		if err := do(); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %v, want ErrUnavailable", what, err)
		}
	}
}

func TestAStoreWhoseDatabaseNeverCameCloses(t *testing.T) {
	t.Parallel()
	_, through, _ := newProxy(t)
	s, err := store.Open(t.Context(), store.Config{URL: through})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.Accept(t.Context(), replicaMessage("call", 0)); err == nil {
		t.Error("a closed store accepts")
	}
}

func TestNothingAcknowledgedIsLostWhenTheDatabaseComesAndGoes(t *testing.T) {
	t.Parallel()
	p, through, _ := newProxy(t)
	var log lockedBuffer
	p.up()
	s, err := store.Open(t.Context(), store.Config{URL: through, Retention: time.Hour, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	stop := sending(t, s)
	for range 5 {
		mustEventually(t, s, replicaMessage("up", 0))
		p.down()
		until(t, func() bool { return errors.Is(s.Ready(), store.ErrUnavailable) })
		p.up()
		until(t, func() bool { return s.Ready() == nil })
	}
	wantDuplicates(t, s, stop())
	if lines := strings.Count(log.String(), "\n"); lines > 100 {
		t.Errorf("%d lines for 5 outages:\n%s", lines, log.String())
	}
}

// What keeps it from starting at once keeps it unavailable when it is found later, and
// says so once.
func TestADatabaseThatCameWithTablesOfALaterReleaseStaysUnavailable(t *testing.T) {
	t.Parallel()
	p, through, beside := newProxy(t)
	db, err := sql.Open("pgx", beside)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	first, err := store.Open(t.Context(), store.Config{URL: beside})
	if err == nil {
		err = first.Close()
	}
	if err == nil {
		_, err = db.Exec(`INSERT INTO migration (name) VALUES ('9999_later.sql')`)
	}
	if err != nil {
		t.Fatal(err)
	}
	var log lockedBuffer
	s, err := store.Open(t.Context(), store.Config{URL: through, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p.up()
	later := func() bool { return s.Ready() != nil && strings.Contains(s.Ready().Error(), "later release") }
	until(t, later)
	everythingIsUnavailable(t, s)
	if _, err := db.Exec(`DELETE FROM migration WHERE name = '9999_later.sql'`); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return s.Ready() == nil })
	if n := strings.Count(log.String(), "later release"); n != 1 {
		t.Errorf("it was said %d times", n)
	}
}

// A server that lets nobody write is one that fails over, or that is repaired.
func TestAServerThatLetsNobodyWriteIsWaitedFor(t *testing.T) {
	t.Parallel()
	at, _ := store.NewTestSchema(t)
	s, err := store.Open(t.Context(), store.Config{URL: with(t, at, "default_transaction_read_only", "on")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Ready(); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "lets nobody write") {
		t.Errorf("ready: %v", err)
	}
	everythingIsUnavailable(t, s)
}

// Who reads first prepares the statement, and may wait for an answer for ever.
func TestNoReadOutlastsItsPatienceWhenTheDatabaseHangs(t *testing.T) {
	t.Parallel()
	p, through, _ := newProxy(t)
	p.up()
	s, err := store.Open(t.Context(), store.Config{URL: through})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Ledger(t.Context()); err != nil { // from now on there is a connection
		t.Fatal(err)
	}
	p.hangs.Store(true)
	defer p.down() // or it hangs as long as the network lets it
	ended := make(chan error)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	for range 8 { // more than there are connections
		go func() {
			_, err := s.Waiting(ctx, "traces")
			ended <- err
		}()
	}
	late := time.After(10 * time.Second)
	for range 8 {
		select {
		case err := <-ended:
			if err == nil {
				t.Error("it was read from a database that hangs")
			}
		case <-late:
			t.Fatal("a read outlasts its patience")
		}
	}
}
