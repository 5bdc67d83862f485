package exporter_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/goleak"

	"cdr2otel/exporter"
	"cdr2otel/internal/otlptest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		os.Exit(child(dir))
	}
	goleak.VerifyTestMain(m)
}

// The end-to-end scenarios are goldens of the mapping: what leaves over the wire
// must be what the mapping alone says.
var endToEnd = []struct {
	name     string
	scenario string
	bodies   []string
}{
	{"a keypad call with its messages", "a-keypad-call-with-its-messages", []string{
		"dtmf_call.message-1-start.json", "dtmf_call.message-2-dtmf.json", "dtmf_call.message-3-hangup.json", "dtmf_call.cdr.json",
	}},
}

func TestWebhooksInAnyOrderArriveAsTheGoldenTraceOverBothProtocols(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{otlptest.ProtocolGRPC, otlptest.ProtocolHTTP} {
		for _, scenario := range endToEnd {
			for n, order := range orders(scenario.bodies) {
				t.Run(protocol+"/"+scenario.name, func(t *testing.T) {
					t.Parallel()
					_ = n
					receiver := otlptest.New(t, otlptest.Options{})
					s := start(t, configuration(t.TempDir()), overriding(receiver, protocol))
					for _, name := range order {
						s.accepted(t, sample(t, name))
					}
					requests := awaitRequests(t, receiver, 1)
					if err := s.stop(); err != nil {
						t.Error(err)
					}
					if len(requests) != 1 {
						t.Fatalf("%d requests, want the whole call in one", len(requests))
					}
					if diff := cmp.Diff(golden(t, scenario.scenario), otlpJSON(t, requests[0].Body)); diff != "" {
						t.Errorf("posted as %v: %s", order, diff)
					}
				})
			}
		}
	}
}

// overriding points an exporter at the receiver, whatever the environment says.
func overriding(r *otlptest.Receiver, protocol string) exporter.Options {
	endpoint := r.GRPCEndpoint()
	if protocol == otlptest.ProtocolHTTP {
		endpoint = r.HTTPEndpoint()
	}
	return exporter.Options{Getenv: environment(map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
		"OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
	})}
}

// environment holds these variables and no others.
func environment(variables map[string]string) func(string) string {
	return func(name string) string { return variables[name] }
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
