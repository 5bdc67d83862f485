package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	sqlite3 "modernc.org/sqlite/lib"
)

func openTest(t *testing.T, path string, change ...func(*Config)) *Store {
	t.Helper()
	cfg := Config{URL: "sqlite:" + path, Retention: time.Hour, DeadLetterRetention: time.Hour}
	for _, fn := range change {
		fn(&cfg)
	}
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func newTest(t *testing.T) *Store { return openTest(t, filepath.Join(t.TempDir(), "cdr2otel.db")) }

func testEvent(name string) *Event {
	return &Event{Source: "s", Kind: KindCDR, Key: Key(name), ContentHash: Key(name), Body: []byte(name), LogKeys: []Hash{Key("log", name)}, Grace: time.Minute}
}

// hold keeps the writer busy until release is called; what is handed over
// meanwhile gathers into one batch.
func hold(t *testing.T, s *Store) (release func()) {
	t.Helper()
	held, free := make(chan struct{}), make(chan struct{})
	go func() {
		_ = s.writer.write(context.Background(), &op{stage: stageOther, run: func(*tx) error {
			close(held)
			<-free
			return nil
		}})
	}()
	<-held
	return func() { close(free) }
}

// handOver starts a write and returns when the writer has it.
func handOver(s *Store, o *op) (wait func() error) {
	o.done = make(chan struct{})
	if err := s.writer.submit(context.Background(), o); err != nil {
		return func() error { return err }
	}
	return func() error { <-o.done; return o.err }
}

func acceptOp(in *intake, out *Outcome) *op {
	return &op{stage: stageAccept, key: in.order(), bytes: in.size(), grows: true,
		run: func(t *tx) error {
			receipt, err := t.accept(in)
			*out = receipt.Outcome
			return err
		}}
}

func TestWhatGathersIsCommittedTogether(t *testing.T) {
	t.Parallel()
	s := newTest(t)
	commits := 0
	commit := s.writer.commit
	release := hold(t, s)
	s.writer.commit = func() error { commits++; return commit() } // the writer is held: nobody reads it
	var waits []func() error
	outcomes := make([]Outcome, 100)
	for i := range outcomes {
		waits = append(waits, handOver(s, acceptOp(newIntake(testEvent(fmt.Sprint(i)), time.Now), &outcomes[i])))
	}
	release()
	for i, wait := range waits {
		if err := wait(); err != nil || outcomes[i] != OutcomeAccepted {
			t.Errorf("event %d: %q, %v", i, outcomes[i], err)
		}
	}
	if commits != 2 { // the one that was held, and all the others
		t.Errorf("%d commits", commits)
	}
}

func TestOneBadWriteDoesNotStopItsNeighbours(t *testing.T) {
	t.Parallel()
	s := newTest(t)
	release := hold(t, s)
	var waits []func() error
	outcomes := make([]Outcome, 10)
	for i := range outcomes {
		waits = append(waits, handOver(s, acceptOp(newIntake(testEvent(fmt.Sprint(i)), time.Now), &outcomes[i])))
	}
	bad := handOver(s, &op{stage: stageOther, run: func(t *tx) error {
		t.accepted("s", StatePending) // must not reach the ledger
		return t.exec(`INSERT INTO ledger (source, state, n) VALUES ('s', NULL, 1)`)
	}})
	release()
	for i, wait := range waits {
		if err := wait(); err != nil || outcomes[i] != OutcomeAccepted {
			t.Errorf("event %d: %q, %v", i, outcomes[i], err)
		}
	}
	if err := bad(); sqliteCode(err) != sqlite3.SQLITE_CONSTRAINT {
		t.Errorf("bad write: %v", err)
	}
	ledger, err := s.Ledger(t.Context())
	if err != nil || ledger["s"][StatePending] != 10 || s.Ready() != nil {
		t.Errorf("ledger %v, %v; ready: %v", ledger, err, s.Ready())
	}
	// What the writer remembers of the source was undone with the batch.
	var sources int
	if err := s.reader.QueryRow(`SELECT count(*) FROM source`).Scan(&sources); err != nil || sources != 1 {
		t.Errorf("%d sources are known, %v", sources, err)
	}
}

func TestACallerThatGivesUpAfterHandingOverLosesNothing(t *testing.T) {
	t.Parallel()
	s := newTest(t)
	release := hold(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	answered := make(chan error)
	go func() {
		_, err := s.Accept(ctx, testEvent("a"))
		answered <- err
	}()
	for len(s.writer.ops) == 0 { // until it is handed over
		select {
		case err := <-answered:
			t.Fatalf("answered early: %v", err)
		default:
		}
	}
	cancel()
	if err := <-answered; !errors.Is(err, context.Canceled) {
		t.Errorf("accept: %v", err)
	}
	release()
	if receipt, err := s.Accept(t.Context(), testEvent("a")); receipt.Outcome != OutcomeDuplicate || err != nil {
		t.Errorf("the same event again: %+v, %v; want a duplicate", receipt, err)
	}
}

// ioError is what SQLite says when the disk fails.
type ioError struct{}

func (ioError) Error() string { return "disk I/O error" }
func (ioError) Code() int     { return sqlite3.SQLITE_IOERR_FSYNC }

// Failed commits come in pairs: what failed may be there or not, and nobody who
// was told "yes" may lose.
func TestAFailedCommitAcknowledgesNothingAndStopsTheStore(t *testing.T) {
	t.Parallel()
	for name, persisted := range map[string]bool{"not persisted": false, "persisted": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "cdr2otel.db")
			s := openTest(t, path)
			if _, err := s.Accept(t.Context(), testEvent("before")); err != nil {
				t.Fatal(err)
			}
			failCommit(t, s, persisted)
			checkBroken(t, s)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			checkRecovered(t, openTest(t, path), persisted)
		})
	}
}

// failCommit has three events fail in one commit.
func failCommit(t *testing.T, s *Store, persisted bool) {
	t.Helper()
	commit, release := s.writer.commit, hold(t, s)
	calls := 0
	s.writer.commit = func() error {
		if calls++; calls == 1 { // the held batch
			return commit()
		}
		if persisted {
			_ = commit()
		}
		return ioError{}
	}
	var wg sync.WaitGroup
	for i := range 3 {
		wait := handOver(s, acceptOp(newIntake(testEvent(fmt.Sprint(i)), time.Now), new(Outcome)))
		wg.Go(func() {
			if err := wait(); !errors.Is(err, ErrBroken) {
				t.Errorf("event %d: %v, want ErrBroken", i, err)
			}
		})
	}
	release()
	wg.Wait()
}

func checkBroken(t *testing.T, s *Store) {
	t.Helper()
	select {
	case <-s.Broken():
	default:
		t.Error("Broken is not closed")
	}
	if err := s.Ready(); !errors.Is(err, ErrBroken) {
		t.Errorf("ready: %v, want ErrBroken", err)
	}
	if _, err := s.Accept(t.Context(), testEvent("after")); !errors.Is(err, ErrBroken) {
		t.Errorf("accept: %v, want ErrBroken", err)
	}
}

func checkRecovered(t *testing.T, s *Store, persisted bool) {
	t.Helper()
	want := map[bool]Outcome{false: OutcomeAccepted, true: OutcomeDuplicate}[persisted]
	for name, want := range map[string]Outcome{"before": OutcomeDuplicate, "0": want, "1": want, "2": want, "after": OutcomeAccepted} {
		if got, err := s.Accept(t.Context(), testEvent(name)); got.Outcome != want || err != nil {
			t.Errorf("event %s again: %+v, %v; want %q", name, got, err, want)
		}
	}
	ledger, err := s.Ledger(t.Context())
	if err != nil || ledger["s"][StateAccepted] != 5 || ledger["s"][StatePending] != 5 {
		t.Errorf("ledger %v, %v", ledger, err)
	}
}

func TestADiskWithoutSpaceRefusesAndRecovers(t *testing.T) {
	t.Parallel()
	s := newTest(t)
	pages := func(query string) {
		t.Helper()
		if err := s.writer.write(t.Context(), &op{run: func(t *tx) error { return t.exec(query) }}); err != nil {
			t.Fatal(err)
		}
	}
	pages(`PRAGMA max_page_count = 200`)
	var err error
	taken := int64(0)
	for ; err == nil && taken < 1000; taken++ {
		e := testEvent(fmt.Sprint(taken))
		e.Headers = make([]byte, 10_000)
		_, err = s.Accept(t.Context(), e)
	}
	taken--
	if !errors.Is(err, ErrFull) || taken < 10 {
		t.Fatalf("after %d events: %v, want ErrFull", taken, err)
	}
	if err := s.Ready(); !errors.Is(err, ErrFull) {
		t.Errorf("ready: %v, want ErrFull", err)
	}
	pages(`PRAGMA max_page_count = 1000000`)
	if _, err := s.Sweep(t.Context()); err != nil || s.Ready() != nil {
		t.Errorf("sweep: %v; ready: %v", err, s.Ready())
	}
	if _, err := s.Accept(t.Context(), testEvent("one more")); err != nil {
		t.Fatal(err)
	}
	ledger, err := s.Ledger(t.Context())
	if err != nil || ledger["s"][StatePending] != taken+1 {
		t.Errorf("took %d, ledger %v, %v", taken+1, ledger, err)
	}
}

func TestRedeliveriesAreCountedOnTheRow(t *testing.T) {
	t.Parallel()
	s := newTest(t)
	other := testEvent("a")
	other.ContentHash = Key("other content")
	for _, e := range []*Event{testEvent("a"), testEvent("a"), other, other, other, testEvent("a")} {
		if _, err := s.Accept(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	var first, conflict int
	err := s.reader.QueryRow(`SELECT (SELECT redeliveries FROM event WHERE conflict = 0), (SELECT redeliveries FROM event WHERE conflict = 1)`).Scan(&first, &conflict)
	if err != nil || first != 2 || conflict != 2 {
		t.Errorf("redeliveries %d and %d, %v; want 2 and 2", first, conflict, err)
	}
}
