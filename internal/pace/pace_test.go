package pace

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestARequestThatKeepsOthersWaitingIsNotHidden(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// One worker: while the first request takes half a second, the others wait.
		worker := make(chan struct{}, 1)
		s := &Subject{Request: func(n int) error {
			worker <- struct{}{}
			defer func() { <-worker }()
			if n == 0 {
				time.Sleep(500 * time.Millisecond)
			}
			return nil
		}}
		s.Measure(time.Second, 100)
		if s.Count() != 100 || s.Err() != nil {
			t.Errorf("%d requests, error %v", s.Count(), s.Err())
		}
		// Those that were due at 0, 10 … 490 ms were all answered at 500 ms.
		for p, want := range map[int]time.Duration{1: 0, 50: 0, 51: 10 * time.Millisecond, 99: 490 * time.Millisecond, 100: 500 * time.Millisecond} {
			if got := s.Percentile(p); got != want {
				t.Errorf("percentile %d is %v, want %v", p, got, want)
			}
		}
		s.Reset()
		if s.Count() != 0 || s.Percentile(99) != 0 {
			t.Errorf("%d requests after the reset", s.Count())
		}
	})
}

func TestTheFirstFailureIsKept(t *testing.T) {
	t.Parallel()
	first := errors.New("first")
	failures := []error{nil, first, errors.New("second")}
	synctest.Test(t, func(t *testing.T) {
		s := &Subject{Request: func(n int) error { return failures[n] }}
		s.Measure(3*time.Second, 1)
		s.Reset()
		if !errors.Is(s.Err(), first) {
			t.Errorf("error %v", s.Err())
		}
	})
}
