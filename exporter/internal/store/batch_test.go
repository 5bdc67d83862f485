package store

import (
	"fmt"
	"testing"
	"time"
)

func TestOneBadWriteStopsAllThatCameTogetherWithItAndNoNeighbour(t *testing.T) {
	t.Parallel()
	s := newTest(t)
	release := hold(t, s)
	outcomes := make([]Outcome, 8)
	accepted := func(i int) *op { return acceptOp(newIntake(testEvent(fmt.Sprint(i)), time.Now), &outcomes[i]) }
	// By their keys the bad one is in the middle of the others, and all among the neighbours.
	bad := &op{stage: stageAccept, key: accepted(5).key, run: func(t *tx) error {
		return t.exec(`INSERT INTO ledger (source, state, n) VALUES ('s', NULL, 1)`)
	}}
	together := handOver(s, &op{parts: []*op{accepted(2), bad, accepted(6)}})
	waits := []func() error{
		handOver(s, accepted(0)), handOver(s, accepted(4)), handOver(s, accepted(7)),
		handOver(s, &op{parts: []*op{accepted(3), accepted(1)}}),
	}
	release()
	if err := together(); err == nil {
		t.Error("what came together with a bad write is acknowledged")
	}
	for i, wait := range waits {
		if err := wait(); err != nil {
			t.Errorf("neighbour %d: %v", i, err)
		}
	}
	for _, i := range []int{0, 1, 3, 4, 7} {
		if outcomes[i] != OutcomeAccepted {
			t.Errorf("event %d: %q", i, outcomes[i])
		}
	}
	ledger, err := s.Ledger(t.Context())
	if err != nil || ledger["s"][StatePending] != 5 || s.Ready() != nil {
		t.Errorf("ledger %v, %v; ready: %v", ledger, err, s.Ready())
	}
	for _, i := range []int{2, 6} { // nothing of them is there
		if receipt, err := s.Accept(t.Context(), testEvent(fmt.Sprint(i))); err != nil || receipt.Outcome != OutcomeAccepted {
			t.Errorf("event %d again: %+v, %v", i, receipt, err)
		}
	}
}
