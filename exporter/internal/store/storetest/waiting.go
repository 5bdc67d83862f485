package storetest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cdr2otel/exporter/internal/store"
)

var waitingTests = map[string]func(*testing.T, Factory){
	"nothing waits in an empty store":                                      nothingWaits,
	"a call in progress is open, since its first message, and not overdue": openCall,
	"a chat is no open call":                                               chatIsNotOpen,
	"what is due and not assembled is overdue since its due time":          overdueSubject,
	"what is assembled and not delivered is overdue since its assembly":    overdueRequest,
}

func (b *bundle) waits(want store.Waiting) {
	b.t.Helper()
	got, err := b.Waiting(b.ctx(), "traces", "logs")
	if err != nil {
		b.t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		b.t.Errorf("waiting (-want +got):\n%s", diff)
	}
}

func nothingWaits(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.waits(store.Waiting{})
	b.accepts(message("A", "1"), cdr("A", "1"))
	b.drain()
	b.waits(store.Waiting{})
}

func openCall(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(message("A", "1"))
	b.clock.advance(time.Minute)
	b.accepts(with(message("B", "2"), func(e *store.Event) { e.ReceivedAt = b.clock.Now() }), message("A", "3"))
	b.waits(store.Waiting{OpenCalls: map[string]int64{"s": 2}, OpenSince: start})
	b.accepts(cdr("A", "1", "3"))
	b.drain()
	b.waits(store.Waiting{OpenCalls: map[string]int64{"s": 1}, OpenSince: start.Add(time.Minute)})
}

func chatIsNotOpen(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(with(message("A", "1"), func(e *store.Event) { e.QuietReason = store.ReasonIdle }))
	b.waits(store.Waiting{})
}

func overdueSubject(t *testing.T, factory Factory) {
	b := setup(t, factory)
	b.accepts(message("A", "1"))
	b.clock.advance(time.Minute)
	b.accepts(message("A", "2"))
	due := b.clock.Now().Add(quiet)
	b.clock.advance(quiet)
	b.waits(store.Waiting{OverdueSince: due, OpenCalls: map[string]int64{"s": 1}, OpenSince: start})
	b.clock.advance(time.Hour)
	b.waits(store.Waiting{OverdueSince: due, OpenCalls: map[string]int64{"s": 1}, OpenSince: start})
}

func overdueRequest(t *testing.T, factory Factory) {
	b := setup(t, factory)
	for _, call := range []string{"A", "B"} {
		b.accepts(cdr(call))
		s := b.claimOne(store.SubjectCall, store.ReasonComplete)
		b.assemble(b.assembly(s))
		b.clock.advance(time.Minute)
	}
	b.waits(store.Waiting{OverdueSince: start})
	for _, r := range b.requests("traces") {
		b.settle(store.VerdictDone, r)
		break
	}
	b.waits(store.Waiting{OverdueSince: start.Add(time.Minute)})
}
