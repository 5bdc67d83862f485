package exporter_test

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"cdr2otel/exporter"
	"cdr2otel/exporter/config"
	"cdr2otel/internal/otlptest"
	"cdr2otel/internal/postgrestest"
)

// posters is how many webhooks are under way at once in the benchmarks: the
// platform posts from many calls side by side, and group commit needs company.
const posters = 192

// BenchmarkAccept measures concurrent signed webhooks through the real listener
// into the real store, durable before each answer. Delivery is off.
func BenchmarkAccept(b *testing.B) {
	off := exporter.Options{Getenv: environment(map[string]string{"OTEL_TRACES_EXPORTER": "none"})}
	s := start(b, configuration(b.TempDir()), off)
	tpl := callTemplate(b)
	var n atomic.Int64
	b.SetParallelism(posters / 2)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			// Messages only: no call is assembled meanwhile.
			event := tpl.call(fmt.Sprintf("b%d", n.Add(1)))[1]
			if status, _, err := s.Post(context.Background(), event.body); err != nil || status != http.StatusOK {
				b.Errorf("status %d, error %v", status, err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "webhooks/s")
}

// BenchmarkEndToEnd measures whole calls of eleven webhooks: signed HTTP in,
// durable, joined, mapped, OTLP/gRPC out to a receiver in this process. One
// operation is one call. Generator and receiver share the cores with the sidecar.
func BenchmarkEndToEnd(b *testing.B) { endToEnd(b, configuration(b.TempDir())) }

// BenchmarkEndToEndOnPostgreSQL is the same with a database on the same cores.
func BenchmarkEndToEndOnPostgreSQL(b *testing.B) {
	cfg := configuration(b.TempDir())
	cfg.Store.URL = postgrestest.Start(b).URL()
	endToEnd(b, cfg)
}

// BenchmarkEndToEndWithRecords is the same with a log record of each message beside
// its span event: eleven more requests a call.
func BenchmarkEndToEndWithRecords(b *testing.B) {
	cfg := configuration(b.TempDir())
	cfg.Mapping.Events = config.EventsBoth
	endToEnd(b, cfg)
}

func endToEnd(b *testing.B, cfg config.Config) {
	defer debug.SetGCPercent(debug.SetGCPercent(200)) // as serve does
	received := make(chan struct{}, 1)
	var calls atomic.Int64
	// The receiver decodes as the Collector does.
	receiver := otlptest.New(b, otlptest.Options{Discard: true, Undecoded: true, OnRequest: func(q otlptest.Request) {
		if q.Signal == "logs" {
			if err := plogotlp.NewExportRequest().UnmarshalProto(q.Body); err != nil {
				b.Error(err)
			}
			return
		}
		if err := ptraceotlp.NewExportRequest().UnmarshalProto(q.Body); err != nil {
			b.Error(err)
		}
		if calls.Add(1) == int64(b.N) {
			received <- struct{}{}
		}
	}})
	s := start(b, cfg, overriding(receiver, otlptest.ProtocolGRPC))
	tpl := tenTurns(b)
	next := make(chan generated, posters)
	b.ResetTimer()
	began := time.Now()
	var wg sync.WaitGroup
	for range posters {
		wg.Go(func() {
			for event := range next {
				if status, _, err := s.Post(context.Background(), event.body); err != nil || status != http.StatusOK {
					b.Errorf("status %d, error %v", status, err)
				}
			}
		})
	}
	for n := range b.N {
		events := tpl.call(fmt.Sprintf("e%d-%d", b.N, n))
		for i := len(events) - 1; i >= 0; i-- { // the CDR last, as the platform does
			next <- events[i]
		}
	}
	close(next)
	wg.Wait()
	<-received
	s.awaitReadiness(b, func(_ int, r readiness) bool { return r.Events["pending"] == 0 })
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "calls/s")
}
