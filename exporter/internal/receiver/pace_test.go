package receiver

import (
	"testing"
	"time"
)

const (
	// turn is how long one subject is measured before the next: so short that what
	// else the machine does hits all alike.
	turn  = 100 * time.Millisecond
	turns = 30

	// bound is how much longer than that of a bare echo the 99th percentile may be.
	bound = 3
	// floor is what it may be in any case. An idle machine's timers and scheduler
	// are this exact: three times an echo of a third of a millisecond says nothing.
	floor = 2 * time.Millisecond
	// rounds are tried before noise is taken for slowness.
	rounds = 3
)

func TestAtFiveHundredASecondACallerWaitsNoLongerThanForAnEchoWhateverTheStoreDoes(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("takes a quarter of a minute and times answers, which the race detector makes slow: run without -short and -race")
	}
	subjects := newSubjects(t)
	for round := 1; ; round++ {
		slow := paced(t, subjects)
		if slow == nil {
			return
		}
		if round == rounds {
			t.Fatalf("in %d rounds out of %d: %s answers within %v, the bare echo within %v (99th percentiles); the limit is %d times that, or %v",
				rounds, rounds, slow.name, slow.percentile(99), subjects[0].percentile(99), bound, floor)
		}
		t.Logf("round %d was slow: again", round)
	}
}

// paced measures the subjects in turn and returns one that is slower than it may
// be, nil if none is.
func paced(t *testing.T, subjects []*subject) (slow *subject) {
	t.Helper()
	for _, s := range subjects {
		s.measure(turn) // opens the connections
		s.reset()
	}
	for range turns {
		for _, s := range subjects {
			s.measure(turn)
		}
	}
	limit := max(bound*subjects[0].percentile(99), floor)
	for _, s := range subjects {
		if s.failed != nil {
			t.Fatalf("%s: %v", s.name, s.failed)
		}
		t.Logf("%-13s %d answers, 50th percentile %v, 99th %v, %.2f times the echo's", s.name, len(s.latency),
			s.percentile(50), s.percentile(99), float64(s.percentile(99))/float64(subjects[0].percentile(99)))
		if s.percentile(99) > limit {
			slow = s
		}
	}
	return slow
}

// BenchmarkPassThrough is the latency of synchronous webhooks at 500 a second,
// since each was due.
func BenchmarkPassThrough(b *testing.B) {
	for _, s := range newSubjects(b) {
		b.Run(s.name, func(b *testing.B) {
			s.reset()
			s.measure(time.Duration(b.N) * time.Second / pace)
			if s.failed != nil {
				b.Fatal(s.failed)
			}
			b.ReportMetric(float64(s.percentile(50).Microseconds()), "p50-µs")
			b.ReportMetric(float64(s.percentile(99).Microseconds()), "p99-µs")
		})
	}
}
