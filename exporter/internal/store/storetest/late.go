package storetest

import (
	"testing"

	"cdr2otel/exporter/internal/store"
)

var lateTests = map[string]func(*testing.T, Factory){
	"a message after its call hangs from its turn":                      lateNamed,
	"a message after its call that no turn names hangs from the root":   lateUnnamed,
	"a message of a turn without a span hangs from the root":            lateWithoutTurnSpan,
	"a late message is dropped where late messages are dropped":         lateDropped,
	"a message accepted during assembly leaves late, and only once":     lateDuringAssembly,
	"a message accepted during assembly is dropped where late ones are": droppedDuringAssembly,
	"a late message knows its parent after the call's retention":        lateOutlivesCall,
	"a message after its call's retention is an orphan":                 lateAfterRetention,
	"a message of a call that can't be mapped goes with a conversation": lateOfDeadCall,
	"a message after its call was completed without waiting is late":    lateAfterNotExpected,
}

// assembled is a call of that name, assembled with these log ids and none of
// their messages.
func assembled(b *bundle, call string, logs ...string) store.Subject {
	b.t.Helper()
	b.accepts(with(cdr(call, logs...), func(e *store.Event) { e.NotExpected = true }))
	claimed := b.claim()
	if len(claimed) != 1 {
		b.t.Fatalf("claimed %d subjects, want the call", len(claimed))
	}
	b.assemble(b.assembly(claimed[0]))
	return claimed[0]
}

func checkLate(b *bundle, s store.Subject, parent store.Anchor, named bool, call, body string) {
	b.t.Helper()
	if s.Parent != parent || s.Named != named || string(s.CallID) != call {
		b.t.Errorf("late message of call %q hangs from %+v (named %v); want %q, %+v (named %v)", s.CallID, s.Parent, s.Named, call, parent, named)
	}
	b.members(s, body)
}

func lateNamed(t *testing.T, factory Factory) {
	b := setup(t, factory)
	call := assembled(b, "A", "1", "2")
	b.restart()
	b.accepts(message("A", "2"))
	b.due.await(t)
	s := b.claimOne(store.SubjectLate, store.ReasonLate)
	checkLate(b, s, turnOf(call, logKey("2")), true, "A", "message 2")
	b.assemble(b.assembly(s))
	b.accept(store.OutcomeDuplicate, message("A", "2"))
	b.drain()
	b.ledger(map[store.State]int64{store.StateExported: 2})
}

func lateUnnamed(t *testing.T, factory Factory) {
	b := setup(t, factory)
	call := assembled(b, "A", "1")
	b.accepts(message("A", "x"))
	checkLate(b, b.claimOne(store.SubjectLate, store.ReasonLate), rootOf(call), false, "A", "message x")
}

func lateWithoutTurnSpan(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(with(cdr("A", "1"), func(e *store.Event) { e.NotExpected = true }))
	call := b.claimOne(store.SubjectCall, store.ReasonNotExpected)
	a := b.assembly(call)
	a.Turns = nil
	b.assemble(a)
	b.accepts(message("A", "1"))
	checkLate(b, b.claimOne(store.SubjectLate, store.ReasonLate), rootOf(call), false, "A", "message 1")
}

func dropLate(e *store.Event) { e.Late = store.LateDrop }

func lateDropped(t *testing.T, factory Factory) {
	b := setup(t, factory)
	assembled(b, "A", "1")
	b.accepts(with(message("A", "1"), dropLate))
	b.claimNone()
	b.accept(store.OutcomeDuplicate, message("A", "1"))
	b.ledger(map[store.State]int64{store.StatePending: 1, store.StateDropped: 1})
	// One that is not late is not dropped.
	b.accepts(with(message("B", "2"), dropLate), with(cdr("B", "2"), dropLate))
	b.members(b.claimOne(store.SubjectCall, store.ReasonComplete), "cdr B", "message 2")
}

func lateDuringAssembly(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(cdr("A", "1", "2"), message("A", "1"))
	b.clock.advance(grace)
	call := b.claimOne(store.SubjectCall, store.ReasonGrace)
	a := b.assembly(call)
	b.accepts(message("A", "2"), message("A", "x"))
	b.assemble(a)
	claimed := b.claim()
	if len(claimed) != 2 {
		t.Fatalf("%d late messages, want 2", len(claimed))
	}
	checkLate(b, claimed[0], turnOf(call, logKey("2")), true, "A", "message 2")
	checkLate(b, claimed[1], rootOf(call), false, "A", "message x")
	for _, s := range claimed {
		b.assemble(b.assembly(s))
	}
	b.drain()
	b.ledger(map[store.State]int64{store.StateExported: 4})
}

func droppedDuringAssembly(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(cdr("A", "1"))
	b.clock.advance(grace)
	a := b.assembly(b.claimOne(store.SubjectCall, store.ReasonGrace))
	b.accepts(with(message("A", "1"), dropLate))
	b.assemble(a)
	b.claimNone()
	b.ledger(map[store.State]int64{store.StatePending: 1, store.StateDropped: 1})
}

func lateOutlivesCall(t *testing.T, factory Factory) {
	b := setup(t, factory)
	call := assembled(b, "A", "1")
	b.settle(store.VerdictDone, b.oneRequest("traces"))
	b.clock.advance(b.cfg.Retention - 1)
	b.accepts(message("A", "1"))
	b.clock.advance(1)
	if b.sweep() == 0 {
		t.Fatal("the call did not go")
	}
	checkLate(b, b.claimOne(store.SubjectLate, store.ReasonLate), turnOf(call, logKey("1")), true, "A", "message 1")
}

func lateAfterRetention(t *testing.T, factory Factory) {
	b := setup(t, factory)
	assembled(b, "A", "1")
	b.settle(store.VerdictDone, b.oneRequest("traces"))
	b.clock.advance(b.cfg.Retention)
	b.sweep()
	b.accepts(message("A", "1"))
	b.clock.advance(quiet)
	b.members(b.claimOne(store.SubjectConversation, store.ReasonWindow), "message 1")
	// A redelivery after retention is a new event.
	b.accepts(cdr("A", "2"))
}

func lateOfDeadCall(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(with(cdr("A", "1"), func(e *store.Event) { e.NotExpected = true }))
	a := b.assembly(b.claimOne(store.SubjectCall, store.ReasonNotExpected))
	a.Parts, a.DeadReason = nil, "unmappable"
	b.assemble(a)
	b.accepts(message("A", "1"))
	b.clock.advance(quiet)
	b.members(b.claimOne(store.SubjectConversation, store.ReasonWindow), "message 1")
	b.ledger(map[store.State]int64{store.StatePending: 1, store.StateDead: 1})
}

func lateAfterNotExpected(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(with(cdr("A", "1"), func(e *store.Event) { e.NotExpected = true }))
	// Before it is claimed, it still is a member.
	b.accepts(message("A", "1"))
	b.members(b.claimOne(store.SubjectCall, store.ReasonComplete), "cdr A", "message 1")
}
