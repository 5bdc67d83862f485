package exporter_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/goleak"

	"cdr2otel/exporter"
	"cdr2otel/exporter/config"
	"cdr2otel/internal/otlptest"
	"cdr2otel/internal/schematest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		os.Exit(child(dir))
	}
	goleak.VerifyTestMain(m)
}

// version is that of the goldens' instrumentation scope.
const version = "1.2.3"

func TestWebhooksInAnyOrderArriveAsTheGoldenTraceOverBothProtocols(t *testing.T) {
	t.Parallel()
	const scenario = "a-caller-uses-the-keypad-and-barges-in"
	for _, protocol := range []string{otlptest.ProtocolGRPC, otlptest.ProtocolHTTP} {
		for _, order := range orders(bodiesOf(t, scenario)) {
			t.Run(protocol+" "+strings.Join(order, " "), func(t *testing.T) {
				t.Parallel()
				receiver := otlptest.New(t, otlptest.Options{})
				s := start(t, configuration(t.TempDir()), overriding(receiver, protocol))
				for _, name := range order {
					s.accepted(t, scenarioFile(t, scenario, name))
				}
				requests := awaitRequests(t, receiver, 1)
				if err := s.stop(); err != nil {
					t.Error(err)
				}
				if len(requests) != 1 {
					t.Fatalf("%d requests, want the whole call in one", len(requests))
				}
				if diff := cmp.Diff(golden(t, scenario), otlpJSON(t, requests[0].Body)); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// What leaves over the wire must be what the mapping alone says, for every golden
// that a default configuration and one call can give.
func TestEveryGoldenCallLeavesOverTheWireAsTheMappingMadeIt(t *testing.T) {
	t.Parallel()
	everyGolden(t, func(t *testing.T) config.Config { return configuration(t.TempDir()) })
}

func TestEveryGoldenCallLeavesADatabaseThatReplicasShareAsTheMappingMadeIt(t *testing.T) {
	schematest.Need(t)
	t.Parallel()
	everyGolden(t, func(t *testing.T) config.Config {
		cfg := configuration(t.TempDir())
		cfg.Store.URL, _ = schematest.New(t)
		return cfg
	})
}

func everyGolden(t *testing.T, configured func(*testing.T) config.Config) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join("..", "mapping", "testdata", "*", "cdr.json"))
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, file := range all {
		scenario := filepath.Base(filepath.Dir(file))
		bodies := bodiesOf(t, scenario)
		if !slices.Contains(bodies, "cdr.json") || slices.Contains(notOverTheWire, scenario) {
			continue
		}
		tried++
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			receiver := otlptest.New(t, otlptest.Options{})
			opts := overriding(receiver, otlptest.ProtocolGRPC)
			// A record without any instant ends when it was received.
			received := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			opts.Now = func() time.Time { return received }
			cfg := configured(t)
			cfg.Correlation.Grace = 0
			s := start(t, cfg, opts)
			for _, name := range slices.Backward(bodies) { // the CDR last
				s.accepted(t, scenarioFile(t, scenario, name))
			}
			requests := awaitRequests(t, receiver, 1)
			if diff := cmp.Diff(golden(t, scenario), otlpJSON(t, requests[0].Body)); diff != "" {
				t.Error(diff)
			}
		})
	}
	if tried < 16 {
		t.Errorf("only %d scenarios went over the wire", tried)
	}
}

// notOverTheWire are goldens that the store has a say in before they are mapped.
var notOverTheWire = []string{
	"a-message-is-delivered-twice", // the second content is a dead letter
	"everything-is-null",           // a message without any id joins no call
}

// bodiesOf names the webhook bodies of a golden, cdr.json first; nil when the
// scenario has files of another kind.
func bodiesOf(t testing.TB, scenario string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join("..", "mapping", "testdata", scenario))
	if err != nil {
		t.Fatal(err)
	}
	var bodies []string
	for _, e := range entries {
		switch name := e.Name(); {
		case name == "cdr.json", strings.HasPrefix(name, "message-"):
			bodies = append(bodies, name)
		case !strings.HasPrefix(name, "want."):
			return nil
		}
	}
	return bodies
}

func scenarioFile(t testing.TB, scenario, name string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("..", "mapping", "testdata", scenario, name))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// overriding points an exporter at the receiver, whatever the environment says.
func overriding(r *otlptest.Receiver, protocol string) exporter.Options {
	endpoint := r.GRPCEndpoint()
	if protocol == otlptest.ProtocolHTTP {
		endpoint = r.HTTPEndpoint()
	}
	return exporter.Options{Version: version, Getenv: environment(map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
		"OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
	})}
}

// environment holds these variables and no others, except that metrics are not
// sent: a test that wants them says so.
func environment(variables map[string]string) func(string) string {
	return func(name string) string {
		if value, ok := variables[name]; ok || name != "OTEL_METRICS_EXPORTER" {
			return value
		}
		return "none"
	}
}

// orders returns every permutation of names.
func orders(names []string) [][]string {
	if len(names) <= 1 {
		return [][]string{names}
	}
	var all [][]string
	for i := range names {
		rest := append(append([]string{}, names[:i]...), names[i+1:]...)
		for _, o := range orders(rest) {
			all = append(all, append([]string{names[i]}, o...))
		}
	}
	return all
}

// golden is what the mapping's golden test expects of a scenario.
func golden(t testing.TB, scenario string) string {
	t.Helper()
	want, err := os.ReadFile(filepath.Join("..", "mapping", "testdata", scenario, "want.otlp.json"))
	if err != nil {
		t.Fatal(err)
	}
	traces, err := (&ptrace.JSONUnmarshaler{}).UnmarshalTraces(want)
	if err != nil {
		t.Fatal(err)
	}
	return marshalJSON(t, traces)
}

func otlpJSON(t testing.TB, request []byte) string {
	t.Helper()
	traces, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(request)
	if err != nil {
		t.Fatal(err)
	}
	return marshalJSON(t, traces)
}

func marshalJSON(t testing.TB, traces ptrace.Traces) string {
	t.Helper()
	out, err := (&ptrace.JSONMarshaler{}).MarshalTraces(traces)
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes.ReplaceAll(out, []byte(`,"`), []byte(",\n\"")))
}
