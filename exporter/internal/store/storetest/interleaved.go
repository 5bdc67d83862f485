package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"cdr2otel/exporter/internal/store"
	"cdr2otel/internal/testenv"
)

var interleavedTests = map[string]func(*testing.T, Factory){
	"whatever happens in whatever order, every event is exported once": interleaved,
	"whatever happens and expires, nothing is left over":               interleavedExpiring,
}

// interleaving is a random sequence of everything that happens to a store, and
// what must be true of it.
type interleaving struct {
	*bundle
	random *rand.Rand
	events []*store.Event // not accepted yet
	rows   []int64        // accepted
	held   []store.Assembly
	body   map[int64]string // of an event's row
	// spans and records count the assemblies, committed with a request, that an
	// event is in.
	spans, records map[int64]int
}

func interleave(t *testing.T, factory Factory, seed uint64, change func(*store.Config)) *interleaving {
	t.Helper()
	i := &interleaving{bundle: setup(t, factory, change), random: rand.New(rand.NewPCG(seed, 0)),
		body: make(map[int64]string), spans: make(map[int64]int), records: make(map[int64]int)}
	for c := range 6 {
		call := fmt.Sprint("call", c)
		var logs []string
		for m := range i.random.IntN(6) {
			log := fmt.Sprint(call, ".", m)
			e := message(call, log)
			e.Late, e.Record = store.LateAs(i.random.IntN(3)), i.random.IntN(2) == 0
			e.Quiet = time.Duration(1+i.random.IntN(3)) * grace
			if i.random.IntN(6) == 0 { // of a session that no CDR names
				e.Sessions, e.SIPKey = []store.Hash{sessionKey("stray " + call)}, store.Hash{}
			}
			i.events = append(i.events, e)
			if i.random.IntN(4) > 0 {
				logs = append(logs, log)
			}
		}
		if i.random.IntN(5) > 0 {
			i.events = append(i.events, cdr(call, logs...))
		}
	}
	i.random.Shuffle(len(i.events), func(x, y int) { i.events[x], i.events[y] = i.events[y], i.events[x] })
	return i
}

// run does n random things and then brings everything to its end.
func (i *interleaving) run(n int) {
	i.t.Helper()
	steps := []func(){i.acceptNext, i.acceptNext, i.hold, i.hold, i.commit, i.commit, i.commit, i.deliver, i.deliver, i.retrySome, i.pass, i.show}
	for range n {
		steps[i.random.IntN(len(steps))]()
		i.balanced()
	}
	for len(i.events) > 0 {
		i.acceptNext()
	}
	for range 4 { // what an end brings about has an end as well
		for _, row := range i.rows {
			i.tryRetry(row)
		}
		i.clock.advance(3*grace + ttl)
		i.hold()
		for len(i.held) > 0 {
			i.commitAt(0, "")
		}
		i.deliverAll()
	}
	i.balanced()
}

func (i *interleaving) acceptNext() {
	if len(i.events) == 0 {
		return
	}
	e := i.events[0]
	i.events = i.events[1:]
	receipt, err := i.Accept(i.ctx(), e)
	if err != nil || receipt.Outcome != store.OutcomeAccepted {
		i.t.Fatalf("accept %s: %+v, %v", e.Body, receipt, err)
	}
	i.rows = append(i.rows, receipt.EventID)
	i.body[receipt.EventID] = string(e.Body)
}

// hold claims what is due and maps it; whether that is committed is another step.
func (i *interleaving) hold() {
	for _, s := range i.claim() {
		a := i.assembly(s)
		err := i.Observations(i.ctx(), s, func(o store.Observation) error { a.Observed = append(a.Observed, o.ID); return nil })
		if err != nil {
			i.t.Fatalf("observations: %v", err)
		}
		i.held = append(i.held, a)
	}
}

// show lets a synchronous webhook show something of a call.
func (i *interleaving) show() {
	o := observed(fmt.Sprint("call", i.random.IntN(6)), "shown")
	if i.random.IntN(2) == 0 {
		o.Record = []byte("record of what was shown")
	}
	i.observe(o)
}

func (i *interleaving) commit() {
	if len(i.held) == 0 {
		return
	}
	reason := ""
	if i.random.IntN(8) == 0 {
		reason = "unmappable"
	}
	i.commitAt(i.random.IntN(len(i.held)), reason)
}

func (i *interleaving) commitAt(n int, dead string) {
	i.t.Helper()
	a := i.held[n]
	i.held = append(i.held[:n], i.held[n+1:]...)
	if a.DeadReason = dead; dead != "" {
		a.Parts = nil
	}
	err := i.Assemble(i.ctx(), a)
	switch {
	case errors.Is(err, store.ErrFenced):
		return
	case err != nil:
		i.t.Fatalf("assemble: %v", err)
	case dead != "":
		return
	}
	for _, id := range a.Members {
		if a.Subject.Kind == store.SubjectRecord {
			i.records[id]++
		} else {
			i.spans[id]++
		}
	}
}

func (i *interleaving) deliver() {
	signal := []string{"traces", "logs"}[i.random.IntN(2)]
	verdicts := []store.Verdict{store.VerdictDone, store.VerdictDone, store.VerdictHold, store.VerdictRetry, store.VerdictDead, store.VerdictSplit}
	for _, r := range i.requests(signal) {
		s := store.Settlement{Request: r, Verdict: verdicts[i.random.IntN(len(verdicts))]}
		if s.Verdict == store.VerdictSplit {
			s.Parts = [][]byte{{1}, {2}}
		}
		if err := i.Settle(i.ctx(), []store.Settlement{s}); err != nil {
			i.t.Fatalf("settle %s: %v", s.Verdict, err)
		}
	}
}

func (i *interleaving) deliverAll() {
	for _, signal := range []string{"traces", "logs"} {
		i.settle(store.VerdictDone, i.requests(signal)...)
	}
}

func (i *interleaving) retrySome() {
	if len(i.rows) > 0 {
		i.tryRetry(i.rows[i.random.IntN(len(i.rows))])
	}
}

func (i *interleaving) tryRetry(row int64) {
	if err := i.Retry(i.ctx(), row); err != nil && !errors.Is(err, store.ErrNotRetryable) {
		i.t.Fatalf("retry: %v", err)
	}
}

// pass lets time go by, claims end, housekeeping happen and the process end.
func (i *interleaving) pass() {
	i.clock.advance([]time.Duration{time.Second, grace, ttl}[i.random.IntN(3)])
	switch i.random.IntN(3) {
	case 0:
		i.restart()
	case 1:
		i.sweep()
	}
}

// seeds are those of the sequences that a test tries. Four have each setting once.
func seeds(t *testing.T) uint64 {
	t.Helper()
	return uint64(testenv.Rounds(t, testenv.Interleavings, 4))
}

func interleaved(t *testing.T, factory Factory) {
	for seed := range seeds(t) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { interleavedOnce(t, factory, seed) })
	}
}

func interleavedOnce(t *testing.T, factory Factory, seed uint64) {
	i := interleave(t, factory, seed, func(*store.Config) {})
	events := make(map[string]*store.Event)
	for _, e := range i.events {
		events[string(e.Body)] = e
	}
	i.run(150)
	var dropped int64
	for id, body := range i.body {
		e, spans, records := events[body], i.spans[id], i.records[id]
		if spans+records == 0 && e.Late == store.LateDrop {
			dropped++
			continue
		}
		wanted := spans == 1 || spans == 0 && e.Late != store.LateSpan && records == 1
		if !wanted || records > 1 || e.Record && records != 1 || records == 1 && !e.Record && e.Late != store.LateRecord {
			t.Errorf("%s (late %d, record %v) is in %d traces and %d records", body, e.Late, e.Record, spans, records)
		}
	}
	want := map[store.State]int64{store.StateExported: int64(len(i.rows)) - dropped}
	if dropped > 0 {
		want[store.StateDropped] = dropped
	}
	i.ledger(want)
	i.clock.advance(i.cfg.Retention)
	i.sweep()
	i.empty()
}

func interleavedExpiring(t *testing.T, factory Factory) {
	for seed := range seeds(t) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { interleavedExpiringOnce(t, factory, seed) })
	}
}

func interleavedExpiringOnce(t *testing.T, factory Factory, seed uint64) {
	i := interleave(t, factory, seed, func(c *store.Config) {
		c.Retention, c.DeadLetterRetention = time.Duration(seed%3)*ttl, time.Duration(seed%2)*ttl
		c.KeepBodies = time.Duration(seed%4) * grace
	})
	i.run(150)
	ledger, err := i.Ledger(i.ctx())
	if err != nil {
		t.Fatal(err)
	}
	if ledger["s"][store.StatePending] != 0 || ledger["s"][store.StateDead] != 0 {
		t.Errorf("something never ends: %v", ledger["s"])
	}
	for id, n := range i.records {
		if n > 1 {
			t.Errorf("%s is in %d records", i.body[id], n)
		}
	}
	for range 3 {
		i.clock.advance(24 * time.Hour)
		i.sweep()
	}
	i.empty()
}
