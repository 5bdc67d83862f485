package exporter_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"cdr2otel/exporter/config"
	"cdr2otel/internal/client"
	"cdr2otel/internal/otlptest"
	"cdr2otel/internal/testenv"
)

func TestEveryAcknowledgedEventIsExportedAcrossSIGKILLs(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes some seconds: run without -short")
	}
	acrossKills(t, testenv.Rounds(t, testenv.Kills, 10), config.EventsSpan)
}

// Log records go beside the spans, each signal with its own progress.
func TestEveryMessageIsALogRecordOnceAcrossSIGKILLs(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes some seconds: run without -short")
	}
	acrossKills(t, max(5, testenv.Rounds(t, testenv.Kills, 10)/4), config.EventsBoth)
}

// acrossKills posts while the sidecar is killed and launched again, and holds what
// the receiver got against what was acknowledged.
func acrossKills(t *testing.T, kills int, events config.Events) {
	t.Helper()
	seen, faults := newSightings(), newFaults()
	receiver := otlptest.New(t, otlptest.Options{OnRequest: seen.note, Answer: faults.answer, Discard: true})
	c := newCrash(t, receiver, seen, faults)
	c.events = events

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
	faults.over.Store(true)
	c.awaitAll()
	dead := c.balance()
	c.terminate()
	t.Logf("%d kills; answers of the receiver: %v", kills, faults.given)
	t.Logf("%d events acknowledged, %d posted without an answer; %d spans received %d times, %d log records of messages, %d dead letters, lost: 0",
		len(c.acknowledged), len(c.unanswered), len(seen.spans), seen.total, len(seen.records), dead)
}

// crash is the state of one crash test.
type crash struct {
	*process
	seen   *sightings
	faults *faults
	acks   chan struct{} // one per acknowledgement
	// mayRefuse: the sidecar is shut down in order while it is posted to, so 503 is
	// an answer.
	mayRefuse bool
	// patience is how long the rest may take to arrive once nothing disturbs it.
	patience time.Duration

	count        sync.Mutex // guards what follows
	acknowledged map[string]bool
	unanswered   map[string]bool // whether it was taken is not known
	refused      int
}

// newCrash is a sidecar on an empty store that is not launched yet.
func newCrash(t *testing.T, receiver *otlptest.Receiver, seen *sightings, faults *faults) *crash {
	c := &crash{
		process:      &process{t: t, dir: t.TempDir(), endpoint: receiver.GRPCEndpoint(), up: make(chan struct{})},
		seen:         seen,
		faults:       faults,
		acks:         make(chan struct{}, 1<<16),
		patience:     2 * time.Minute,
		acknowledged: map[string]bool{},
		unanswered:   map[string]bool{},
	}
	t.Cleanup(c.kill)
	return c
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
		c.unanswered[e.id] = true
	case status == http.StatusOK:
		c.acknowledged[e.id] = true
		select {
		case c.acks <- struct{}{}:
		default: // the loop has seen more than it counts
		}
	case status == http.StatusServiceUnavailable && c.mayRefuse:
		c.refused++
	default:
		c.t.Errorf("webhook answered %d", status)
	}
}

// awaitAll returns once every acknowledged event was received, but for those that
// the receiver condemned.
func (c *crash) awaitAll() {
	c.t.Helper()
	c.faults.mu.Lock()
	condemned := maps.Clone(c.faults.condemned)
	c.faults.mu.Unlock()
	var owed []string
	for id := range c.acknowledged {
		if !condemned[id] {
			owed = append(owed, id)
		}
		if c.events == config.EventsBoth && !strings.HasSuffix(id, "-0") { // 0 is the CDR
			owed = append(owed, recordOf(id))
		}
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), c.patience)
	defer cancel()
	if missing := c.seen.await(ctx, owed); len(missing) > 0 {
		c.t.Fatalf("%d acknowledged events never arrived, the first: %v", len(missing), missing[:min(5, len(missing))])
	}
	c.seen.mu.Lock()
	defer c.seen.mu.Unlock()
	for _, id := range c.seen.changed {
		c.t.Errorf("%s arrived with two contents", id)
	}
}

// balance waits until nothing is pending and holds the ledger against what was
// posted and seen. It returns the number of dead letters.
func (c *crash) balance() (dead int64) {
	c.t.Helper()
	events := c.settled()
	if sum := events["exported"] + events["dead"]; sum != events["accepted"] {
		c.t.Errorf("the ledger does not add up: %v", events)
	}
	for id := range c.unanswered {
		if c.acknowledged[id] { // posted twice
			delete(c.unanswered, id)
		}
	}
	least, most := int64(len(c.acknowledged)), int64(len(c.acknowledged)+len(c.unanswered))
	if n := events["accepted"]; n < least || n > most {
		c.t.Errorf("%d events in the ledger, want %d acknowledged and up to %d more", n, least, most-least)
	}
	unseen := int64(0)
	for id := range c.acknowledged {
		if !c.seen.has(id) {
			unseen++
		}
	}
	if unseen > events["dead"] {
		c.t.Errorf("%d acknowledged events were never received, but only %d are dead letters", unseen, events["dead"])
	}
	return events["dead"]
}

// sightings are the events and spans that a receiver has taken.
type sightings struct {
	mu      sync.Mutex // guards what follows
	events  map[string]bool
	spans   map[string][sha256.Size]byte // by trace and span id
	records map[string][sha256.Size]byte // of messages, by log id
	changed []string                     // spans and records that came with other content
	total   int
	more    chan struct{} // closed and replaced at each request
}

func newSightings() *sightings {
	return &sightings{
		events: map[string]bool{}, spans: map[string][sha256.Size]byte{}, records: map[string][sha256.Size]byte{}, more: make(chan struct{}),
	}
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
	for _, record := range q.LogRecords() {
		s.record(record)
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
		s.changed = append(s.changed, "span "+id)
	}
	s.spans[id] = sum
	for _, event := range eventsOf(span) {
		s.events[event] = true
	}
}

func (s *sightings) record(record *logspb.LogRecord) {
	encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(record)
	if err != nil {
		panic(err) // it was just decoded
	}
	if record.EventName != "wxa.message" {
		return
	}
	id, sum := "", sha256.Sum256(encoded)
	for _, a := range record.Attributes {
		if a.Key == "wxa.log_id" {
			id = recordOf(a.Value.GetStringValue())
		}
	}
	if before, ok := s.records[id]; ok && before != sum {
		s.changed = append(s.changed, id)
	}
	s.records[id] = sum
	s.events[id] = true
}

// recordOf names the log record of a message.
func recordOf(logID string) string { return "record of " + logID }

func (s *sightings) has(event string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.events[event]
}

// eventsOf are the webhooks that a span shows: a call is its CDR; a message is an
// event of its span or, late, a span of its own.
func eventsOf(span *tracepb.Span) []string {
	var events []string
	if len(span.ParentSpanId) == 0 {
		events = append(events, attribute(span, "wxa.call.id"))
	}
	if span.Name == "message_logged" {
		events = append(events, attribute(span, "wxa.log_id"))
	}
	for _, e := range span.Events {
		for _, a := range e.Attributes {
			if e.Name == "wxa.message" && a.Key == "wxa.log_id" {
				events = append(events, a.Value.GetStringValue())
			}
		}
	}
	return events
}

func attribute(span *tracepb.Span, key string) string {
	for _, a := range span.Attributes {
		if a.Key == key {
			return a.Value.GetStringValue()
		}
	}
	return ""
}

// await returns what is still missing of ids: nothing, unless ctx ended. It looks at
// each id once more only while that one is missing: there may be a million.
func (s *sightings) await(ctx context.Context, ids []string) []string {
	for {
		s.mu.Lock()
		for len(ids) > 0 && s.events[ids[0]] {
			ids = ids[1:]
		}
		more := s.more
		s.mu.Unlock()
		if len(ids) == 0 {
			return nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return slices.DeleteFunc(ids, s.has)
		}
	}
}
