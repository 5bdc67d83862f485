package store_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"cdr2otel/exporter/internal/store"
)

// BenchmarkForget forgets one call of ten messages in a store of 50 000, while
// others are accepted one by one: what it costs, and what their senders wait.
func BenchmarkForget(b *testing.B) {
	const messages = 50_000
	s, body := benchStore(b), benchBody(b)
	var wg sync.WaitGroup
	for w := range callers {
		wg.Go(func() {
			for i := w; i < messages; i += callers {
				accept(b, s, benchMessage(fmt.Sprint("call ", i/10), i%10, body))
			}
		})
	}
	wg.Wait()
	waits := func(ctx context.Context, of string) time.Duration {
		var all []time.Duration
		for i := 0; ctx.Err() == nil || i < 100; i++ {
			began := time.Now()
			accept(b, s, benchMessage(fmt.Sprint(of, i/10), i%10, body))
			all = append(all, time.Since(began))
		}
		slices.Sort(all)
		return all[len(all)*99/100]
	}
	ctx, cancel := context.WithTimeout(b.Context(), 2*time.Second)
	alone := waits(ctx, "before ")
	cancel()
	ctx, cancel = context.WithCancel(b.Context())
	beside := make(chan time.Duration)
	go func() { beside <- waits(ctx, "beside ") }()
	call := 0
	for b.Loop() {
		call++
		f, err := s.Forget(b.Context(), store.Person{Source: "default", Session: store.Key("session_id", fmt.Sprint("call ", call))})
		if err != nil || f.Events != 10 {
			b.Fatalf("%+v, %v", f, err)
		}
	}
	cancel()
	b.ReportMetric(float64(s.Usage().Used)/(1<<20), "MiB")
	b.ReportMetric(float64(alone.Microseconds())/1e3, "ms-p99-alone")
	b.ReportMetric(float64((<-beside).Microseconds())/1e3, "ms-p99-beside")
}
