package storetest

import (
	"fmt"
	"testing"
	"time"

	"cdr2otel/exporter/internal/store"
)

var historyTests = map[string]func(*testing.T, Factory){
	"what was exported stays for its retention, then all of it goes": retention,
	"what is pending never goes, however old":                        pendingStays,
	"dropped messages go after their retention":                      droppedGo,
	"a large subject goes in slices":                                 slices,
	"kept bodies go after their time":                                keptBodies,
}

func retention(t *testing.T, factory Factory) {
	b := setup(t, factory)
	for i := range 30 {
		call := fmt.Sprint("call", i)
		b.accepts(message(call, call+".1"), cdr(call, call+".1"))
	}
	b.drain()
	b.clock.advance(b.cfg.Retention - 1)
	if n := b.sweep(); n != 0 {
		t.Fatalf("swept %d rows too early", n)
	}
	b.accept(store.OutcomeDuplicate, cdr("call0", "call0.1"))
	b.clock.advance(1)
	b.sweep()
	if rows := b.db.Rows(t); len(rows) != 0 {
		t.Errorf("rows are left: %v", rows)
	}
	b.ledger(map[store.State]int64{store.StateExported: 60})
	b.accepts(cdr("call0", "call0.1"))
	b.ledger(map[store.State]int64{store.StateExported: 60, store.StatePending: 1})
}

func pendingStays(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(cdr("A"))
	b.drain()
	b.accepts(cdr("B"), message("C", "1"))
	s := b.claimOne(store.SubjectCall, store.ReasonComplete)
	b.assemble(b.assembly(s))
	b.clock.advance(365 * 24 * time.Hour)
	b.sweep()
	b.ledger(map[store.State]int64{store.StateExported: 1, store.StatePending: 2})
	b.settle(store.VerdictDone, b.oneRequest("traces"))
	b.members(b.claimOne(store.SubjectConversation, store.ReasonWindow), "message 1")
}

func droppedGo(t *testing.T, factory Factory) {
	b := setup(t, factory)
	assembled(b, "A", "1")
	b.accepts(with(message("A", "1"), dropLate))
	b.clock.advance(b.cfg.Retention)
	b.sweep()
	b.ledger(map[store.State]int64{store.StatePending: 1, store.StateDropped: 1})
	if rows := b.db.Rows(t); rows["s"][store.StateDropped] != 0 {
		t.Errorf("the dropped message is still there: %v", rows)
	}
}

func slices(t *testing.T, factory Factory) {
	b := setup(t, factory)
	var logs []string
	for i := range 150 {
		logs = append(logs, fmt.Sprint(i))
		b.accepts(message("A", fmt.Sprint(i)))
	}
	b.accepts(cdr("A", logs...))
	b.drain()
	b.clock.advance(b.cfg.Retention)
	total := 0
	for n := 1; n > 0; total += n {
		var err error
		if n, err = b.Sweep(b.ctx()); err != nil {
			t.Fatal(err)
		}
		if n > 60 {
			t.Errorf("one slice changed %d rows", n)
		}
	}
	if total < 300 {
		t.Errorf("swept %d rows, want events and turns", total)
	}
	if rows := b.db.Rows(t); len(rows) != 0 {
		t.Errorf("rows are left: %v", rows)
	}
}

func keptBodies(t *testing.T, factory Factory) {
	b := setup(t, factory, func(c *store.Config) { c.KeepBodies = time.Hour })
	b.accepts(message("A", "1"), cdr("A", "1"))
	b.drain()
	b.clock.advance(time.Hour - 1)
	if n := b.sweep(); n != 0 {
		t.Fatalf("swept %d rows too early", n)
	}
	b.clock.advance(1)
	if n := b.sweep(); n != 3 { // two bodies and the subject's mark
		t.Errorf("swept %d rows, want 3", n)
	}
	b.accept(store.OutcomeDuplicate, message("A", "1"))
}
