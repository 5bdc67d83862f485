package exporter_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"cdr2otel/internal/client"
	"cdr2otel/internal/otlptest"
)

// killsEnv is how often the crash test kills; 50 unless set.
const killsEnv = "CDR2OTEL_TEST_KILLS"

func TestEveryAcknowledgedEventIsExportedAcrossSIGKILLs(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes half a minute: run without -short")
	}
	kills := 50
	if n, err := strconv.Atoi(os.Getenv(killsEnv)); err == nil {
		kills = n
	}
	seen := newSightings()
	receiver := otlptest.New(t, otlptest.Options{OnRequest: seen.note, Discard: true})
	c := &crash{
		process: &process{t: t, dir: t.TempDir(), endpoint: receiver.GRPCEndpoint(), up: make(chan struct{})},
		seen:    seen,
		acks:    make(chan struct{}, 1<<16),
	}
	t.Cleanup(c.kill)

	ctx, cancel := context.WithCancel(t.Context())
	var posters sync.WaitGroup
	for n := range 4 {
		posters.Go(func() { c.post(ctx, rand.New(rand.NewPCG(1, uint64(n))), n) })
	}
	random := rand.New(rand.NewPCG(2, 2))
	for range kills {
		c.launch()
		for range 1 + random.IntN(150) {
			<-c.acks
		}
		c.kill()
	}
	c.launch()
	for range 100 {
		<-c.acks
	}
	cancel()
	posters.Wait()
	c.awaitAll()
	c.terminate()
	t.Logf("%d kills, %d webhooks acknowledged, %d without an answer, %d spans received %d times, lost: 0",
		kills, len(c.acknowledged), c.unanswered, len(seen.spans), seen.total)
}

// crash is the state of one crash test.
type crash struct {
	*process
	seen *sightings
	acks chan struct{} // one per acknowledgement

	count        sync.Mutex // guards what follows
	acknowledged []string
	unanswered   int
}

// post posts calls until ctx ends: their webhooks in random order, some twice,
// none again when there was no answer, as the platform does.
func (c *crash) post(ctx context.Context, random *rand.Rand, poster int) {
	transport := newTransport()
	defer transport.CloseIdleConnections()
	hooks := &client.Client{Secret: secret, HTTPClient: &http.Client{Transport: transport, Timeout: 10 * time.Second}}
	template := callTemplate(c.t)
	for n := 0; ctx.Err() == nil; n++ {
		events := template.call(fmt.Sprintf("p%d-%d", poster, n))
		random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		for _, e := range events {
			c.postOne(ctx, hooks, e)
			if random.IntN(10) == 0 {
				c.postOne(ctx, hooks, e)
			}
		}
	}
}

func (c *crash) postOne(ctx context.Context, hooks *client.Client, e generated) {
	hooks.URL = c.await(ctx)
	if hooks.URL == "" {
		return
	}
	status, _, err := hooks.Post(ctx, e.body)
	c.count.Lock()
	defer c.count.Unlock()
	switch {
	case err != nil:
		c.unanswered++
	case status == http.StatusOK:
		c.acknowledged = append(c.acknowledged, e.id)
		select {
		case c.acks <- struct{}{}:
		default: // the loop has seen more than it counts
		}
	default:
		c.t.Errorf("webhook answered %d", status)
	}
}

// awaitAll returns once every acknowledged event was received.
func (c *crash) awaitAll() {
	c.t.Helper()
	c.count.Lock()
	acknowledged := slices.Clone(c.acknowledged)
	c.count.Unlock()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	if missing := c.seen.await(ctx, acknowledged); len(missing) > 0 {
		c.t.Fatalf("%d acknowledged events never arrived, the first: %v", len(missing), missing[:min(5, len(missing))])
	}
	c.seen.mu.Lock()
	defer c.seen.mu.Unlock()
	for _, id := range c.seen.changed {
		c.t.Errorf("span %s arrived with two contents", id)
	}
}

// sightings are the events and spans that a receiver has taken.
type sightings struct {
	mu      sync.Mutex // guards what follows
	events  map[string]bool
	spans   map[string][sha256.Size]byte // by trace and span id
	changed []string                     // spans that came with other content
	total   int
	more    chan struct{} // closed and replaced at each request
}

func newSightings() *sightings {
	return &sightings{events: map[string]bool{}, spans: map[string][sha256.Size]byte{}, more: make(chan struct{})}
}

func (s *sightings) note(q otlptest.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !q.Accepted() {
		return
	}
	for _, span := range q.Spans() {
		s.span(span)
	}
	close(s.more)
	s.more = make(chan struct{})
}

func (s *sightings) span(span *tracepb.Span) {
	s.total++
	encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(span)
	if err != nil {
		panic(err) // it was just decoded
	}
	id, sum := fmt.Sprintf("%x/%x", span.TraceId, span.SpanId), sha256.Sum256(encoded)
	if before, ok := s.spans[id]; ok && before != sum {
		s.changed = append(s.changed, id)
	}
	s.spans[id] = sum
	if len(span.ParentSpanId) == 0 {
		s.events[attribute(span, "wxa.call.id")] = true
	}
	// A message is an event of its span, or, late, a span of its own.
	if span.Name == "message_logged" {
		s.events[attribute(span, "wxa.log_id")] = true
	}
	for _, e := range span.Events {
		for _, a := range e.Attributes {
			if e.Name == "wxa.message" && a.Key == "wxa.log_id" {
				s.events[a.Value.GetStringValue()] = true
			}
		}
	}
}

func attribute(span *tracepb.Span, key string) string {
	for _, a := range span.Attributes {
		if a.Key == key {
			return a.Value.GetStringValue()
		}
	}
	return ""
}

// await returns what is still missing of ids: nothing, unless ctx ended.
func (s *sightings) await(ctx context.Context, ids []string) []string {
	for {
		s.mu.Lock()
		missing := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return s.events[id] })
		more := s.more
		s.mu.Unlock()
		if len(missing) == 0 {
			return nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return missing
		}
	}
}
