package exporter_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"cdr2otel/exporter/config"
	"cdr2otel/exporter/internal/receiver"
	"cdr2otel/internal/client"
	"cdr2otel/internal/otlptest"
	"cdr2otel/internal/pace"
)

const (
	// callersPerSecond is the synchronous webhooks a second.
	callersPerSecond = 500
	// passThroughBound is how much longer than those of a bare echo the 99th percentile
	// and the median of their answers may be, and passThroughFloor what they may be in
	// any case: an idle machine's timers and scheduler are no more exact.
	passThroughBound = 3
	passThroughFloor = 2 * time.Millisecond
	// passThroughRounds are tried before noise is taken for slowness.
	passThroughRounds = 3
)

// callers posts synchronous webhooks to a sidecar, and as many to a bare echo: what
// else the machine does then happens to both.
type callers struct {
	sidecar, echo *pace.Subject
}

func newCallers(t testing.TB, s *sidecar) *callers {
	t.Helper()
	bodies := [][]byte{sample(t, "message_received.json"), sample(t, "message_processed.json")}
	subject := func(name string, hooks *client.Client) *pace.Subject {
		return &pace.Subject{Name: name, Request: func(n int) error {
			status, _, err := hooks.Post(context.Background(), bodies[n%len(bodies)])
			if err == nil && status != http.StatusOK {
				err = fmt.Errorf("answer %d", status)
			}
			return err
		}}
	}
	c := &callers{
		sidecar: subject("the sidecar", &client.Client{URL: s.URL, Secret: secret, HTTPClient: newHTTPClient(t)}),
		echo:    subject("the echo", &client.Client{URL: startEcho(t), Secret: secret, HTTPClient: newHTTPClient(t)}),
	}
	c.measure(t, 200*time.Millisecond) // opens the connections
	return c
}

func newHTTPClient(t testing.TB) *http.Client {
	transport := newTransport()
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

// startEcho serves the least that a pass-through webhook can do, on the same kind
// of server, and returns its URL.
func startEcho(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := receiver.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return // its client gets no answer
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	}), receiver.ServerLimits{}, nil)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Close()
		<-served
	})
	return "http://" + listener.Addr().String() + "/webhook/" + config.DefaultSource
}

// measure fails the test unless every answer is 200.
func (c *callers) measure(t testing.TB, d time.Duration) {
	t.Helper()
	var measuring sync.WaitGroup
	for _, s := range []*pace.Subject{c.sidecar, c.echo} {
		s.Reset()
		measuring.Go(func() { s.Measure(d, callersPerSecond) })
	}
	measuring.Wait()
	for _, s := range []*pace.Subject{c.sidecar, c.echo} {
		if err := s.Err(); err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
	}
}

// wantQuick fails the test unless callers wait hardly longer than for an echo.
func (c *callers) wantQuick(t testing.TB, while string) {
	t.Helper()
	for range passThroughRounds {
		c.measure(t, 3*time.Second)
		got, bare := c.sidecar.Percentile(99), c.echo.Percentile(99)
		t.Logf("%s: %d answers, 50th percentile %v, of the echo %v; 99th percentile %v, of the echo %v: %.2f times",
			while, c.sidecar.Count(), c.sidecar.Percentile(50), c.echo.Percentile(50), got, bare, float64(got)/float64(bare))
		// The median too: what is slow each time shows there however noisy the rest is.
		slow := got > max(passThroughBound*bare, passThroughFloor) ||
			c.sidecar.Percentile(50) > max(passThroughBound*c.echo.Percentile(50), passThroughFloor)
		if raceEnabled || !slow { // the race detector makes time a matter of its own
			return
		}
	}
	t.Errorf("%s: slower than %d times the echo and than %v in each of %d rounds", while, passThroughBound, passThroughFloor, passThroughRounds)
}

// The store takes no webhook any more: what is pending fills it.
func TestWhileTheStoreIsFullCallersAreAnswered(t *testing.T) {
	if testing.Short() {
		t.Skip("takes several seconds: run without -short")
	}
	collector := otlptest.New(t, otlptest.Options{Discard: true})
	collector.SetDown(true)
	cfg := configuration(t.TempDir())
	cfg.Store.MaxSize = 6 * config.MiB
	s := start(t, cfg, overriding(collector, otlptest.ProtocolGRPC))
	f := &filling{t: t, sidecar: s, retryAfter: map[time.Duration]int{}}
	f.postUntilRefused(20)
	newCallers(t, s).wantQuick(t, "while the store is full")
	// Retention may have made room for a few meanwhile.
	for n := 0; ; n++ {
		status, _, err := s.Post(t.Context(), []byte(hook(fmt.Sprint("full ", n))))
		if err == nil && status == http.StatusServiceUnavailable {
			return
		}
		if err != nil || status != http.StatusOK || n == 10_000 {
			t.Fatalf("webhook %d for the full store: status %d, error %v", n, status, err)
		}
	}
}
