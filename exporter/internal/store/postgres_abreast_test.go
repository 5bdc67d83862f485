package store

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

func openReplica(t *testing.T, at string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Config{URL: at, Retention: time.Hour, DeadLetterRetention: time.Hour})
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

func abreastMessage(session, log string) *Event {
	return &Event{Source: "s", Kind: KindMessage, Key: Key(log), ContentHash: Key("content", log), Body: []byte(log), Headers: []byte(`{}`),
		LogKeys: []Hash{Key(log)}, Sessions: []Hash{Key(session)}, Quiet: time.Minute, QuietReason: ReasonWindow}
}

// abreastBefore are there when the batch comes: a call that waits, one that is due at
// once, and a conversation.
func abreastBefore() []*Event {
	var before []*Event
	for _, call := range []string{"open", "assembled"} {
		e := abreastMessage(call, call)
		e.Kind, e.CallID, e.Grace = KindCDR, []byte(call), time.Hour
		e.LogKeys = []Hash{Key(call + ".1"), Key(call + ".2"), Key(call + ".3")}
		e.NotExpected = call == "assembled"
		before = append(before, e)
	}
	return append(before, abreastMessage("known", "known.1"))
}

// abreastBatch is one of everything that a batch of messages can have, and a CDR.
func abreastBatch() []*Event {
	batch := []*Event{
		abreastMessage("known", "known.1"), // a duplicate
		abreastMessage("known", "known.2"),
		abreastMessage("new", "new.1"),
		abreastMessage("new", "new.1"), // of one in the batch
		abreastMessage("elsewhere", "open.1"),
		abreastMessage("open", "open.2"),
		abreastMessage("open", "open.unnamed"),
		abreastMessage("assembled", "assembled.1"),
	}
	conflict := abreastMessage("known", "known.1")
	conflict.ContentHash = Key("other content")
	dropped, recorded, record := abreastMessage("x", "assembled.2"), abreastMessage("x", "assembled.3"), abreastMessage("new", "new.2")
	dropped.Late, recorded.Late, record.Record = LateDrop, LateRecord, true
	for _, session := range []string{"first record", "second record"} {
		e := abreastMessage(session, session)
		e.Record = true
		batch = append(batch, e)
	}
	other := abreastMessage("new", "other")
	other.Kind, other.LogKeys, other.Sessions = KindOther, nil, nil
	alone := abreastMessage("", "alone")
	alone.Sessions, alone.LogKeys, alone.SIPKey = nil, nil, Key("sip")
	cdr := abreastMessage("called", "called")
	cdr.Kind, cdr.CallID, cdr.Grace, cdr.LogKeys = KindCDR, []byte("called"), time.Hour, []Hash{Key("called.1")}
	batch = append(batch, conflict, dropped, recorded, record, other, alone, cdr, abreastMessage("called", "called.1"))
	for i := range SegmentSize + 5 { // more than a segment takes
		batch = append(batch, abreastMessage("long", fmt.Sprint("long.", i)))
	}
	return batch
}

// takeIn accepts events in one batch, or each in its own, and returns the outcomes.
func takeIn(t *testing.T, s *Store, together bool, events []*Event) []string {
	t.Helper()
	release := func() {}
	if together {
		release = hold(t, s)
	}
	intakes, outcomes := make([]*intake, len(events)), make([]string, len(events))
	for i, e := range events {
		intakes[i] = newIntake(e, s.cfg.Now)
	}
	// One after the other, they come in the order of a batch.
	slices.SortStableFunc(intakes, func(a, b *intake) int { return strings.Compare(string(a.order()), string(b.order())) })
	var waits []func() error
	for i, in := range intakes {
		wait := handOver(s, &op{stage: stageAccept, joins: in.joins(), key: in.order(), abreast: in.Kind != KindCDR, run: func(t *tx) error {
			r, err := t.accept(in)
			outcomes[i] = fmt.Sprint(r.Outcome)
			return err
		}})
		if !together {
			if err := wait(); err != nil {
				t.Fatal(err)
			}
		}
		waits = append(waits, wait)
	}
	release()
	for _, wait := range waits {
		if err := wait(); err != nil {
			t.Fatal(err)
		}
	}
	return outcomes
}

func assembleDue(t *testing.T, s *Store) {
	t.Helper()
	due, err := s.ClaimDue(t.Context(), 10, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for _, sub := range due {
		a := Assembly{Subject: sub, Root: Anchor{SpanID: [8]byte{1}, End: 1}, Parts: []Part{{Signal: "traces", Body: []byte("request")}}}
		err := s.Members(t.Context(), sub, func(m Member) error { a.Members = append(a.Members, m.EventID); return nil })
		if err := errors.Join(err, s.Assemble(t.Context(), a)); err != nil {
			t.Fatal(err)
		}
	}
}

// contents are the rows of a schema, without ids and times.
func contents(t *testing.T, db *sql.DB) (all []string) {
	t.Helper()
	for _, query := range []string{
		`SELECT concat_ws(' ', e.source, e.kind, e.key, e.content_hash, e.conflict, e.state, e.reason, e.late_as, e.record, e.redeliveries, s.kind, s.state, s.reason,
			s.call_id, s.gather_key, b.bytes) FROM event e LEFT JOIN subject s ON s.id = e.subject_id LEFT JOIN body b ON b.event_id = e.id ORDER BY 1`,
		`SELECT concat_ws(' ', kind, state, reason, messages, missing, orphans, call_id, gather_key, sip_key, not_before > 0, named) FROM subject ORDER BY 1`,
		`SELECT concat_ws(' ', t.log_key, t.span_id, t.start_ns, t.end_ns, s.call_id) FROM turn t JOIN subject s ON s.id = t.subject_id ORDER BY 1`,
		`SELECT concat_ws(' ', o.signal, o.part, o.state, o.attempts, r.bytes, s.kind, s.call_id, s.open_parts, s.settled_at > 0)
			FROM outbox o JOIN request r ON r.outbox_id = o.id JOIN subject s ON s.id = o.subject_id ORDER BY 1`,
		`SELECT concat_ws(' ', a.key, a.call, s.kind, s.call_id) FROM alias a JOIN subject s ON s.id = a.subject_id ORDER BY 1`,
		`SELECT concat_ws(' ', source, state, sum(n)) FROM ledger GROUP BY source, state ORDER BY 1`,
		`SELECT sum(n)::text FROM space`,
	} {
		rows, err := db.QueryContext(t.Context(), query)
		err = eachRow(rows, err, func(rows *sql.Rows) error {
			var row string
			err := rows.Scan(&row)
			all = append(all, row)
			return err
		})
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	return all
}

func TestABatchOfMessagesEndsAsIfTheyHadComeOneAfterTheOther(t *testing.T) {
	t.Parallel()
	var outcomes [2][]string
	var rows [2][]string
	for i, together := range []bool{false, true} {
		at, db := NewTestSchema(t)
		s := openReplica(t, at)
		takeIn(t, s, false, abreastBefore())
		assembleDue(t, s)
		failed := watch(t, s)
		outcomes[i] = takeIn(t, s, together, abreastBatch())
		rows[i] = contents(t, db)
		if n := failed.deadlocks.Load() + failed.others.Load(); n > 0 {
			t.Errorf("%d transactions were undone", n)
		}
	}
	if !slices.Equal(outcomes[0], outcomes[1]) {
		t.Errorf("outcomes\n%q, one after the other\n%q", outcomes[1], outcomes[0])
	}
	if !slices.Equal(rows[0], rows[1]) {
		without := func(all, some []string) []string {
			return slices.DeleteFunc(slices.Clone(all), func(row string) bool { return slices.Contains(some, row) })
		}
		t.Errorf("rows\n%s\none after the other\n%s", strings.Join(without(rows[1], rows[0]), "\n"), strings.Join(without(rows[0], rows[1]), "\n"))
	}
	for _, outcome := range []Outcome{OutcomeAccepted, OutcomeDuplicate, OutcomeConflict, OutcomeUnsupported} {
		if !slices.Contains(outcomes[1], fmt.Sprint(outcome)) {
			t.Errorf("no event was %s", outcome)
		}
	}
}

func TestOneBadWriteDoesNotStopThoseAbreast(t *testing.T) {
	t.Parallel()
	at, _ := NewTestSchema(t)
	s := openReplica(t, at)
	release := hold(t, s)
	const bad = 7
	var waits []func() error
	for i := range 20 {
		in := newIntake(abreastMessage(fmt.Sprint("session ", i), fmt.Sprint("log ", i)), s.cfg.Now)
		waits = append(waits, handOver(s, &op{stage: stageAccept, joins: in.joins(), key: in.order(), abreast: true, run: func(t *tx) error {
			if i == bad {
				if err := t.exec(`INSERT INTO alias (source, key, call, subject_id) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`, "s", nil, 0, 1); err != nil {
					return err
				}
			}
			_, err := t.accept(in)
			return err
		}}))
	}
	release()
	for i, wait := range waits {
		if err := wait(); (err != nil) != (i == bad) {
			t.Errorf("event %d: %v", i, err)
		}
	}
	ledger, err := s.Ledger(t.Context())
	if err != nil || ledger["s"][StateAccepted] != 19 || s.Ready() != nil {
		t.Errorf("ledger %v, %v; ready: %v", ledger, err, s.Ready())
	}
}

// codes counts what a writer's transactions failed with.
type codes struct {
	*postgres
	deadlocks, others atomic.Int64
}

func (c *codes) fault(w *writer, err error) fault {
	var e *pgconn.PgError
	switch {
	case err == nil:
	case !errors.As(err, &e):
		c.others.Add(1)
	case e.Code == "40P01":
		c.deadlocks.Add(1)
	default:
		c.others.Add(1)
	}
	return c.postgres.fault(w, err)
}

// watch counts from now on.
func watch(t *testing.T, s *Store) *codes {
	t.Helper()
	release := hold(t, s)
	defer release()
	c := &codes{postgres: s.engine.(*postgres)}
	s.writer.engine = c // the writer is held: nobody reads it
	return c
}

// The same log ids under other sessions: nothing but their order keeps replicas from
// waiting for each other.
func TestReplicasThatWriteTheSameKeysInOppositeOrderDoNotDeadlock(t *testing.T) {
	t.Parallel()
	at, db := NewTestSchema(t)
	stores, seen := make([]*Store, 2), make([]*codes, 2)
	for n := range stores {
		stores[n] = openReplica(t, at)
		seen[n] = watch(t, stores[n])
	}
	// A row takes its time, so that both write at once.
	if _, err := db.Exec(`CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.01); RETURN NEW; END';
		CREATE TRIGGER slow BEFORE INSERT ON event FOR EACH ROW EXECUTE FUNCTION slow()`); err != nil {
		t.Fatal(err)
	}
	const keys = 20
	for round := range 3 {
		var releases []func()
		var waits []func() error
		for n, s := range stores {
			releases = append(releases, hold(t, s))
			for i := range keys {
				if n == 1 {
					i = keys - 1 - i
				}
				in := newIntake(abreastMessage(fmt.Sprint("of replica ", n, i), fmt.Sprint("log ", round, i)), s.cfg.Now)
				waits = append(waits, handOver(s, &op{stage: stageAccept, joins: in.joins(), key: in.order(), abreast: true, run: func(t *tx) error {
					_, err := t.accept(in)
					return err
				}}))
			}
		}
		var wg sync.WaitGroup
		for _, release := range releases {
			wg.Go(release)
		}
		wg.Wait()
		for _, wait := range waits {
			if err := wait(); err != nil {
				t.Error(err)
			}
		}
		ledger, err := stores[0].Ledger(t.Context())
		if n, want := ledger["s"][StateAccepted], int64(keys*(round+1)); err != nil || n != want {
			t.Errorf("%d events were accepted, want %d, %v", n, want, err)
		}
	}
	for n, s := range seen {
		if s.deadlocks.Load() > 0 {
			t.Errorf("replica %d was in %d deadlocks", n, s.deadlocks.Load())
		}
		t.Logf("replica %d: %d other conflicts", n, s.others.Load())
	}
}
