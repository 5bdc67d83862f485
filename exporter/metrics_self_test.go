package exporter_test

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"

	"cdr2otel/exporter"
	"cdr2otel/exporter/config"
	"cdr2otel/internal/otlptest"
)

func TestJoinsAndAssembliesAreCountedByTheirOutcome(t *testing.T) {
	t.Parallel()
	cfg := configuration(t.TempDir())
	cfg.Correlation.Grace = 0
	cfg.Correlation.Window = time.Millisecond
	s := start(t, cfg, exporter.Options{Getenv: environment(map[string]string{"OTEL_TRACES_EXPORTER": "none"})})
	call := recentCall(t, "dtmf_call")
	s.accepted(t, call[1])
	s.await(t, "wxa_exporter_message_joins_total", 1, "wxa_outcome=orphaned")
	s.accepted(t, call[0])
	s.await(t, "wxa_exporter_message_joins_total", 2, "wxa_outcome=missing")
	s.accepted(t, call[2])
	page := s.await(t, "wxa_exporter_message_joins_total", 1, "wxa_outcome=late")
	for reason, want := range map[string]float64{"window": 1, "grace": 1, "late": 1, "complete": 0} {
		if got := page.sum(t, "wxa_exporter_assemblies_total", "wxa_reason="+reason); got != want {
			t.Errorf("%v assemblies for reason %s, want %v", got, reason, want)
		}
	}
}

func TestTheGateSaysWhySendingIsHeld(t *testing.T) {
	t.Parallel()
	receiver := otlptest.New(t, otlptest.Options{Answer: func(int, *coltracepb.ExportTraceServiceRequest) otlptest.Answer {
		return otlptest.Answer{Code: codes.Unauthenticated}
	}})
	s := start(t, withSource(configuration(t.TempDir()), func(s *config.Source) { s.Messages = config.MessagesNone }), overriding(receiver, otlptest.ProtocolGRPC))
	if got := s.scrape(t).sum(t, "wxa_exporter_gate"); got != 0 {
		t.Errorf("the gate is %v before anything was sent, want 0 for every reason", got)
	}
	s.accepted(t, sample(t, "dtmf_call.cdr.json"))
	page := s.await(t, "wxa_exporter_gate", 1, "wxa_signal=traces", "wxa_reason=credentials")
	if got := page.sum(t, "wxa_exporter_gate"); got != 1 {
		t.Errorf("%v reasons at once", got)
	}
	if page.sum(t, "wxa_exporter_store_overdue_age_seconds") <= 0 {
		t.Error("what waits for the back end is not overdue")
	}
}

func TestReloadsAndCertificatesAreInTheMetrics(t *testing.T) {
	t.Parallel()
	cert, key, _ := certificate(t, t.TempDir())
	cfg := configuration(t.TempDir())
	cfg.Webhook.TLS.CertFile, cfg.Webhook.TLS.KeyFile = cert, key
	s := start(t, cfg, exporter.Options{Getenv: environment(map[string]string{"OTEL_TRACES_EXPORTER": "none"})})
	if err := s.Reload(as(cfg)); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(func() (config.Config, error) { return config.Config{}, io.ErrUnexpectedEOF }); err == nil {
		t.Error("a configuration that could not be read was applied")
	}
	page := s.scrape(t)
	for _, outcome := range []string{"applied", "refused"} {
		if got := page.sum(t, "wxa_exporter_config_reloads_total", "wxa_outcome="+outcome); got != 1 {
			t.Errorf("%v reloads were %s, want 1", got, outcome)
		}
	}
	end := time.Unix(int64(page.sum(t, "wxa_exporter_certificate_expiry_seconds", "wxa_listener=webhook")), 0)
	if end.Before(time.Now()) {
		t.Errorf("the certificate ends %v, want a time to come", end)
	}
}

// Accepted = pending + exported + dead + dropped + expired + forgotten.
func TestTheLedgerAddsUpInTheMetricsAcrossRestarts(t *testing.T) {
	t.Parallel()
	poison := otlptest.New(t, otlptest.Options{Answer: refusingTheFirst(otlptest.Answer{Code: codes.InvalidArgument})})
	cfg := configuration(t.TempDir())
	cfg.Correlation.Late = config.LateDrop
	s := start(t, cfg, overriding(poison, otlptest.ProtocolGRPC))
	long, short := recentCall(t, "speech_call"), recentCall(t, "dtmf_call")
	for _, body := range append(append([][]byte{}, long[:len(long)-1]...), short...) {
		s.accepted(t, body)
	}
	s.accepted(t, []byte(`{"event":{"name":"something_else"},"payload":{}}`))
	s.accepted(t, sample(t, "webchat_actions.message.json")) // waits for its chat to fall silent
	awaitRequests(t, poison, 1)
	s.accepted(t, sample(t, "failed_without_turns.cdr.json")) // goes through, so the short one is a dead letter
	s.awaitReadiness(t, func(_ int, r readiness) bool { return r.Events["dead"] == 5 && r.Events["exported"] == 1 })
	before := ledger(t, s)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}

	s = start(t, cfg, overriding(poison, otlptest.ProtocolGRPC))
	after := ledger(t, s)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the ledger changed with the restart:\n%s", diff)
	}
	s.accepted(t, sample(t, "webchat_conversational_search.message.json"))
	if got := ledger(t, s)["accepted"]; got != after["accepted"]+1 {
		t.Errorf("%v accepted after one more, want %v", got, after["accepted"]+1)
	}
}

// ledger reads the ledger from the metrics and checks that it adds up.
func ledger(t *testing.T, s *sidecar) map[string]float64 {
	t.Helper()
	page := s.scrape(t)
	states := map[string]float64{
		"pending": page.sum(t, "wxa_exporter_ledger_pending"),
		"dead":    page.sum(t, "wxa_exporter_ledger_dead"),
	}
	for _, state := range []string{"accepted", "exported", "dropped", "expired", "forgotten"} {
		states[state] = page.sum(t, "wxa_exporter_ledger_events_total", "wxa_state="+state)
	}
	sum := 0.0
	for state, n := range states {
		if state != "accepted" {
			sum += n
		}
	}
	if sum != states["accepted"] || sum == 0 {
		t.Errorf("the ledger does not add up: %v", fmt.Sprint(states))
	}
	return states
}
