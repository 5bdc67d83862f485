package exporter_test

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"

	"cdr2otel/internal/otlptest"
)

// faults is a receiver's bad day: by script, every kind of answer that a
// collector, or what stands before it, gives. It remembers which events it
// condemned: only those may become dead letters.
type faults struct {
	over atomic.Bool // the day: everything is accepted from then on

	mu        sync.Mutex // guards what follows
	condemned map[string]bool
	given     map[string]int // answers by name
}

func newFaults() *faults {
	return &faults{condemned: map[string]bool{}, given: map[string]int{}}
}

// answer is the script: the n-th request always gets the same answer. Log records
// (req is nil) are never condemned: what a message says stays known.
func (f *faults) answer(n int, req *coltracepb.ExportTraceServiceRequest) otlptest.Answer {
	if f.over.Load() {
		return otlptest.Answer{}
	}
	random := rand.New(rand.NewPCG(3, uint64(n)))
	retry := time.Duration(random.IntN(20)) * time.Millisecond
	switch pick := random.IntN(100); {
	case pick < 50:
		return f.give("ok", otlptest.Answer{})
	case pick < 60:
		return f.give("slow", otlptest.Answer{Until: after(time.Duration(random.IntN(100)) * time.Millisecond)})
	case pick < 68:
		return f.give("unavailable", otlptest.Answer{Code: codes.Unavailable, Retry: &retry})
	case pick < 76:
		return f.give("exhausted, with RetryInfo", otlptest.Answer{Code: codes.ResourceExhausted, Retry: &retry})
	case pick < 84:
		return f.give("partial success", otlptest.Answer{Partial: &otlptest.Partial{Rejected: 1, Message: "a span too many"}})
	case pick < 92:
		return f.give("reset", otlptest.Answer{Reset: true})
	case req == nil:
		return f.give("ok", otlptest.Answer{})
	case pick < 96:
		f.condemn(req)
		return f.give("internal", otlptest.Answer{Code: codes.Internal})
	default:
		f.condemn(req)
		return f.give("invalid", otlptest.Answer{Code: codes.InvalidArgument})
	}
}

func (f *faults) give(name string, a otlptest.Answer) otlptest.Answer {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.given[name]++
	return a
}

func (f *faults) condemn(req *coltracepb.ExportTraceServiceRequest) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, span := range (otlptest.Request{Traces: req}).Spans() {
		for _, id := range eventsOf(span) {
			f.condemned[id] = true
		}
	}
}

// after is closed when d has passed.
func after(d time.Duration) <-chan struct{} {
	done := make(chan struct{})
	time.AfterFunc(d, func() { close(done) })
	return done
}
