package storetest

import (
	"testing"
	"time"

	"cdr2otel/exporter/internal/store"
)

var recordDeadTests = map[string]func(*testing.T, Factory){
	"a refused record makes a dead letter of its event alone":               recordRefused,
	"a message whose record was refused is a span of its call all the same": recordRefusedEarly,
	"a message whose record was refused moves to the call that names it":    recordRefusedMoves,
	"a record that can't be mapped makes a dead letter of its event alone":  recordUnmappable,
	"a retry revives the trace and the record of what died":                 recordRetryBoth,
	"a retry revives the records of siblings":                               recordRetrySiblings,
	"a record that is done stays so when its trace is refused":              recordDoneTraceRefused,
	"a refused record and its event expire, the others of its call stay":    recordExpires,
	"a record that can't be mapped expires with its event":                  recordUnmappableExpires,
	"a record that is not mapped when its event expires ends itself":        recordExpiresUnmapped,
	"a record in the outbox when its event expires is still sent":           recordOutlivesEvent,
	"a record refused after its event expired is gone":                      recordRefusedAfterExpiry,
	"a conversation all of whose events expired before it was due ends":     recordExpiresBeforeOwner,
}

// both is a call A with the messages 1 and 2, both recorded: the requests of its
// trace and of the records of 1 and 2, and the events of 1 and 2.
func both(b *bundle) (trace store.Request, logs []store.Request, events []int64) {
	b.t.Helper()
	b.accepts(recorded(message("A", "1")), recorded(message("A", "2")), cdr("A", "1", "2"))
	for _, s := range b.claim() {
		a := b.assembly(s)
		b.assemble(a)
		if s.Kind == store.SubjectCall {
			events = a.Members[1:]
		}
	}
	trace, logs = b.oneRequest("traces"), b.requests("logs")
	if len(logs) != 2 || len(events) != 2 {
		b.t.Fatalf("%d records, %d messages; want 2 of each", len(logs), len(events))
	}
	return trace, logs, events
}

func recordRefused(t *testing.T, factory Factory) {
	b := setup(t, factory)
	trace, logs, events := both(b)
	b.settle(store.VerdictDead, logs[0])
	b.ledger(map[store.State]int64{store.StatePending: 2, store.StateDead: 1})
	b.settle(store.VerdictDone, trace, logs[1])
	b.ledger(map[store.State]int64{store.StateExported: 2, store.StateDead: 1})
	b.notRetryable(events[1])
	b.restart()
	b.retry(events[0])
	b.sent.await(t)
	b.ledger(map[store.State]int64{store.StateExported: 2, store.StatePending: 1})
	b.done("logs", 1)
	b.ledger(map[store.State]int64{store.StateExported: 3})
	b.clock.advance(b.cfg.Retention)
	b.sweep()
	b.empty()
}

func recordRefusedEarly(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(recorded(message("A", "1")))
	b.assemble(b.assembly(b.record()))
	b.settle(store.VerdictDead, b.oneRequest("logs"))
	b.ledger(map[store.State]int64{store.StateDead: 1})
	b.accepts(cdr("A", "1"))
	s := b.claimOne(store.SubjectCall, store.ReasonComplete)
	a := b.assembly(s)
	b.members(s, "cdr A", "message 1")
	b.assemble(a)
	b.done("traces", 1)
	b.ledger(map[store.State]int64{store.StateExported: 1, store.StateDead: 1})
	b.retry(a.Members[1])
	b.claimNone()
	b.done("logs", 1)
	b.ledger(map[store.State]int64{store.StateExported: 2})
}

func recordRefusedMoves(t *testing.T, factory Factory) {
	for name, c := range map[string]struct{ message, cdr *store.Event }{
		"log id":  {message("A", "1"), cdr("B", "1", "2")},
		"session": {message("A", "1"), with(cdr("B", "2"), func(e *store.Event) { e.Sessions = append(e.Sessions, sessionKey("A")) })},
		"Call-ID": {with(message("A", "1"), func(e *store.Event) { e.SIPKey = sipKey("B") }), cdr("B", "2")},
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t, factory)
			b.accepts(recorded(c.message))
			b.assemble(b.assembly(b.record()))
			b.settle(store.VerdictDead, b.oneRequest("logs"))
			b.accepts(message("B", "2"), c.cdr) // the conversation of the session B becomes the call
			b.members(b.claimOne(store.SubjectCall, store.ReasonComplete), "cdr B", "message 1", "message 2")
		})
	}
}

func recordUnmappable(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(recorded(message("A", "1")), cdr("A", "1"))
	claimed := make(map[store.SubjectKind]store.Subject)
	for _, s := range b.claim() {
		claimed[s.Kind] = s
	}
	call, record := b.assembly(claimed[store.SubjectCall]), b.assembly(claimed[store.SubjectRecord])
	record.Parts, record.DeadReason = nil, "unmappable"
	b.assemble(record)
	b.ledger(map[store.State]int64{store.StatePending: 1, store.StateDead: 1})
	b.assemble(call)
	b.done("traces", 1)
	b.ledger(map[store.State]int64{store.StateExported: 1, store.StateDead: 1})
	b.count("body", 1)
	b.retry(record.Members[0])
	b.due.await(t)
	s := b.record()
	b.members(s, "message 1")
	b.assemble(b.assembly(s))
	b.done("logs", 1)
	b.ledger(map[store.State]int64{store.StateExported: 2})
	b.clock.advance(b.cfg.Retention)
	b.sweep()
	b.empty()
}

func recordRetryBoth(t *testing.T, factory Factory) {
	b := setup(t, factory)
	trace, logs, events := both(b)
	b.settle(store.VerdictDead, trace, logs[0], logs[1])
	b.ledger(map[store.State]int64{store.StateDead: 3})
	b.retry(events[0])
	b.ledger(map[store.State]int64{store.StatePending: 3})
	b.done("logs", 2)
	b.ledger(map[store.State]int64{store.StatePending: 3})
	b.done("traces", 1)
	b.ledger(map[store.State]int64{store.StateExported: 3})
}

func recordRetrySiblings(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(recorded(message("A", "1")), recorded(message("A", "2")))
	var events []int64
	for i, s := range b.claim() {
		a := b.assembly(s)
		events = append(events, a.Members...)
		if i == 0 {
			a.Parts, a.DeadReason = nil, "unmappable"
		}
		b.assemble(a)
	}
	b.settle(store.VerdictDead, b.oneRequest("logs"))
	b.ledger(map[store.State]int64{store.StateDead: 2})
	// While what owns them is open, and once that is dead as well.
	b.retry(events[0])
	b.ledger(map[store.State]int64{store.StatePending: 2})
	b.settle(store.VerdictDead, b.oneRequest("logs"))
	a := b.assembly(b.record())
	a.Parts, a.DeadReason = nil, "unmappable"
	b.assemble(a)
	b.accepts(cdr("A", "1", "2"))
	a = b.assembly(b.claimOne(store.SubjectCall, store.ReasonComplete))
	a.Parts, a.DeadReason = nil, "unmappable"
	b.assemble(a)
	b.ledger(map[store.State]int64{store.StateDead: 3})
	b.retry(events[1])
	b.ledger(map[store.State]int64{store.StatePending: 3})
	b.drain()
	b.ledger(map[store.State]int64{store.StateExported: 3})
	b.count("body", 0)
}

func recordDoneTraceRefused(t *testing.T, factory Factory) {
	b := setup(t, factory)
	trace, logs, events := both(b)
	b.settle(store.VerdictDead, trace)
	b.settle(store.VerdictDone, logs...)
	b.ledger(map[store.State]int64{store.StateDead: 3})
	b.retry(events[0])
	if got := b.requests("logs"); len(got) != 0 {
		t.Errorf("a record that was done is sent again: %+v", got)
	}
	b.done("traces", 1)
	b.ledger(map[store.State]int64{store.StateExported: 3})
}

func recordExpires(t *testing.T, factory Factory) {
	for _, traceFirst := range []bool{true, false} {
		b := setup(t, factory, func(c *store.Config) { c.DeadLetterRetention = time.Hour })
		trace, logs, events := both(b)
		b.settle(store.VerdictDead, logs[0])
		b.settle(store.VerdictDone, logs[1])
		if traceFirst {
			b.settle(store.VerdictDone, trace)
		}
		b.clock.advance(b.cfg.DeadLetterRetention)
		b.sweep()
		b.notRetryable(events[0])
		b.count("outbox", 2)
		if !traceFirst {
			b.ledger(map[store.State]int64{store.StatePending: 2, store.StateExpired: 1})
			b.done("traces", 1)
		}
		b.ledger(map[store.State]int64{store.StateExported: 2, store.StateExpired: 1})
		b.accept(store.OutcomeDuplicate, message("A", "1"))
		b.clock.advance(b.cfg.Retention)
		b.sweep()
		b.empty()
	}
}

func recordUnmappableExpires(t *testing.T, factory Factory) {
	b := setup(t, factory)
	assembled(b, "A")
	b.done("traces", 1)
	b.accepts(with(message("A", "1"), func(e *store.Event) { e.Late = store.LateRecord }))
	a := b.assembly(b.lateRecord())
	a.Parts, a.DeadReason = nil, "unmappable"
	b.assemble(a)
	b.clock.advance(b.cfg.DeadLetterRetention)
	b.sweep()
	b.ledger(map[store.State]int64{store.StateExported: 1, store.StateExpired: 1})
	b.clock.advance(b.cfg.Retention)
	b.sweep()
	b.empty()
}

func recordExpiresUnmapped(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(recorded(message("A", "1")), cdr("A", "1"))
	for _, s := range b.claim() {
		if s.Kind == store.SubjectCall {
			b.assemble(b.assembly(s))
		}
	}
	b.settle(store.VerdictDead, b.oneRequest("traces"))
	b.clock.advance(b.cfg.DeadLetterRetention)
	a := b.assembly(b.record())
	b.sweep()
	b.ledger(map[store.State]int64{store.StateExpired: 2})
	b.assemble(a) // it has read the body: too late
	b.claimNone()
	if got := b.requests("logs"); len(got) != 0 {
		t.Errorf("the record of an expired event is sent: %+v", got)
	}
	b.clock.advance(b.cfg.Retention)
	b.sweep()
	b.empty()
}

func recordOutlivesEvent(t *testing.T, factory Factory) {
	b := setup(t, factory)
	trace, logs, _ := both(b)
	b.settle(store.VerdictDead, trace)
	b.clock.advance(b.cfg.DeadLetterRetention)
	b.sweep()
	b.clock.advance(b.cfg.Retention)
	b.sweep()
	b.count("event", 0)
	if got := b.requests("logs"); len(got) != len(logs) {
		t.Fatalf("%d records wait, want %d", len(got), len(logs))
	}
	b.clock.advance(ttl)
	b.done("logs", 2)
	b.ledger(map[store.State]int64{store.StateExpired: 3})
	b.clock.advance(b.cfg.Retention)
	b.sweep()
	b.empty()
}

func recordRefusedAfterExpiry(t *testing.T, factory Factory) {
	b := setup(t, factory)
	trace, _, _ := both(b)
	b.settle(store.VerdictDead, trace)
	b.clock.advance(b.cfg.DeadLetterRetention)
	b.sweep()
	b.settle(store.VerdictDead, b.requests("logs")...)
	b.ledger(map[store.State]int64{store.StateExpired: 3})
	b.clock.advance(b.cfg.Retention)
	b.sweep()
	b.empty()
}

func recordExpiresBeforeOwner(t *testing.T, factory Factory) {
	b := setup(t, factory, func(c *store.Config) { c.DeadLetterRetention, c.Retention = quiet/2, quiet })
	b.accepts(recorded(message("A", "1")))
	b.assemble(b.assembly(b.record()))
	b.settle(store.VerdictDead, b.oneRequest("logs"))
	b.clock.advance(quiet / 2)
	b.sweep()
	b.ledger(map[store.State]int64{store.StateExpired: 1})
	b.clock.advance(quiet / 2)
	a := b.assembly(b.claimOne(store.SubjectConversation, store.ReasonWindow))
	if len(a.Members) != 0 {
		t.Fatalf("it has %d events", len(a.Members))
	}
	b.assemble(a)
	b.claimNone()
	if got := b.requests("traces"); len(got) != 0 {
		t.Errorf("an empty conversation is sent: %+v", got)
	}
	b.accept(store.OutcomeDuplicate, message("A", "1"))
	b.clock.advance(quiet)
	b.sweep()
	b.empty()
}
