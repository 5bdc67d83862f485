package exporter_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/config/configopaque"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"

	"cdr2otel/exporter"
	"cdr2otel/exporter/config"
	"cdr2otel/internal/client"
	"cdr2otel/internal/otlptest"
)

const secret = configopaque.String("purple unicorn")

// configuration is the default one on loopback ports of the system's choice,
// with its store in dir.
func configuration(dir string) config.Config {
	cfg := config.Default()
	source := cfg.Sources[config.DefaultSource]
	source.Auth.JWT.SecretEnvs = nil
	source.Auth.JWT.Secrets = []configopaque.String{secret}
	cfg.Sources[config.DefaultSource] = source
	cfg.Webhook.Endpoint = "127.0.0.1:0"
	cfg.Health.Endpoint = "127.0.0.1:0"
	cfg.Admin.Endpoint = "127.0.0.1:0"
	cfg.Store.URL = "sqlite:" + filepath.Join(dir, "store.db")
	return cfg
}

// sidecar is a running exporter and a client that posts to its default source.
type sidecar struct {
	*exporter.Exporter
	*client.Client
	cancel context.CancelFunc // begins the shutdown
	stop   func() error       // ends the sidecar and says how it ended
}

// start runs an exporter until the test ends or stop is called.
func start(t testing.TB, cfg config.Config, opts exporter.Options) *sidecar {
	t.Helper()
	if opts.Logger == nil && os.Getenv("CDR2OTEL_TEST_LOG") != "" {
		opts.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	e, err := exporter.New(t.Context(), cfg, opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	<-e.Started()
	transport := newTransport()
	stopped := false
	s := &sidecar{Exporter: e, cancel: cancel, Client: &client.Client{
		URL:        e.WebhookURL(config.DefaultSource),
		Secret:     secret,
		HTTPClient: &http.Client{Transport: transport, Timeout: 30 * time.Second},
	}}
	s.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		transport.CloseIdleConnections()
		cancel()
		return <-ended
	}
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Errorf("the exporter ended with: %v", err)
		}
	})
	return s
}

// newTransport keeps as many connections as posters use.
func newTransport() *http.Transport {
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		MaxIdleConnsPerHost: 256,
	}
}

// accepted posts a body and fails the test unless it is acknowledged.
func (s *sidecar) accepted(t testing.TB, body []byte) {
	t.Helper()
	status, _, err := s.Post(t.Context(), body)
	if err != nil || status != http.StatusOK {
		t.Fatalf("post: status %d, error %v", status, err)
	}
}

// awaitRequests returns once the receiver has n accepted requests.
func awaitRequests(t testing.TB, r *otlptest.Receiver, n int) []otlptest.Request {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	enough := func(rs []otlptest.Request) bool { return len(rs) >= n }
	if err := r.Wait(ctx, enough); err != nil {
		t.Fatalf("waiting for %d requests, there are %d: %v", n, r.Count(), err)
	}
	return r.Requests()
}

// refusingTheFirst answers so to the first trace that comes, and accepts others: a refusal
// ends a call only once another one went through.
func refusingTheFirst(a otlptest.Answer) otlptest.AnswerFunc {
	var mu sync.Mutex
	var first []byte
	return func(_ int, q *coltracepb.ExportTraceServiceRequest) otlptest.Answer {
		spans := (otlptest.Request{Traces: q}).Spans()
		if len(spans) == 0 {
			return otlptest.Answer{}
		}
		mu.Lock()
		defer mu.Unlock()
		if first == nil {
			first = spans[0].GetTraceId()
		}
		if bytes.Equal(first, spans[0].GetTraceId()) {
			return a
		}
		return otlptest.Answer{}
	}
}

// sample reads a webhook body from the examples.
func sample(t testing.TB, name string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("..", "examples", "webhooks", name))
	if err != nil {
		t.Fatal(err)
	}
	return body
}
