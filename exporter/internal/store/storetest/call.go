package storetest

import (
	"testing"

	"cdr2otel/exporter/internal/store"
)

// Run runs the suite against an engine.
func Run(t *testing.T, factory Factory) {
	for name, test := range map[string]func(*testing.T, Factory){
		"a call is assembled at once when its last message is there": callCompletes,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, factory)
		})
	}
}

func callCompletes(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(cdr("A", "1", "2"), message("A", "1"))
	b.claimNone()
	b.accepts(message("A", "2"))
	b.due.await(t)
	s := b.claimOne(store.SubjectCall, store.ReasonComplete)
	b.members(s, "cdr A", "message 1", "message 2")
	b.assemble(b.assembly(s))
	b.sent.await(t)
	b.ledger(map[store.State]int64{store.StatePending: 3})
	b.settle(store.VerdictDone, b.oneRequest("traces"))
	b.ledger(map[store.State]int64{store.StateExported: 3})
}
