package receiver

import (
	"sync"
	"testing"
	"time"
)

const (
	// bound is how much longer than those of a bare echo the 99th percentile and the
	// median may be.
	bound = 3
	// floor is what they may be in any case. An idle machine's timers and scheduler
	// are this exact: three times an echo of a third of a millisecond says nothing.
	floor = 2 * time.Millisecond
	// rounds are tried before noise is taken for slowness.
	rounds = 3
)

// Each receiver is measured beside the echo: whatever else the machine does then
// happens to both.
func TestAtFiveHundredASecondACallerWaitsNoLongerThanForAnEchoWhateverTheStoreDoes(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("takes a quarter of a minute and times answers, which the race detector makes slow: run without -short and -race")
	}
	subjects := newSubjects(t)
	for _, s := range subjects {
		s.measure(100 * time.Millisecond) // opens the connections
	}
	for _, s := range subjects[1:] {
		for round := 1; beside(t, s, subjects[0]); round++ {
			if round == rounds {
				t.Fatalf("%s: slower than %d times the echo and than %v in each of %d rounds", s.Name, bound, floor, rounds)
			}
		}
	}
}

// beside measures a subject and the echo at once, and says whether it is too slow.
func beside(t *testing.T, s, echo *subject) (slow bool) {
	t.Helper()
	var measuring sync.WaitGroup
	for _, one := range []*subject{s, echo} {
		one.Reset()
		measuring.Go(func() { one.measure(3 * time.Second) })
	}
	measuring.Wait()
	for _, one := range []*subject{s, echo} {
		if err := one.err(); err != nil {
			t.Fatalf("%s: %v", one.Name, err)
		}
	}
	got, bare := s.Percentile(99), echo.Percentile(99)
	t.Logf("%s: %d answers, 50th percentile %v, of the echo %v; 99th percentile %v, of the echo %v: %.2f times",
		s.Name, s.Count(), s.Percentile(50), echo.Percentile(50), got, bare, float64(got)/float64(bare))
	// The median too: what is slow each time shows there however noisy the rest is.
	return got > max(bound*bare, floor) || s.Percentile(50) > max(bound*echo.Percentile(50), floor)
}

// BenchmarkPassThrough is the latency of synchronous webhooks at 500 a second,
// since each was due.
func BenchmarkPassThrough(b *testing.B) {
	for _, s := range newSubjects(b) {
		b.Run(s.Name, func(b *testing.B) {
			s.Reset()
			s.measure(time.Duration(b.N) * time.Second / perSecond)
			if err := s.err(); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(s.Percentile(50).Microseconds()), "p50-µs")
			b.ReportMetric(float64(s.Percentile(99).Microseconds()), "p99-µs")
		})
	}
}
