package exporter_test

import (
	"log/slog"
	"strings"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"cdr2otel/exporter"
	"cdr2otel/exporter/config"
	"cdr2otel/internal/otlptest"
)

const captureContent = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"

// conversed posts a telephone call with its keypad input and returns its spans and
// what was logged.
func conversed(t *testing.T, change func(*config.Config), env map[string]string) (spans []*tracepb.Span, log string) {
	t.Helper()
	receiver := otlptest.New(t, otlptest.Options{})
	cfg := configuration(t.TempDir())
	change(&cfg)
	variables := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.GRPCEndpoint(), "OTEL_EXPORTER_OTLP_PROTOCOL": otlptest.ProtocolGRPC}
	for name, value := range env {
		variables[name] = value
	}
	out := &buffer{}
	s := start(t, cfg, exporter.Options{Logger: slog.New(slog.NewTextHandler(out, nil)), Getenv: environment(variables)})
	for _, file := range []string{"message-1-start.json", "message-2-dtmf.json", "message-3-hangup.json", "cdr.json"} {
		s.accepted(t, sample(t, "dtmf_call."+file))
	}
	spans = awaitRequests(t, receiver, 1)[0].Spans()
	return spans, out.String()
}

// all is one attribute of all spans.
func all(spans []*tracepb.Span, key string) string {
	var values []string
	for _, span := range spans {
		if value := attribute(span, key); value != "" {
			values = append(values, value)
		}
	}
	return strings.Join(values, "\n")
}

func TestContentLeavesOnlyWhenTheConfigurationOrItsAliasSaysSo(t *testing.T) {
	t.Parallel()
	on := func(c *config.Config) { c.Mapping.Content = true }
	off := func(*config.Config) {}
	for name, c := range map[string]struct {
		change func(*config.Config)
		env    string
		leaves bool
	}{
		"default":            {off, "", false},
		"content":            {on, "", true},
		"alias":              {off, "true", true},
		"alias, its new way": {off, "SPAN_ONLY", true},
		"alias says no":      {off, "NO_CONTENT", false},
		"alias false":        {off, "false", false},
		"content, alias no":  {on, "false", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spans, _ := conversed(t, c.change, map[string]string{captureContent: c.env})
			user, assistant := all(spans, "gen_ai.input.messages"), all(spans, "gen_ai.output.messages")
			if got := strings.Contains(assistant, "Your balance is fifty dollars."); got != c.leaves {
				t.Errorf("the reply leaves: %t, want %t: %s", got, c.leaves, assistant)
			}
			if got := strings.Contains(user, "[dtmf:8]"); got != c.leaves {
				t.Errorf("the number of keys leaves: %t, want %t: %s", got, c.leaves, user)
			}
			if strings.Contains(user, "12345678") || strings.Contains(user, "vgw") {
				t.Errorf("keys or a synthetic input are shown as speech: %s", user)
			}
		})
	}
}

func TestAnAliasThatAsksForMoreThanSpansRefusesStart(t *testing.T) {
	t.Parallel()
	getenv := environment(map[string]string{captureContent: "EVENT_ONLY", "OTEL_TRACES_EXPORTER": "none"})
	_, err := exporter.New(t.Context(), configuration(t.TempDir()), exporter.Options{Getenv: getenv})
	for _, err := range []error{err, exporter.CheckEnvironment(getenv).Problems.Err()} {
		if err == nil || !strings.Contains(err.Error(), captureContent) {
			t.Errorf("error is %v, want one that names the variable", err)
		}
	}
}

func TestKeysLeaveOnlyWhenOptedInAndTheStartWarnsOfThem(t *testing.T) {
	t.Parallel()
	const warning = "card numbers and PINs"
	spans, log := conversed(t, func(c *config.Config) { c.Mapping.Content, c.Mapping.DTMFDigits = true, true }, nil)
	if user := all(spans, "gen_ai.input.messages"); !strings.Contains(user, "12345678") {
		t.Errorf("the keys did not leave: %s", user)
	}
	if !strings.Contains(log, warning) {
		t.Errorf("nothing warned of it:\n%s", log)
	}
	spans, log = conversed(t, func(c *config.Config) { c.Mapping.DTMFDigits = true }, nil)
	if user := all(spans, "gen_ai.input.messages"); user != "" || strings.Contains(log, warning) || !strings.Contains(log, "does nothing without mapping.content") {
		t.Errorf("without content there is %q, and the log is\n%s", user, log)
	}
}

func TestRulesRedactWhatLeavesInTheirOrder(t *testing.T) {
	t.Parallel()
	spans, _ := conversed(t, func(c *config.Config) {
		c.Mapping.Content = true
		c.Mapping.Redact = []config.Redaction{{Pattern: `fifty (\w+)`, Replace: "many $1"}, {Pattern: "many", Replace: "[amount]"}, {Pattern: "Watson", Replace: "[vendor]"}}
	}, nil)
	if got := all(spans, "gen_ai.output.messages"); !strings.Contains(got, "Your balance is [amount] dollars.") {
		t.Errorf("the reply is %s", got)
	}
	for _, span := range spans {
		if strings.Contains(span.String(), "Watson ") {
			t.Errorf("%s says what a rule replaces: %s", span.Name, span)
		}
	}
}

func TestARuleThatIsNoPatternRefusesStartAndReload(t *testing.T) {
	t.Parallel()
	cfg := configuration(t.TempDir())
	cfg.Mapping.Redact = []config.Redaction{{Pattern: "right"}, {Pattern: "wrong("}}
	off := exporter.Options{Getenv: environment(map[string]string{"OTEL_TRACES_EXPORTER": "none"})}
	_, err := exporter.New(t.Context(), cfg, off)
	s := start(t, configuration(t.TempDir()), off)
	for _, err := range []error{err, s.Reload(func() (config.Config, error) { return cfg, nil })} {
		if err == nil || !strings.Contains(err.Error(), "mapping.redact[1].pattern") {
			t.Errorf("error is %v, want one that names mapping.redact[1].pattern", err)
		}
	}
}
