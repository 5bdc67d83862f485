package exporter_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"cdr2otel/internal/otlptest"
	"cdr2otel/internal/schematest"
)

// The procedure of docs/scaling.md: the process with the file drains while replicas take
// what comes. Of calls that go on meanwhile each has some of its webhooks.
func TestTheSwitchFromAFileToADatabaseLosesNothingAndRepeatsNothing(t *testing.T) {
	t.Parallel()
	at, _ := schematest.New(t)
	left := &departures{events: map[string]int{}, spans: map[string]int{}}
	receiver := otlptest.New(t, otlptest.Options{OnRequest: left.note})
	run := func(url string) *sidecar {
		cfg := configuration(t.TempDir())
		if url != "" {
			cfg.Store.URL = url
		}
		cfg.Correlation.Grace, cfg.Correlation.Window = time.Second, 2*time.Second
		return start(t, cfg, overriding(receiver, otlptest.ProtocolGRPC))
	}
	var calls [][]generated
	for n := range 20 { // the CDR is first, or last, or in between
		call := callTemplate(t).call(fmt.Sprint("switched-", n))
		calls = append(calls, slices.Concat(call[n%4:], call[:n%4]))
	}

	old := run("")
	for n, call := range calls { // from none to all of it
		for _, e := range call[:n%5] {
			old.accepted(t, e.body)
		}
	}
	replicas := []*sidecar{run(at), run(at)}
	for n, call := range calls {
		for i, e := range call[n%5:] {
			replicas[(n+i)%2].accepted(t, e.body)
		}
	}
	// Half of the 80 webhooks came to either.
	drained := func(_ int, r readiness) bool { return r.Events["exported"] == 40 && r.Events["pending"] == 0 }
	old.awaitReadiness(t, drained)
	if err := old.stop(); err != nil {
		t.Fatal(err)
	}
	replicas[0].awaitReadiness(t, drained)

	for _, call := range calls {
		for _, e := range call {
			if n := left.times(e.id); n != 1 {
				t.Errorf("%s left %d times, want once", e.id, n)
			}
		}
	}
	if again := left.repeated(); len(again) > 0 {
		t.Errorf("%d spans left more than once: %q", len(again), again)
	}
}

// departures count what a receiver has taken.
type departures struct {
	mu     sync.Mutex // guards what follows
	events map[string]int
	spans  map[string]int // by trace and span id
}

func (d *departures) note(q otlptest.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, span := range q.Spans() {
		d.spans[fmt.Sprintf("%x/%x %s", span.TraceId, span.SpanId, span.Name)]++
		for _, event := range eventsOf(span) {
			d.events[event]++
		}
	}
}

func (d *departures) times(event string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.events[event]
}

func (d *departures) repeated() (spans []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, n := range d.spans {
		if n > 1 {
			spans = append(spans, id)
		}
	}
	slices.Sort(spans)
	return spans
}
