package exporter_test

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"

	"cdr2otel/internal/client"
	"cdr2otel/internal/otlptest"
)

// backlogEnv is how many events wait in the outage test; it is skipped unless set.
const backlogEnv = "CDR2OTEL_TEST_BACKLOG"

// What a backlog of any size may cost.
const (
	memoryLimit  = 150 << 20 // resident
	latencyLimit = 1.5       // times that of an empty store
	startLimit   = 2 * time.Second
	sendsLimit   = 8 // requests at once to a collector that came back
)

// outagePosters is how many webhooks are under way at once while it fills.
const outagePosters = 64

func TestABacklogCostsNeitherMemoryNorLatencyAndDrainsInOrderOfAge(t *testing.T) {
	backlog, err := strconv.Atoi(os.Getenv(backlogEnv))
	if err != nil {
		t.Skip("takes minutes: make outage runs it, or set " + backlogEnv + "=100000")
	}
	needProc(t)
	calls := backlog / 4
	collector := newReturning(calls)
	receiver := otlptest.New(t, otlptest.Options{Discard: true, OnRequest: collector.note, Answer: collector.answer})
	receiver.SetDown(true)
	p := &process{t: t, dir: t.TempDir(), endpoint: receiver.GRPCEndpoint(), up: make(chan struct{})}
	t.Cleanup(p.kill)
	p.launch()

	began := time.Now()
	sample := min(2500, calls/10)
	empty := postCalls(t, p.await(t.Context()), 0, sample)
	postCalls(t, p.await(t.Context()), sample, calls-sample)
	full := postCalls(t, p.await(t.Context()), calls-sample, calls)
	t.Logf("%d events taken in %v while the collector was down, peak resident memory %d MB",
		backlog, time.Since(began).Round(time.Second), p.memory("VmHWM")>>20)
	ratio := float64(median(full)) / float64(median(empty))
	t.Logf("acknowledged within %v (median) with an empty store and %v at the end: %.2f times", median(empty), median(full), ratio)
	if ratio > latencyLimit {
		t.Errorf("the acknowledgement takes %.2f times as long with the backlog, the limit is %v", ratio, latencyLimit)
	}
	filled := p.memory("VmHWM")

	p.kill()
	began = time.Now()
	p.launch()
	started := time.Since(began)
	t.Logf("ready %v after a kill, with the backlog", started.Round(time.Millisecond))
	if started > startLimit {
		t.Errorf("the start takes %v with the backlog, the limit is %v", started, startLimit)
	}

	began = time.Now()
	receiver.SetDown(false)
	collector.await(t)
	peak := max(filled, p.memory("VmHWM"))
	t.Logf("%d calls drained in %v, at most %d at once, none more than %d places out of order; peak resident memory %d MB",
		calls, time.Since(began).Round(time.Second), collector.most, collector.displaced, peak>>20)
	if peak > memoryLimit {
		t.Errorf("peak resident memory is %d MB, the limit is %d MB", peak>>20, memoryLimit>>20)
	}
	if collector.most > sendsLimit {
		t.Errorf("%d requests at once, the limit is %d", collector.most, sendsLimit)
	}
	// Posted side by side, and sent side by side.
	if limit := 2 * (outagePosters + sendsLimit); collector.displaced > limit {
		t.Errorf("a call came %d places from its turn, the limit is %d", collector.displaced, limit)
	}
	p.terminate()
}

// returning is a collector that was away and takes a backlog of calls, named
// "o0" to "o<n-1>" in order of age.
type returning struct {
	want    int
	drained chan struct{}
	waiting atomic.Int64 // requests being answered

	mu        sync.Mutex // guards what follows
	seen      map[int]bool
	most      int64 // requests at once
	displaced int   // the farthest that a call came from its turn
}

func newReturning(want int) *returning {
	return &returning{want: want, drained: make(chan struct{}), seen: map[int]bool{}}
}

// answer takes a moment, as a collector does: else no two requests would ever meet.
func (r *returning) answer(int, *coltracepb.ExportTraceServiceRequest) otlptest.Answer {
	n := r.waiting.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.most = max(r.most, n)
	answered := make(chan struct{})
	time.AfterFunc(time.Millisecond, func() {
		r.waiting.Add(-1)
		close(answered)
	})
	return otlptest.Answer{Until: answered}
}

func (r *returning) note(q otlptest.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	number, _, _ := strings.Cut(strings.TrimPrefix(attribute(q.Spans()[0], "wxa.call.id"), "o"), "-")
	n, err := strconv.Atoi(number)
	if err != nil || r.seen[n] {
		return
	}
	r.displaced = max(r.displaced, n-len(r.seen), len(r.seen)-n)
	r.seen[n] = true
	if len(r.seen) == r.want {
		close(r.drained)
	}
}

func (r *returning) await(t *testing.T) {
	t.Helper()
	select {
	case <-r.drained:
	case <-time.After(30 * time.Minute):
		r.mu.Lock()
		defer r.mu.Unlock()
		t.Fatalf("%d of %d calls arrived within half an hour of the collector's return", len(r.seen), r.want)
	}
}

// postCalls posts the keypad calls from one number to another, and returns how
// long each acknowledgement took.
func postCalls(t testing.TB, url string, from, to int) []time.Duration {
	t.Helper()
	transport := newTransport()
	defer transport.CloseIdleConnections()
	hooks := &client.Client{URL: url, Secret: secret, HTTPClient: &http.Client{Transport: transport, Timeout: time.Minute}}
	tpl := callTemplate(t)
	names := make(chan string)
	var mu sync.Mutex
	var took []time.Duration
	var wg sync.WaitGroup
	for range outagePosters {
		wg.Go(func() {
			for name := range names {
				for _, e := range tpl.call(name) {
					began := time.Now()
					status, _, err := hooks.Post(t.Context(), e.body)
					if err != nil || status != http.StatusOK {
						t.Errorf("status %d, error %v", status, err)
					}
					mu.Lock()
					took = append(took, time.Since(began))
					mu.Unlock()
				}
			}
		})
	}
	for i := from; i < to; i++ {
		names <- fmt.Sprintf("o%d", i)
	}
	close(names)
	wg.Wait()
	return took
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}
