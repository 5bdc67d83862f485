package storetest

import (
	"fmt"
	"testing"
	"time"

	"cdr2otel/exporter/internal/store"
)

var conversationTests = map[string]func(*testing.T, Factory){
	"messages without a CDR are a conversation once their session is silent":  conversationCloses,
	"every message pushes its conversation back":                              pushedBack,
	"a session that speaks again is a new segment":                            newSegment,
	"a segment closes at its size and the next message opens another":         segmentSize,
	"a claimed conversation takes nothing in":                                 sealedByClaim,
	"a message with neither session nor Call-ID is a conversation of its own": loner,
	"messages are gathered by Call-ID when they have no session":              gatheredBySIP,
	"sessions and Call-IDs of the same text are different things":             rolesApart,
	"a conversation says why it is due":                                       idleReason,
	"an assembly that leaves out a message of a segment is refused":           incompleteSegment,
}

func conversationCloses(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(message("A", "1"), message("A", "2"), message("B", "3"))
	b.clock.advance(quiet - time.Nanosecond)
	b.claimNone()
	b.clock.advance(time.Nanosecond)
	claimed := b.claim()
	if len(claimed) != 2 {
		t.Fatalf("%d conversations, want 2", len(claimed))
	}
	b.members(claimed[0], "message 1", "message 2")
	b.members(claimed[1], "message 3")
	for _, s := range claimed {
		if s.Kind != store.SubjectConversation || s.Reason != store.ReasonWindow || s.TraceID != [16]byte{} {
			t.Errorf("conversation claimed as %+v", s)
		}
		b.assemble(b.assembly(s))
	}
	for _, r := range b.requests("traces") {
		if r.TraceID[0] != 1 { // as rootOf made it
			t.Errorf("request of a conversation has trace id %x", r.TraceID)
		}
		b.settle(store.VerdictDone, r)
	}
	b.ledger(map[store.State]int64{store.StateExported: 3})
}

func pushedBack(t *testing.T, factory Factory) {
	b := setup(t, factory)
	for i := range 5 {
		b.accepts(message("A", fmt.Sprint(i)))
		b.clock.advance(quiet - time.Second)
		b.claimNone()
	}
	next, ok, err := b.NextDue(b.ctx())
	if want := b.clock.Now().Add(time.Second); err != nil || !ok || !next.Equal(want) {
		t.Fatalf("next due %v, %v, %v; want %v", next, ok, err, want)
	}
	b.clock.advance(time.Second)
	s := b.claimOne(store.SubjectConversation, store.ReasonWindow)
	if !s.DueAt.Equal(next) {
		t.Errorf("due at %v, want %v", s.DueAt, next)
	}
	b.members(s, "message 0", "message 1", "message 2", "message 3", "message 4")
}

func newSegment(t *testing.T, factory Factory) {
	b := setup(t, factory)
	for _, log := range []string{"1", "2", "3"} {
		b.accepts(message("A", log))
		b.clock.advance(quiet)
		s := b.claimOne(store.SubjectConversation, store.ReasonWindow)
		b.members(s, "message "+log)
		b.assemble(b.assembly(s))
	}
	b.drain()
	b.ledger(map[store.State]int64{store.StateExported: 3})
}

func segmentSize(t *testing.T, factory Factory) {
	b := setup(t, factory)
	for i := range store.SegmentSize - 1 {
		b.accepts(message("A", fmt.Sprint(i)))
	}
	b.claimNone()
	b.accepts(message("A", "last"))
	b.due.await(t)
	b.accepts(message("A", "next"))
	s := b.claimOne(store.SubjectConversation, store.ReasonSize)
	if ids, _ := b.read(s); len(ids) != store.SegmentSize {
		t.Fatalf("the segment has %d messages, want %d", len(ids), store.SegmentSize)
	}
	b.assemble(b.assembly(s))
	b.clock.advance(quiet)
	b.members(b.claimOne(store.SubjectConversation, store.ReasonWindow), "message next")
	// A CDR reaches a segment that is closed but not yet assembled, too.
	b.accepts(cdr("A", "next"))
	b.members(b.claimOne(store.SubjectCall, store.ReasonComplete), "cdr A", "message next")
}

func sealedByClaim(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(message("A", "1"))
	b.clock.advance(quiet)
	s := b.claimOne(store.SubjectConversation, store.ReasonWindow)
	a := b.assembly(s)
	b.accepts(message("A", "2"))
	b.members(s, "message 1")
	b.assemble(a)
	b.clock.advance(quiet)
	b.members(b.claimOne(store.SubjectConversation, store.ReasonWindow), "message 2")
}

func loner(t *testing.T, factory Factory) {
	b := setup(t, factory)
	alone := func(e *store.Event) { e.Sessions, e.SIPKey, e.LogKeys = nil, store.Hash{}, nil }
	b.accepts(with(message("", "1"), alone), with(message("", "2"), alone))
	b.clock.advance(quiet)
	claimed := b.claim()
	if len(claimed) != 2 {
		t.Fatalf("%d conversations, want 2", len(claimed))
	}
	b.members(claimed[0], "message 1")
	b.members(claimed[1], "message 2")
	b.accept(store.OutcomeDuplicate, with(message("", "1"), alone))
}

func gatheredBySIP(t *testing.T, factory Factory) {
	b := setup(t, factory)
	sessionless := func(e *store.Event) { e.Sessions = nil }
	b.accepts(with(message("A", "1"), sessionless), with(message("A", "2"), sessionless), with(message("B", "3"), sessionless))
	b.accepts(cdr("A", "1"))
	b.members(b.claimOne(store.SubjectCall, store.ReasonComplete), "cdr A", "message 1", "message 2")
}

func rolesApart(t *testing.T, factory Factory) {
	b := setup(t, factory)
	same := store.Key("the same text")
	b.accepts(with(message("A", "x"), func(e *store.Event) { e.SIPKey, e.Sessions = same, nil }))
	b.accepts(with(cdr("A"), func(e *store.Event) { e.Sessions = []store.Hash{same} }))
	b.members(b.claimOne(store.SubjectCall, store.ReasonComplete), "cdr A")
}

func idleReason(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(with(message("chat", "1"), func(e *store.Event) { e.Quiet, e.QuietReason = time.Hour, store.ReasonIdle }))
	b.clock.advance(time.Hour)
	b.claimOne(store.SubjectConversation, store.ReasonIdle)
}

func incompleteSegment(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(message("A", "1"), message("A", "2"))
	b.clock.advance(quiet)
	a := b.assembly(b.claimOne(store.SubjectConversation, store.ReasonWindow))
	a.Members = a.Members[:1]
	if err := b.Assemble(b.ctx(), a); err != store.ErrFenced {
		t.Fatalf("assemble half a segment: %v, want ErrFenced", err)
	}
	b.ledger(map[store.State]int64{store.StatePending: 2})
}
