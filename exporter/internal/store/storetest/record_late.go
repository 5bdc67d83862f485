package storetest

import (
	"errors"
	"fmt"
	"testing"

	"cdr2otel/exporter/internal/store"
)

var recordLateTests = map[string]func(*testing.T, Factory){
	"a late message is a span, a record, both or nothing, as its source says":             lateAsRecord,
	"a message that comes during assembly leaves as its source says":                      lateAsRecordDuring,
	"a record that is due when its message is left to it owns that":                       leftToDueRecord,
	"a record in the outbox when its message is left to it owns that":                     leftToSentRecord,
	"a message that came during an assembly that was lost goes with its call":             notLeft,
	"a message that is left to a record that was done is exported at once":                leftToDoneRecord,
	"a message that is left to a record that is history is exported at once, and not new": leftToHistory,
	"a message that is left to a refused record is its dead letter":                       leftToRefusedRecord,
	"a message that is left to a record that can't be mapped is its dead letter":          leftToDeadRecord,
}

// lateCase is one way in which a late message may go.
type lateCase struct {
	late   store.LateAs
	record bool
}

func (c lateCase) String() string { return fmt.Sprintf("late %d, record %v", c.late, c.record) }

func (c lateCase) event(e *store.Event) { e.Late, e.Record = c.late, c.record }

// wants is whether a span, a log record, or neither is made of it.
func (c lateCase) wants() (span, record, dropped bool) {
	switch {
	case c.late == store.LateSpan:
		return true, c.record, false
	case c.late == store.LateDrop && !c.record:
		return false, false, true
	}
	return false, true, false // what leaves at once can't be dropped any more
}

func lateCases(yield func(lateCase) bool) {
	for _, late := range []store.LateAs{store.LateSpan, store.LateDrop, store.LateRecord} {
		for _, record := range []bool{false, true} {
			if !yield(lateCase{late, record}) {
				return
			}
		}
	}
}

// leaves wants what became of the late message 1 of the call A.
func (c lateCase) leaves(b *bundle) {
	b.t.Helper()
	span, record, dropped := c.wants()
	kinds := make(map[store.SubjectKind]int)
	for _, s := range b.claim() {
		kinds[s.Kind]++
		b.members(s, "message 1")
		b.assemble(b.assembly(s))
	}
	if (kinds[store.SubjectLate] == 1) != span || (kinds[store.SubjectRecord] == 1) != record || len(kinds) > 2 {
		b.t.Errorf("%v: became %v", c, kinds)
	}
	b.count("body", 0)
	b.drain()
	want := map[store.State]int64{store.StateExported: 2}
	if dropped {
		want = map[store.State]int64{store.StateExported: 1, store.StateDropped: 1}
	}
	b.ledger(want)
	b.accept(store.OutcomeDuplicate, message("A", "1"))
	b.clock.advance(b.cfg.Retention)
	b.sweep()
	b.empty()
}

func lateAsRecord(t *testing.T, factory Factory) {
	for c := range lateCases {
		b := setup(t, factory)
		assembled(b, "A", "1")
		b.accepts(with(message("A", "1"), c.event))
		b.due.await(t)
		c.leaves(b)
	}
}

func lateAsRecordDuring(t *testing.T, factory Factory) {
	for c := range lateCases {
		b := setup(t, factory)
		b.accepts(cdr("A", "1"))
		b.clock.advance(grace)
		a := b.assembly(b.claimOne(store.SubjectCall, store.ReasonGrace))
		b.accepts(with(message("A", "1"), c.event))
		b.assemble(a)
		c.leaves(b)
	}
}

// leaving is a call that is being assembled when a message of it comes that
// becomes a record and nothing else.
func leaving(b *bundle) (call store.Assembly, record store.Subject) {
	b.t.Helper()
	b.accepts(cdr("A", "1"))
	b.clock.advance(grace)
	call = b.assembly(b.claimOne(store.SubjectCall, store.ReasonGrace))
	b.accepts(with(recorded(message("A", "1")), func(e *store.Event) { e.Late = store.LateRecord }))
	return call, b.record()
}

func leftToDueRecord(t *testing.T, factory Factory) {
	b := setup(t, factory)
	call, record := leaving(b)
	a := b.assembly(record)
	b.assemble(call)
	b.done("traces", 1)
	b.ledger(map[store.State]int64{store.StatePending: 1, store.StateExported: 1})
	b.assemble(a)
	b.count("body", 0)
	b.done("logs", 1)
	b.ledger(map[store.State]int64{store.StateExported: 2})
}

func leftToSentRecord(t *testing.T, factory Factory) {
	b := setup(t, factory)
	call, record := leaving(b)
	b.assemble(b.assembly(record))
	b.count("body", 2)
	b.assemble(call)
	b.count("body", 0)
	b.done("traces", 1)
	b.restart()
	b.ledger(map[store.State]int64{store.StatePending: 1, store.StateExported: 1})
	b.done("logs", 1)
	b.ledger(map[store.State]int64{store.StateExported: 2})
	b.clock.advance(b.cfg.Retention)
	b.sweep()
	b.empty()
}

func notLeft(t *testing.T, factory Factory) {
	b := setup(t, factory)
	call, _ := leaving(b)
	b.clock.advance(ttl)
	var again store.Subject
	for _, s := range b.claim() {
		if s.Kind == store.SubjectCall {
			again = s
		}
	}
	if err := b.Assemble(b.ctx(), call); !errors.Is(err, store.ErrFenced) {
		t.Fatalf("assemble after the claim was lost: %v, want ErrFenced", err)
	}
	b.members(again, "cdr A", "message 1")
	b.assemble(b.assembly(again))
	b.drain()
	b.ledger(map[store.State]int64{store.StatePending: 1, store.StateExported: 1})
	b.clock.advance(ttl)
	b.assemble(b.assembly(b.record()))
	b.drain()
	b.ledger(map[store.State]int64{store.StateExported: 2})
}

func leftToDoneRecord(t *testing.T, factory Factory) {
	b := setup(t, factory)
	call, record := leaving(b)
	b.assemble(b.assembly(record))
	b.done("logs", 1)
	b.ledger(map[store.State]int64{store.StatePending: 2})
	b.assemble(call)
	b.count("body", 0)
	b.ledger(map[store.State]int64{store.StatePending: 1, store.StateExported: 1})
	b.accept(store.OutcomeDuplicate, message("A", "1"))
	b.claimNone()
}

func leftToHistory(t *testing.T, factory Factory) {
	b := setup(t, factory, func(c *store.Config) { c.Retention = ttl / 2 })
	call, record := leaving(b)
	b.assemble(b.assembly(record))
	b.done("logs", 1)
	b.clock.advance(ttl / 2)
	if b.sweep() == 0 {
		t.Fatal("the record did not go")
	}
	b.assemble(call)
	b.claimNone()
	b.count("body", 0)
	b.ledger(map[store.State]int64{store.StatePending: 1, store.StateExported: 1})
	b.accept(store.OutcomeDuplicate, message("A", "1"))
	b.done("traces", 1)
	b.clock.advance(ttl / 2)
	b.sweep()
	b.empty()
}

func leftToRefusedRecord(t *testing.T, factory Factory) {
	b := setup(t, factory)
	call, record := leaving(b)
	a := b.assembly(record)
	b.assemble(a)
	b.settle(store.VerdictDead, b.oneRequest("logs"))
	b.ledger(map[store.State]int64{store.StatePending: 1, store.StateDead: 1})
	b.assemble(call)
	b.done("traces", 1)
	b.ledger(map[store.State]int64{store.StateExported: 1, store.StateDead: 1})
	b.retry(a.Members[0])
	b.done("logs", 1)
	b.ledger(map[store.State]int64{store.StateExported: 2})
}

func leftToDeadRecord(t *testing.T, factory Factory) {
	b := setup(t, factory)
	call, record := leaving(b)
	a := b.assembly(record)
	a.Parts, a.DeadReason = nil, "unmappable"
	b.assemble(a)
	b.assemble(call)
	b.done("traces", 1)
	b.ledger(map[store.State]int64{store.StateExported: 1, store.StateDead: 1})
	b.retry(a.Members[0])
	s := b.record()
	b.members(s, "message 1")
	b.assemble(b.assembly(s))
	b.count("body", 0)
	b.done("logs", 1)
	b.ledger(map[store.State]int64{store.StateExported: 2})
}
