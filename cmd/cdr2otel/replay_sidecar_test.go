package main

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"go.opentelemetry.io/collector/config/configopaque"

	"cdr2otel/exporter"
	"cdr2otel/exporter/config"
	"cdr2otel/internal/otlptest"
	"cdr2otel/internal/sample"
)

// startSidecar runs the real one, with a source for each kind of authentication.
func startSidecar(t *testing.T) (*exporter.Exporter, *otlptest.Receiver) {
	t.Helper()
	receiver := otlptest.New(t, otlptest.Options{})
	cfg := config.Default()
	secrets := []configopaque.String{"purple unicorn"}
	auth := func(a config.Auth) config.Source {
		source := cfg.Sources[config.DefaultSource]
		source.Auth = a
		return source
	}
	jwt := *cfg.Sources[config.DefaultSource].Auth.JWT
	jwt.SecretEnvs, jwt.Secrets = nil, secrets
	cfg.Sources = map[string]config.Source{
		config.DefaultSource: auth(config.Auth{JWT: &jwt}),
		"header":             auth(config.Auth{Header: &config.Header{Name: "X-Key", Values: secrets}}),
		"basic":              auth(config.Auth{Basic: &config.Basic{Username: "ibm", Passwords: secrets}}),
	}
	cfg.Webhook.Endpoint, cfg.Health.Endpoint, cfg.Admin.Endpoint = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	cfg.Store.URL = "sqlite:" + filepath.Join(t.TempDir(), "store.db")
	sidecar, err := exporter.New(t.Context(), cfg, exporter.Options{
		Logger: slog.New(slog.DiscardHandler),
		Getenv: func(name string) string {
			return map[string]string{
				"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.GRPCEndpoint(),
				"OTEL_EXPORTER_OTLP_PROTOCOL": otlptest.ProtocolGRPC,
				"OTEL_METRICS_EXPORTER":       "none",
			}[name]
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- sidecar.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	<-sidecar.Started()
	return sidecar, receiver
}

// sampleLines are the bodies of the demo's calls, each on one line.
func sampleLines(t *testing.T) []string {
	t.Helper()
	raw, err := sample.Demo(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	all := make([]string, len(raw))
	for i, body := range raw {
		value := jsontext.Value(body)
		if err := value.Compact(); err != nil {
			t.Fatal(err)
		}
		all[i] = string(value)
	}
	return all
}

// command runs cdr2otel in this process.
func command(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	code = run(args, strings.NewReader(stdin), &out, &errOut)
	return code, out.String(), errOut.String()
}

func TestReplayingTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	sidecar, receiver := startSidecar(t)
	bodies := sampleLines(t)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("purple unicorn\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	replay := func(source string, flags ...string) {
		t.Helper()
		args := append([]string{"replay", "--to", sidecar.WebhookURL(source), "--secret-file", secret, "--state", filepath.Join(t.TempDir(), "state")}, flags...)
		code, stdout, stderr := command(t, strings.Join(bodies, "\n"), append(args, "-")...)
		if code != exitOK || stderr != "" || !strings.HasPrefix(stdout, "11 bodies acknowledged in ") {
			t.Errorf("code %d\n%s%s", code, stdout, stderr)
		}
	}
	replay(config.DefaultSource)
	if err := awaitDelivery(t.Context(), sidecar, 11, math.MaxInt); err != nil {
		t.Fatal(err)
	}
	before, spans := events(t, sidecar), len(receiver.Spans())
	if spans != 32 {
		t.Errorf("%d spans, want 32", spans)
	}
	replay(config.DefaultSource)
	replay(config.DefaultSource, "--concurrency", "1")
	if after := events(t, sidecar); !maps.Equal(before, after) || len(receiver.Spans()) != spans {
		t.Errorf("events were %v and are %v; %d spans", before, after, len(receiver.Spans()))
	}

	replay("header", "--header", "X-Key")
	replay("basic", "--user", "ibm")
	if err := awaitDelivery(t.Context(), sidecar, 33, math.MaxInt); err != nil {
		t.Fatal(err)
	}
}

func events(t *testing.T, sidecar *exporter.Exporter) map[string]int64 {
	t.Helper()
	now, err := askReadiness(t.Context(), sidecar.HealthAddr())
	if err != nil {
		t.Fatal(err)
	}
	return now.Events
}

func TestASidecarThatRefusesIsUnderstood(t *testing.T) {
	t.Parallel()
	sidecar, receiver := startSidecar(t)
	r := newReplaying(t, sidecar.WebhookURL(config.DefaultSource), 4)
	bodies := slices.Insert(sampleLines(t), 3, `{"event":{}}`)
	r.fails(t, bodies, "1 body refused")
	if want := `refused: 400 Bad Request: 1 body, first at stdin line 4 (byte `; !strings.HasPrefix(r.errOut.String(), want) || !strings.Contains(r.errOut.String(), `, "no event name: `) {
		t.Errorf("said %s", r.errOut.String())
	}
	if err := awaitDelivery(t.Context(), sidecar, 11, math.MaxInt); err != nil {
		t.Error(err)
	}
	if n := len(receiver.Spans()); n != 32 {
		t.Errorf("%d spans, want 32", n)
	}
	unknown := newReplaying(t, sidecar.WebhookURL("nobody"), 4)
	unknown.fails(t, bodies, "404 Not Found; nothing was acknowledged")
	basic := newReplaying(t, sidecar.WebhookURL("basic"), 4)
	basic.fails(t, bodies, "401 Unauthorized; nothing was acknowledged")
}
