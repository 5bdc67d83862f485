package storetest

import (
	"strings"
	"testing"
	"time"

	"cdr2otel/exporter/internal/store"
)

// What is known of a log record's call when it is claimed.

func recordOfOpenCall(t *testing.T, factory Factory) {
	b := setup(t, factory)
	call := cdr("A", "1", "2")
	b.accepts(call, recorded(message("A", "1")))
	s := b.record()
	if s.TraceID != call.TraceID || s.Parent != (store.Anchor{TraceID: call.TraceID}) || !s.Named || string(s.CallID) != "A" || s.FirstLogID != "" {
		t.Errorf("named by a turn: %+v", s)
	}
	b.assemble(b.assembly(s))
	b.accepts(recorded(message("A", "x")))
	if s = b.record(); s.TraceID != call.TraceID || s.Named {
		t.Errorf("named by no turn: %+v", s)
	}
	b.assemble(b.assembly(s))
	for _, r := range b.requests("logs") {
		if r.TraceID != call.TraceID {
			t.Errorf("a log record's request is of trace %x, want %x", r.TraceID, call.TraceID)
		}
	}
}

func recordOfLate(t *testing.T, factory Factory) {
	for _, late := range []store.LateAs{store.LateSpan, store.LateRecord} {
		b := setup(t, factory)
		call := assembled(b, "A", "1", "2")
		for log, parent := range map[string]store.Anchor{"1": turnOf(call, logKey("1")), "x": rootOf(call)} {
			b.accepts(with(recorded(message("A", log)), func(e *store.Event) { e.Late = late }))
			for _, s := range b.claim() {
				checkLate(b, s, parent, log == "1", "A", "message "+log)
				b.assemble(b.assembly(s))
			}
		}
		b.drain()
		b.ledger(map[store.State]int64{store.StateExported: 3})
	}
}

func recordKnowsCallSince(t *testing.T, factory Factory) {
	b := setup(t, factory)
	call := cdr("A", "1")
	b.accepts(recorded(message("A", "1")), call)
	claimed := b.claim()
	if len(claimed) != 2 || claimed[0].Kind != store.SubjectCall && claimed[1].Kind != store.SubjectCall {
		t.Fatalf("claimed %+v", claimed)
	}
	for _, s := range claimed {
		if s.TraceID != call.TraceID || string(s.CallID) != "A" || s.Kind == store.SubjectRecord && (!s.Named || s.Parent.TraceID != call.TraceID || s.FirstLogID != "") {
			t.Errorf("claimed %+v", s)
		}
		if s.Kind == store.SubjectCall {
			b.assemble(b.assembly(s))
		}
	}
	b.clock.advance(ttl)
	if s := b.record(); !s.Named || s.Parent != turnOf(claimedCall(claimed), logKey("1")) {
		t.Errorf("after its call was assembled: %+v", s)
	}
}

func claimedCall(claimed []store.Subject) store.Subject {
	for _, s := range claimed {
		if s.Kind == store.SubjectCall {
			return s
		}
	}
	return store.Subject{}
}

func recordFirstLogID(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(with(message("A", "2"), func(e *store.Event) { e.ReceivedAt = start.Add(time.Second) }), message("A", "1"), recorded(message("A", "3")))
	if s := b.record(); s.FirstLogID != "1" {
		t.Errorf("the first message is %q", s.FirstLogID)
	}
	for call, log := range map[string]string{"B": "", "C": strings.Repeat("ü", 200), "D": "\x00"} {
		b.accepts(recorded(message(call, log)))
		if s := b.record(); s.FirstLogID != "" {
			t.Errorf("the first message is %q, which nobody sent", s.FirstLogID)
		}
	}
}

func recordOfMembers(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(message("A", "1"), recorded(message("A", "2")), message("B", "3"))
	b.assemble(b.assembly(b.record()))
	b.accepts(cdr("A", "1", "2"))
	call := b.claimOne(store.SubjectCall, store.ReasonComplete)
	b.assemble(recordsOnly(b.assembly(call)))
	s := b.record()
	checkLate(b, s, turnOf(call, logKey("1")), true, "A", "message 1")
	b.assemble(b.assembly(s))
	b.clock.advance(quiet)
	conversation := b.claimOne(store.SubjectConversation, store.ReasonWindow)
	b.assemble(recordsOnly(b.assembly(conversation)))
	s = b.record()
	if s.Parent != rootOf(conversation) {
		t.Errorf("the record of a conversation's message hangs from %v, want its root", s.Parent)
	}
	b.assemble(b.assembly(s))
	b.done("traces", 2)
	b.ledger(map[store.State]int64{store.StateExported: 1, store.StatePending: 3})
	b.done("logs", 3)
	b.ledger(map[store.State]int64{store.StateExported: 4})
	b.count("body", 0)
}

// recordsOnly says that the messages are in their records alone.
func recordsOnly(a store.Assembly) store.Assembly { a.Record = true; return a }
