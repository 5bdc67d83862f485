package storetest

import (
	"errors"
	"testing"
	"time"

	"cdr2otel/exporter/internal/store"
)

var recordTests = map[string]func(*testing.T, Factory){
	"a log record is due at once, its conversation in its time":                   recordAtOnce,
	"an event is exported when its trace and its log record are done":             recordAndTrace,
	"the record of a message of an open call knows the trace and no span":         recordOfOpenCall,
	"the record of a late message hangs from its turn, or from the root":          recordOfLate,
	"a record claimed after its call came knows that":                             recordKnowsCallSince,
	"a record of a conversation knows the message that came first":                recordFirstLogID,
	"messages that are in no part get the log record that they have not":          recordOfMembers,
	"a body stays until its log record is mapped":                                 recordKeepsBody,
	"a body stays until its conversation is mapped as well":                       recordLeavesBody,
	"a kept body is not deleted before its log record is mapped":                  recordOfKeptBody,
	"who lost the claim on a log record commits nothing":                          recordFenced,
	"an assembly of a log record must be of its message":                          recordOfAnother,
	"a log record without a request is done at once":                              recordWithoutParts,
	"a log record is done when all that its request was split into is":            recordSplit,
	"a message that the source sends twice has one log record":                    recordOnce,
	"only messages have log records, and none that is dead on arrival":            recordOfMessagesOnly,
	"traces go on while logs are held, and logs while traces are":                 recordHeld,
	"with one signal off the other one alone decides":                             recordSignalOff,
	"a call that takes a message over leaves its log record alone":                recordOfTaken,
	"an event of many in a call waits for its own record, the others for nothing": recordOfOne,
}

func recorded(e *store.Event) *store.Event { e.Record = true; return e }

// record claims the one log record that is due.
func (b *bundle) record() store.Subject {
	b.t.Helper()
	return b.claimOne(store.SubjectRecord, store.ReasonRecord)
}

// lateRecord claims the record of a message that is nothing else.
func (b *bundle) lateRecord() store.Subject {
	b.t.Helper()
	return b.claimOne(store.SubjectRecord, store.ReasonLate)
}

// done delivers every request of a signal and wants that many.
func (b *bundle) done(signal string, want int) {
	b.t.Helper()
	requests := b.requests(signal)
	if len(requests) != want {
		b.t.Fatalf("%d requests of %s, want %d", len(requests), signal, want)
	}
	b.settle(store.VerdictDone, requests...)
}

// empty wants no row of anything to be left.
func (b *bundle) empty() {
	b.t.Helper()
	for _, table := range []string{"event", "body", "subject", "turn", "alias", "orphan", "outbox", "request", "observation", "summary"} {
		b.count(table, 0)
	}
}

// count wants that many rows of a table.
func (b *bundle) count(table string, want int64) {
	b.t.Helper()
	if n := b.db.Count(b.t, table); n != want {
		b.t.Errorf("%d rows of %s, want %d", n, table, want)
	}
}

func recordAtOnce(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(recorded(message("A", "1")))
	b.due.await(t)
	b.restart()
	s := b.record()
	b.members(s, "message 1")
	if s.TraceID != [16]byte{} || s.Parent != (store.Anchor{}) || s.Named || len(s.CallID) > 0 || s.FirstLogID != "1" {
		t.Errorf("a record of a conversation is claimed as %+v", s)
	}
	b.assemble(b.assembly(s))
	b.sent.await(t)
	b.claimNone()
	b.done("logs", 1)
	b.ledger(map[store.State]int64{store.StatePending: 1})
	b.clock.advance(quiet)
	s = b.claimOne(store.SubjectConversation, store.ReasonWindow)
	b.members(s, "message 1")
	b.assemble(b.assembly(s))
	b.done("traces", 1)
	b.ledger(map[store.State]int64{store.StateExported: 1})
}

func recordAndTrace(t *testing.T, factory Factory) {
	for first, then := range map[string]string{"logs": "traces", "traces": "logs"} {
		// The CDR has no log record.
		between := map[string]map[store.State]int64{
			"logs":   {store.StatePending: 2},
			"traces": {store.StatePending: 1, store.StateExported: 1},
		}[first]
		for _, restart := range []func(*bundle){func(*bundle) {}, (*bundle).restart} {
			b := setup(t, factory)
			b.accepts(recorded(message("A", "1")), cdr("A", "1"))
			restart(b)
			for _, s := range b.claim() {
				b.assemble(b.assembly(s))
			}
			restart(b)
			b.ledger(map[store.State]int64{store.StatePending: 2})
			b.done(first, 1)
			restart(b)
			b.ledger(between)
			b.done(then, 1)
			restart(b)
			b.ledger(map[store.State]int64{store.StateExported: 2})
			b.clock.advance(b.cfg.Retention)
			b.sweep()
			b.empty()
		}
	}
}

func recordKeepsBody(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(recorded(message("A", "1")), message("A", "2"), cdr("A", "1", "2"))
	claimed := b.claim()
	b.assemble(b.assembly(claimedCall(claimed)))
	b.done("traces", 1)
	b.ledger(map[store.State]int64{store.StatePending: 1, store.StateExported: 2})
	b.count("body", 1)
	b.clock.advance(ttl + 2*b.cfg.Retention)
	b.sweep()
	b.restart()
	s := b.record()
	b.members(s, "message 1")
	b.assemble(b.assembly(s))
	b.count("body", 0)
	b.done("logs", 1)
	b.ledger(map[store.State]int64{store.StateExported: 3})
}

func recordLeavesBody(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(recorded(message("A", "1")))
	b.assemble(b.assembly(b.record()))
	b.count("body", 1)
	b.clock.advance(quiet)
	s := b.claimOne(store.SubjectConversation, store.ReasonWindow)
	b.members(s, "message 1")
	b.assemble(b.assembly(s))
	b.count("body", 0)
}

func recordOfKeptBody(t *testing.T, factory Factory) {
	b := setup(t, factory, func(c *store.Config) { c.KeepBodies = time.Hour })
	b.accepts(recorded(message("A", "1")), cdr("A", "1"))
	b.assemble(b.assembly(claimedCall(b.claim())))
	b.clock.advance(time.Hour)
	b.sweep()
	b.count("body", 1)
	s := b.record()
	b.members(s, "message 1")
	b.assemble(b.assembly(s))
	b.count("body", 0)
	// One whose record is mapped first is kept as long as its call says.
	b.accepts(recorded(message("B", "2")), cdr("B", "2"))
	for _, s := range b.claim() {
		b.assemble(b.assembly(s))
	}
	b.sweep()
	b.count("body", 2)
	b.clock.advance(time.Hour)
	b.sweep()
	b.count("body", 0)
	b.drain()
	b.ledger(map[store.State]int64{store.StateExported: 4})
}

func recordFenced(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(recorded(message("A", "1")))
	slow := b.assembly(b.record())
	b.clock.advance(ttl)
	quick := b.assembly(b.record())
	if err := b.Assemble(b.ctx(), slow); !errors.Is(err, store.ErrFenced) {
		t.Errorf("assemble after the claim was lost: %v, want ErrFenced", err)
	}
	b.assemble(quick)
	if err := b.Assemble(b.ctx(), quick); !errors.Is(err, store.ErrFenced) {
		t.Errorf("assemble twice: %v, want ErrFenced", err)
	}
	b.done("logs", 1)
}

func recordOfAnother(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(recorded(message("A", "1")), message("A", "2"))
	a := b.assembly(b.record())
	for _, members := range [][]int64{nil, {a.Members[0] + 1}, {a.Members[0], a.Members[0] + 1}} {
		wrong := a
		wrong.Members = members
		if err := b.Assemble(b.ctx(), wrong); !errors.Is(err, store.ErrFenced) {
			t.Errorf("assemble with the events %v: %v, want ErrFenced", members, err)
		}
	}
	b.assemble(a)
}

func recordWithoutParts(t *testing.T, factory Factory) {
	for _, kinds := range [][]store.SubjectKind{{store.SubjectRecord, store.SubjectCall}, {store.SubjectCall, store.SubjectRecord}} {
		b := setup(t, factory)
		b.accepts(recorded(message("A", "1")), cdr("A", "1"))
		claimed := make(map[store.SubjectKind]store.Subject)
		for _, s := range b.claim() {
			claimed[s.Kind] = s
		}
		for _, kind := range kinds {
			a := b.assembly(claimed[kind])
			if kind == store.SubjectRecord {
				a.Parts = nil
			}
			b.assemble(a)
		}
		b.ledger(map[store.State]int64{store.StatePending: 2})
		b.done("traces", 1)
		b.ledger(map[store.State]int64{store.StateExported: 2})
	}
}

func recordSplit(t *testing.T, factory Factory) {
	b := setup(t, factory)
	assembled(b, "A")
	b.done("traces", 1)
	b.accepts(with(message("A", "1"), func(e *store.Event) { e.Late = store.LateRecord }))
	b.assemble(b.assembly(b.lateRecord()))
	err := b.Settle(b.ctx(), []store.Settlement{{Request: b.oneRequest("logs"), Verdict: store.VerdictSplit, Parts: [][]byte{{1}, {2}}}})
	if err != nil {
		t.Fatal(err)
	}
	parts := b.requests("logs")
	if len(parts) != 2 {
		t.Fatalf("%d parts, want 2", len(parts))
	}
	b.settle(store.VerdictDone, parts[0])
	b.ledger(map[store.State]int64{store.StatePending: 1, store.StateExported: 1})
	b.settle(store.VerdictDone, parts[1])
	b.ledger(map[store.State]int64{store.StateExported: 2})
}

func recordOnce(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(recorded(message("A", "1")))
	b.accept(store.OutcomeDuplicate, recorded(message("A", "1")))
	b.accept(store.OutcomeConflict, recorded(altered(message("A", "1"))))
	b.record()
}

func recordOfMessagesOnly(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(recorded(cdr("A")))
	b.claimOne(store.SubjectCall, store.ReasonComplete)
	dead := func(e *store.Event) { e.DeadReason = "unmappable" }
	b.accept(store.OutcomeUnsupported, recorded(with(message("A", "1"), dead)))
	b.accept(store.OutcomeUnsupported, recorded(with(message("A", "2"), func(e *store.Event) { e.Kind = store.KindOther })))
	b.claimNone()
}

func recordHeld(t *testing.T, factory Factory) {
	for held, other := range map[string]string{"logs": "traces", "traces": "logs"} {
		b := setup(t, factory)
		for _, call := range []string{"A", "B", "C"} {
			b.accepts(recorded(message(call, call+"1")), cdr(call, call+"1"))
			for _, s := range b.claim() {
				b.assemble(b.assembly(s))
			}
			b.settle(store.VerdictHold, b.requests(held)...)
			b.done(other, 1)
		}
		if got := b.requests(held); len(got) != 3 {
			t.Fatalf("%d requests of %s wait, want 3", len(got), held)
		}
	}
}

func recordSignalOff(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(recorded(message("A", "1")), cdr("A", "1"))
	for _, s := range b.claim() {
		a := b.assembly(s)
		if s.Kind == store.SubjectCall {
			a.Parts = nil
		}
		b.assemble(a)
	}
	b.ledger(map[store.State]int64{store.StatePending: 1, store.StateExported: 1})
	b.done("logs", 1)
	b.ledger(map[store.State]int64{store.StateExported: 2})
	b.clock.advance(b.cfg.Retention)
	b.sweep()
	b.empty()
}

func recordOfTaken(t *testing.T, factory Factory) {
	b := setup(t, factory)
	late := func(e *store.Event) { e.Late = store.LateRecord }
	assembled(b, "A")
	// Its record owns it: a call that names its log id comes too late.
	b.accepts(with(message("A", "1"), late), cdr("B", "1"))
	var kinds []store.SubjectKind
	for _, s := range b.claim() {
		kinds = append(kinds, s.Kind)
		a := b.assembly(s)
		if len(a.Members) != 1 {
			t.Errorf("%s has %d events, want 1", s.Kind, len(a.Members))
		}
		b.assemble(a)
	}
	if len(kinds) != 2 {
		t.Fatalf("claimed %v, want a record and a call", kinds)
	}
	// Of a conversation whose message moves to the call that names it.
	b.accepts(recorded(message("C", "2")), cdr("D", "2"))
	for _, s := range b.claim() {
		b.assemble(b.assembly(s))
	}
	b.drain()
	b.ledger(map[store.State]int64{store.StateExported: 5})
}

func recordOfOne(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(recorded(message("A", "1")), recorded(message("A", "2")), message("A", "3"), cdr("A", "1", "2", "3"))
	for _, s := range b.claim() {
		b.assemble(b.assembly(s))
	}
	b.done("traces", 1)
	b.ledger(map[store.State]int64{store.StatePending: 2, store.StateExported: 2})
	logs := b.requests("logs")
	b.settle(store.VerdictDone, logs[1])
	b.ledger(map[store.State]int64{store.StatePending: 1, store.StateExported: 3})
	b.clock.advance(365 * 24 * time.Hour)
	b.sweep()
	b.ledger(map[store.State]int64{store.StatePending: 1, store.StateExported: 3})
	b.settle(store.VerdictDone, b.requests("logs")...)
	b.ledger(map[store.State]int64{store.StateExported: 4})
	b.clock.advance(b.cfg.Retention)
	b.sweep()
	b.empty()
}
