// Package storetest is the conformance suite of the store: every engine passes
// the same tests.
package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cdr2otel/exporter/internal/store"
)

// Database is an empty database of an engine.
type Database struct {
	// URL as Config.URL wants it. It may be opened again after Close.
	URL string
	// Rows counts the rows of the table event by source and state, beside the
	// store.
	Rows func(testing.TB) map[string]map[store.State]int64
	// Count counts the rows of a table, beside the store.
	Count func(t testing.TB, table string) int64
}

// Factory makes a database that lives as long as the test.
type Factory func(testing.TB) Database

// bundle is what one test works with.
type bundle struct {
	*store.Store
	t     testing.TB
	db    Database
	cfg   store.Config
	clock *clock
	due   signal
	sent  signal
}

// start is the time at which every test begins.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// ttl of the claims of the tests.
const ttl = time.Minute

func setup(t testing.TB, factory Factory, change ...func(*store.Config)) *bundle {
	t.Helper()
	b := &bundle{t: t, db: factory(t), clock: &clock{now: start}, due: newSignal(), sent: newSignal()}
	b.cfg = store.Config{
		URL:                 b.db.URL,
		Retention:           7 * 24 * time.Hour,
		DeadLetterRetention: 7 * 24 * time.Hour,
		Now:                 b.clock.Now,
		OnDue: func(at time.Time) {
			if !at.After(b.clock.Now()) {
				b.due.raise()
			}
		},
		OnOutbox: b.sent.raise,
	}
	for _, fn := range change {
		fn(&b.cfg)
	}
	b.open()
	t.Cleanup(func() {
		b.balanced()
		if err := b.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return b
}

func (b *bundle) open() {
	b.t.Helper()
	s, err := store.Open(b.ctx(), b.cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	b.Store = s
}

// restart closes the store and opens it again.
func (b *bundle) restart() {
	b.t.Helper()
	if err := b.Close(); err != nil {
		b.t.Fatalf("close: %v", err)
	}
	b.open()
}

func (b *bundle) ctx() context.Context { return b.t.Context() }

// accept takes an event in and checks what became of it.
func (b *bundle) accept(want store.Outcome, e *store.Event) {
	b.t.Helper()
	got, err := b.Accept(b.ctx(), e)
	if err != nil || got.Outcome != want || got.EventID == 0 {
		b.t.Errorf("accept %s %s: got %+v, %v; want %q and an id", e.Kind, e.LogID, got, err, want)
	}
}

func (b *bundle) accepts(events ...*store.Event) {
	b.t.Helper()
	for _, e := range events {
		b.accept(store.OutcomeAccepted, e)
	}
}

func (b *bundle) claim() []store.Subject {
	b.t.Helper()
	claimed, err := b.ClaimDue(b.ctx(), 100, ttl)
	if err != nil {
		b.t.Fatalf("claim: %v", err)
	}
	return claimed
}

// claimOne wants exactly one due subject, of that kind and reason.
func (b *bundle) claimOne(kind store.SubjectKind, reason store.Reason) store.Subject {
	b.t.Helper()
	claimed := b.claim()
	if len(claimed) != 1 {
		b.t.Fatalf("claimed %d subjects, want one %s (%s): %+v", len(claimed), kind, reason, claimed)
	}
	if claimed[0].Kind != kind || claimed[0].Reason != reason {
		b.t.Fatalf("claimed %s (%s), want %s (%s)", claimed[0].Kind, claimed[0].Reason, kind, reason)
	}
	return claimed[0]
}

func (b *bundle) claimNone() {
	b.t.Helper()
	if claimed := b.claim(); len(claimed) != 0 {
		b.t.Fatalf("claimed %+v, want nothing due", claimed)
	}
}

// read is the ids and bodies of a subject's members.
func (b *bundle) read(s store.Subject) (ids []int64, bodies []string) {
	b.t.Helper()
	err := b.Members(b.ctx(), s, func(m store.Member) error {
		ids, bodies = append(ids, m.EventID), append(bodies, string(m.Body))
		return nil
	})
	if err != nil {
		b.t.Fatalf("members: %v", err)
	}
	return ids, bodies
}

// members wants these bodies, in this order, and gives the ids.
func (b *bundle) members(s store.Subject, want ...string) []int64 {
	b.t.Helper()
	ids, bodies := b.read(s)
	if diff := cmp.Diff(want, bodies); diff != "" {
		b.t.Fatalf("members (-want +got):\n%s", diff)
	}
	return ids
}

// assembly of everything a subject has now, as one request of traces, or of logs
// if it is a log record.
func (b *bundle) assembly(s store.Subject) store.Assembly {
	b.t.Helper()
	ids, _ := b.read(s)
	a := store.Assembly{Subject: s, Members: ids, Root: rootOf(s), Parts: []store.Part{{Signal: "traces", Body: requestOf(s)}}}
	if s.Kind == store.SubjectRecord {
		a.Parts[0].Signal = "logs"
		a.Root = store.Anchor{TraceID: s.TraceID}
	}
	for _, key := range s.Owned {
		a.Turns = append(a.Turns, store.TurnAnchor{LogKey: key, Anchor: turnOf(s, key)})
	}
	return a
}

func (b *bundle) assemble(a store.Assembly) {
	b.t.Helper()
	if err := b.Assemble(b.ctx(), a); err != nil {
		b.t.Errorf("assemble: %v", err)
	}
}

func (b *bundle) requests(signal string) []store.Request {
	b.t.Helper()
	claimed, err := b.ClaimRequests(b.ctx(), signal, 0, 1000, ttl)
	if err != nil {
		b.t.Fatalf("claim requests: %v", err)
	}
	return claimed
}

func (b *bundle) oneRequest(signal string) store.Request {
	b.t.Helper()
	claimed := b.requests(signal)
	if len(claimed) != 1 {
		b.t.Fatalf("claimed %d requests of %s, want 1", len(claimed), signal)
	}
	return claimed[0]
}

func (b *bundle) settle(verdict store.Verdict, requests ...store.Request) {
	b.t.Helper()
	settled := make([]store.Settlement, len(requests))
	for i, r := range requests {
		settled[i] = store.Settlement{Request: r, Verdict: verdict}
		if verdict == store.VerdictDead {
			settled[i].Reason, settled[i].Detail = "refused", "the back end said no"
		}
	}
	if err := b.Settle(b.ctx(), settled); err != nil {
		b.t.Fatalf("settle: %v", err)
	}
}

// drain assembles everything that is due and delivers every request.
func (b *bundle) drain() {
	b.t.Helper()
	for claimed := b.claim(); len(claimed) > 0; claimed = b.claim() {
		for _, s := range claimed {
			b.assemble(b.assembly(s))
		}
	}
	for _, signal := range []string{"traces", "logs"} {
		for claimed := b.requests(signal); len(claimed) > 0; claimed = b.requests(signal) {
			b.settle(store.VerdictDone, claimed...)
		}
	}
}

// sweep does all housekeeping there is.
func (b *bundle) sweep() (rows int) {
	b.t.Helper()
	for range 10_000 {
		n, err := b.Sweep(b.ctx())
		if err != nil {
			b.t.Fatalf("sweep: %v", err)
		}
		if rows += n; n == 0 {
			return rows
		}
	}
	b.t.Fatal("sweep never comes to an end")
	return rows
}

// ledger wants these counts of the source "s"; states that are not named are 0.
func (b *bundle) ledger(want map[store.State]int64) {
	b.t.Helper()
	b.balanced()
	ledger, err := b.Ledger(b.ctx())
	if err != nil {
		b.t.Fatalf("ledger: %v", err)
	}
	got := make(map[store.State]int64)
	for state, n := range ledger["s"] {
		if n != 0 && state != store.StateAccepted {
			got[state] = n
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		b.t.Fatalf("ledger (-want +got):\n%s", diff)
	}
}

// balanced checks I2: the states add up to what was accepted, and what can still
// change is what the rows say.
func (b *bundle) balanced() {
	b.t.Helper()
	ledger, err := b.Ledger(context.WithoutCancel(b.ctx()))
	if err != nil {
		b.t.Errorf("ledger: %v", err)
		return
	}
	rows := b.db.Rows(b.t)
	for source, counts := range ledger {
		var sum int64
		for state, n := range counts {
			if state != store.StateAccepted {
				sum += n
			}
			if (state == store.StatePending || state == store.StateDead) && rows[source][state] != n {
				b.t.Errorf("source %s: %d events are %s, the ledger says %d", source, rows[source][state], state, n)
			}
		}
		if sum != counts[store.StateAccepted] {
			b.t.Errorf("source %s: accepted %d, but the states add up to %d: %v", source, counts[store.StateAccepted], sum, counts)
		}
	}
}

// rootOf and turnOf are the anchors the tests give a subject; they tell subjects
// and turns apart.
func rootOf(s store.Subject) store.Anchor {
	return store.Anchor{TraceID: [16]byte{1, byte(s.ID)}, SpanID: [8]byte{2, byte(s.ID)}, Start: 1000, End: 9000}
}

func turnOf(s store.Subject, key store.Hash) store.Anchor {
	return store.Anchor{TraceID: [16]byte{1, byte(s.ID)}, SpanID: [8]byte(key[:8]), Start: 2000, End: 3000}
}

func requestOf(s store.Subject) []byte { return fmt.Appendf(nil, "request of subject %d", s.ID) }

// clock is a clock that tests move.
type clock struct {
	mu  sync.Mutex // guards now
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// signal remembers that it was raised.
type signal chan struct{}

func newSignal() signal { return make(signal, 1) }

func (s signal) raise() {
	select {
	case s <- struct{}{}:
	default:
	}
}

// await waits until the signal was raised, and lowers it: the store raises it
// after it has answered.
func (s signal) await(t testing.TB) {
	t.Helper()
	select {
	case <-s:
	case <-t.Context().Done():
		t.Fatal("the signal was never raised")
	}
}
