package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"cdr2otel/exporter/internal/store"
)

var recordHistoryTests = map[string]func(*testing.T, Factory){
	"a record goes after its retention, its event when both are that old": recordRetention,
	"what is pending because of a record never goes, however old":         recordPendingStays,
	"a dead letter of a refused record outlives its call's retention":     recordDeadOutlives,
	"a store full of records that wait takes nothing and evicts nothing":  recordsFull,
}

func recordRetention(t *testing.T, factory Factory) {
	b := setup(t, factory)
	_, logs, _ := both(b)
	b.settle(store.VerdictDone, logs...)
	b.clock.advance(b.cfg.Retention)
	b.sweep()
	b.count("event", 3)
	b.count("outbox", 1)
	b.ledger(map[store.State]int64{store.StatePending: 3})
	b.done("traces", 1)
	b.ledger(map[store.State]int64{store.StateExported: 3})
	b.clock.advance(b.cfg.Retention - 1)
	if n := b.sweep(); n != 0 {
		t.Errorf("swept %d rows too early", n)
	}
	b.clock.advance(1)
	b.sweep()
	b.empty()
}

func recordPendingStays(t *testing.T, factory Factory) {
	b := setup(t, factory)
	trace, _, _ := both(b)
	b.settle(store.VerdictDone, trace)
	b.clock.advance(365 * 24 * time.Hour)
	b.sweep()
	b.restart()
	b.ledger(map[store.State]int64{store.StatePending: 2, store.StateExported: 1})
	b.done("logs", 2)
	b.ledger(map[store.State]int64{store.StateExported: 3})
	b.clock.advance(b.cfg.Retention)
	b.sweep()
	b.empty()
}

func recordDeadOutlives(t *testing.T, factory Factory) {
	b := setup(t, factory, func(c *store.Config) { c.Retention = time.Hour })
	trace, logs, events := both(b)
	b.settle(store.VerdictDead, logs[0])
	b.settle(store.VerdictDone, logs[1], trace)
	b.clock.advance(b.cfg.DeadLetterRetention - 1)
	b.sweep()
	b.ledger(map[store.State]int64{store.StateExported: 2, store.StateDead: 1})
	b.retry(events[0])
	b.done("logs", 1)
	b.ledger(map[store.State]int64{store.StateExported: 3})
	b.clock.advance(b.cfg.Retention)
	b.sweep()
	b.empty()
}

func recordsFull(t *testing.T, factory Factory) {
	b := setup(t, factory, small)
	taken := fill(b, func(i int) *store.Event { return large(recorded(message("A", fmt.Sprint(i)))) })
	for claimed := b.claim(); len(claimed) > 0; claimed = b.claim() {
		for _, s := range claimed {
			a := b.assembly(s)
			if len(a.Members) == 0 {
				t.Fatalf("the body of a %s is gone", s.Kind)
			}
			b.assemble(a)
		}
	}
	if _, err := b.Accept(b.ctx(), large(cdr("one more"))); !errors.Is(err, store.ErrFull) {
		t.Errorf("accept into a full store: %v, want ErrFull", err)
	}
	b.clock.advance(quiet)
	b.drain()
	b.ledger(map[store.State]int64{store.StateExported: taken})
	b.sweep()
	b.accepts(large(cdr("one more")))
}
