// Package pace times requests that come at a fixed rate, whether or not those
// before them were answered.
package pace

import (
	"slices"
	"sync"
	"time"
)

// Subject is what is timed. Latency counts from when a request was due, so that
// a slow one does not hide what it keeps waiting.
type Subject struct {
	Name string
	// Request does the n-th request and returns once it was answered; an error when
	// the answer is not the right one. It is called from several goroutines at once.
	Request func(n int) error

	mu      sync.Mutex // guards what follows
	latency []time.Duration
	failed  error // the first
}

// Measure does so many requests a second for a time, and waits for the last answer.
func (s *Subject) Measure(d time.Duration, perSecond int) {
	var requests sync.WaitGroup
	defer requests.Wait()
	began, interval := time.Now(), time.Second/time.Duration(perSecond)
	for n := range int(d / interval) {
		due := began.Add(time.Duration(n) * interval)
		time.Sleep(time.Until(due))
		requests.Go(func() {
			err := s.Request(n)
			s.note(time.Since(due), err)
		})
	}
}

func (s *Subject) note(latency time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latency = append(s.latency, latency)
	if s.failed == nil {
		s.failed = err
	}
}

// Reset forgets what was measured, but not a failure.
func (s *Subject) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latency = nil
}

// Count is the number of requests since Reset.
func (s *Subject) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.latency)
}

// Err is the first error of Request.
func (s *Subject) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// Percentile is the latency that p of a hundred requests since Reset don't exceed;
// 0 when there were none.
func (s *Subject) Percentile(p int) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.latency) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s.latency))
	return sorted[(len(sorted)*p+99)/100-1]
}
