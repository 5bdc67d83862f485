package store

import (
	"testing"
	"time"
)

func TestHowLongAnswersTookNeverBlocksNorGrows(t *testing.T) {
	t.Parallel()
	s := newTest(t)
	receipt, err := s.Accept(t.Context(), testEvent("a"))
	if err != nil {
		t.Fatal(err)
	}
	release := hold(t, s)
	for range 3 * tookQueue {
		s.Took(receipt.EventID, time.Millisecond)
	}
	if n := len(s.took.queue); n < tookQueue-tookSlice || n > tookQueue {
		t.Errorf("%d answers wait, the queue holds %d", n, tookQueue)
	}
	release()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s.Took(receipt.EventID, time.Minute) // after the end: nothing
	d, ok, err := openTest(t, s.path).Delivery(t.Context(), receipt.EventID)
	if err != nil || !ok || d.Took != time.Millisecond {
		t.Errorf("the answer took %v, %v, %v", d.Took, ok, err)
	}
}
