package exporter_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"cdr2otel/exporter"
	"cdr2otel/exporter/config"
	"cdr2otel/internal/client"
	"cdr2otel/internal/otlptest"
)

// childEnv makes the test binary a sidecar whose store lies in that folder;
// endpointEnv is its collector.
const (
	childEnv    = "CDR2OTEL_TEST_CHILD"
	endpointEnv = "CDR2OTEL_TEST_ENDPOINT"
	// killsEnv is how often the crash test kills; 50 unless set.
	killsEnv = "CDR2OTEL_TEST_KILLS"
)

// child runs a sidecar until SIGTERM. It says its webhook URL on standard output
// once it is ready.
func child(dir string) int {
	cfg := configuration(dir)
	// Short, so that the test also sees calls without all their messages, late
	// messages and conversations.
	cfg.Correlation.Grace = 200 * time.Millisecond
	cfg.Correlation.Window = 2 * time.Second
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	e, err := exporter.New(ctx, cfg, exporter.Options{Getenv: environment(map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": os.Getenv(endpointEnv),
		"OTEL_EXPORTER_OTLP_PROTOCOL": otlptest.ProtocolGRPC,
	})})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	go func() {
		<-e.Started()
		fmt.Println(e.WebhookURL(config.DefaultSource))
	}()
	if err := e.Run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

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
		t:        t,
		dir:      t.TempDir(),
		endpoint: receiver.GRPCEndpoint(),
		seen:     seen,
		acks:     make(chan struct{}, 1<<16),
		up:       make(chan struct{}),
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
	t        *testing.T
	dir      string
	endpoint string
	seen     *sightings
	acks     chan struct{} // one per acknowledgement

	mu           sync.Mutex // guards what follows
	url          string     // of the child that is up, "" when it is down
	up           chan struct{}
	command      *exec.Cmd
	acknowledged []string
	unanswered   int
}

// launch starts the child and waits until it is ready.
func (c *crash) launch() {
	c.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+c.dir, endpointEnv+"="+c.endpoint)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = cmd.Wait()
		c.t.Fatalf("the sidecar did not start: %v", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.url, c.command = strings.TrimSpace(line), cmd
	close(c.up)
}

// down marks the child as gone, once, and returns it.
func (c *crash) down() *exec.Cmd {
	c.mu.Lock()
	defer c.mu.Unlock()
	cmd := c.command
	if cmd != nil {
		c.url, c.command, c.up = "", nil, make(chan struct{})
	}
	return cmd
}

func (c *crash) kill() {
	if cmd := c.down(); cmd != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	}
}

func (c *crash) terminate() {
	cmd := c.down()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		c.t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		c.t.Errorf("the sidecar ended with %v", err)
	}
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
	c.mu.Lock()
	url, up := c.url, c.up
	c.mu.Unlock()
	for url == "" {
		select {
		case <-up:
		case <-ctx.Done():
			return
		}
		c.mu.Lock()
		url, up = c.url, c.up
		c.mu.Unlock()
	}
	hooks.URL = url
	status, _, err := hooks.Post(ctx, e.body)
	c.mu.Lock()
	defer c.mu.Unlock()
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
	c.mu.Lock()
	acknowledged := slices.Clone(c.acknowledged)
	c.mu.Unlock()
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
