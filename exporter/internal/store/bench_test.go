package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cdr2otel/exporter/internal/store"
)

// Benchmarks run on the disk of the temporary directory; TMPDIR chooses another.

// callers is the number of webhooks in flight.
const callers = 64

func benchStore(b *testing.B) *store.Store {
	b.Helper()
	s, err := store.Open(b.Context(), store.Config{
		URL: "sqlite:" + filepath.Join(b.TempDir(), "bench.db"), Retention: time.Hour, DeadLetterRetention: time.Hour,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

// benchBody is the size and compressibility of a message log.
func benchBody(b *testing.B) []byte {
	b.Helper()
	body, err := os.ReadFile("testdata/message.json")
	if err != nil {
		b.Fatal(err)
	}
	return body
}

func benchMessage(call string, turn int, body []byte) *store.Event {
	log := fmt.Sprintf("%s/%d", call, turn)
	return &store.Event{
		Source: "default", Kind: store.KindMessage, Key: store.Key("log_id", log), ContentHash: store.Key("content", log),
		ReceivedAt: time.Now(), Body: body, Headers: []byte(`{}`), LogKeys: []store.Hash{store.Key("log_id", log)},
		SIPKey: store.Key("sip_call_id", call), Sessions: []store.Hash{store.Key("session_id", call)},
		Quiet: 4 * time.Hour, QuietReason: store.ReasonWindow,
		Name: "message_logged", SessionID: call, LogID: log, ClientAddress: "203.0.113.7", Endpoint: "/webhook/default",
		RequestHeaders: []byte(`{"authorization":"[redacted]","content-type":"application/json","user-agent":"Watson"}`),
	}
}

func benchCDR(call string, turns int, body []byte) *store.Event {
	e := benchMessage(call, -1, body)
	e.Kind, e.Key, e.Name, e.LogID = store.KindCDR, store.Key("cdr", call), "cdr_logged", ""
	e.CallID, e.LogKeys, e.Grace = []byte(call), nil, 30*time.Second
	for turn := range turns {
		e.LogKeys = append(e.LogKeys, store.Key("log_id", fmt.Sprintf("%s/%d", call, turn)))
	}
	return e
}

func BenchmarkAcceptGrouped(b *testing.B) {
	s, body := benchStore(b), benchBody(b)
	var n atomic.Int64
	b.SetParallelism(callers / 2)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := n.Add(1)
			if _, err := s.Accept(b.Context(), benchMessage(fmt.Sprint("call ", i/10), int(i%10), body)); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkAcceptOneByOne(b *testing.B) {
	s, body := benchStore(b), benchBody(b)
	i := 0
	for b.Loop() {
		if _, err := s.Accept(b.Context(), benchMessage(fmt.Sprint("call ", i/10), i%10, body)); err != nil {
			b.Fatal(err)
		}
		i++
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkPipeline moves calls of ten messages and a CDR from the inbox to
// done: an op is one call.
func BenchmarkPipeline(b *testing.B) {
	for _, cdrFirst := range []bool{false, true} {
		b.Run(map[bool]string{false: "messages first", true: "cdr first"}[cdrFirst], func(b *testing.B) { benchPipeline(b, cdrFirst) })
	}
}

func benchPipeline(b *testing.B, cdrFirst bool) {
	s, body := benchStore(b), benchBody(b)
	request := []byte(strings.Repeat(string(body), 3))
	var n, done atomic.Int64
	var wg sync.WaitGroup
	b.ReportAllocs()
	for range callers {
		wg.Go(func() {
			for i := n.Add(1); i <= int64(b.N); i = n.Add(1) {
				call := fmt.Sprint("call ", i)
				if cdrFirst {
					accept(b, s, benchCDR(call, 10, body))
				}
				for turn := range 10 {
					accept(b, s, benchMessage(call, turn, body))
				}
				if !cdrFirst {
					accept(b, s, benchCDR(call, 10, body))
				}
			}
		})
	}
	wg.Go(func() { benchAssemble(b, s, request) })
	wg.Go(func() { benchDeliver(b, s, &done) })
	wg.Wait()
	b.ReportMetric(float64(11*b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(s.Usage().Used)/float64(b.N), "B/call")
}

func accept(b *testing.B, s *store.Store, e *store.Event) {
	if _, err := s.Accept(b.Context(), e); err != nil {
		b.Error(err)
	}
}

func benchAssemble(b *testing.B, s *store.Store, request []byte) {
	for assembled := 0; assembled < b.N; {
		due, err := s.ClaimDue(b.Context(), 32, time.Minute)
		if err != nil {
			b.Error(err)
			return
		}
		var wg sync.WaitGroup
		for _, sub := range due {
			wg.Go(func() {
				a := store.Assembly{Subject: sub, Root: store.Anchor{SpanID: [8]byte{1}, End: 1}, Parts: []store.Part{{Signal: "traces", Body: request}}}
				if err := s.Members(b.Context(), sub, func(m store.Member) error { a.Members = append(a.Members, m.EventID); return nil }); err != nil {
					b.Error(err)
				}
				for _, key := range sub.Owned {
					a.Turns = append(a.Turns, store.TurnAnchor{LogKey: key, Anchor: store.Anchor{SpanID: [8]byte{2}, End: 1}})
				}
				if len(a.Members) != 11 {
					b.Errorf("%d members", len(a.Members))
				}
				if err := s.Assemble(b.Context(), a); err != nil {
					b.Error(err)
				}
			})
		}
		wg.Wait()
		assembled += len(due)
	}
}

func benchDeliver(b *testing.B, s *store.Store, done *atomic.Int64) {
	for done.Load() < int64(b.N) {
		requests, err := s.ClaimRequests(b.Context(), "traces", 0, 64, time.Minute)
		if err != nil {
			b.Error(err)
			return
		}
		settled := make([]store.Settlement, len(requests))
		for i, r := range requests {
			settled[i] = store.Settlement{Request: r, Verdict: store.VerdictDone}
		}
		if err := s.Settle(b.Context(), settled); err != nil {
			b.Error(err)
			return
		}
		done.Add(int64(len(requests)))
	}
}
