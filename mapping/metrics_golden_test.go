package mapping_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	otelattribute "go.opentelemetry.io/otel/attribute"

	"cdr2otel/mapping"
)

// goldenValue is one line of want.metrics.json.
type goldenValue struct {
	Metric     string         `json:"metric"`
	Value      float64        `json:"value"`
	Span       string         `json:"span,omitempty"`
	Attributes map[string]any `json:"attributes"`
}

// goldenSubject heads the lines of a call or of a message.
type goldenSubject struct {
	File    string         `json:"file"`
	TraceID string         `json:"trace_id"`
	EndedAt string         `json:"ended_at"`
	Joins   *mapping.Joins `json:"joins,omitempty"`
}

// metricsOf writes what a scenario contributes: its call, and each message when it
// is accepted.
func (s *scenario) metricsOf(t *testing.T) []byte {
	t.Helper()
	traces := s.traces(t)
	spans := spanNames(traces)
	var calls, messages []string
	for _, trace := range traces {
		if len(trace.Measured.Values) > 0 {
			calls = append(calls, element(t, "cdr.json", trace.Measured, &trace.Joins, spans))
		}
	}
	for _, pattern := range []string{"chat-*.json", "message-*.json", "late-*.json"} {
		names, err := filepath.Glob(filepath.Join(s.dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for i, message := range s.messages(t, pattern) {
			live := s.mapper.Message(message, s.config.Headers)
			messages = append(messages, element(t, filepath.Base(names[i]), live, nil, spans))
		}
	}
	return fmt.Appendf(nil, "{\n  \"calls\": [%s],\n  \"messages\": [%s]\n}\n",
		strings.Join(calls, ", "), strings.Join(messages, ", "))
}

// element is a head, then one line for each value, sorted.
func element(t *testing.T, file string, measured mapping.Measurements, joins *mapping.Joins, spans map[mapping.SpanID]string) string {
	t.Helper()
	head := goldenSubject{File: file, TraceID: measured.TraceID.String(), Joins: joins}
	if !measured.EndedAt.IsZero() {
		head.EndedAt = measured.EndedAt.Format(time.RFC3339Nano)
	}
	var lines []string
	for _, value := range measured.Values {
		line := goldenValue{Metric: value.Metric, Value: value.Value, Attributes: attributesOf(value)}
		if !value.SpanID.IsZero() {
			line.Span = value.SpanID.String() + " (predicted)"
			if name, exported := spans[value.SpanID]; exported {
				line.Span = name
			}
		}
		lines = append(lines, compact(t, line))
	}
	slices.Sort(lines)
	return fmt.Sprintf("%s,\n    \"values\": [\n      %s\n    ]\n  }",
		strings.TrimSuffix(compact(t, head), "}"), strings.Join(lines, ",\n      "))
}

func compact(t *testing.T, value any) string {
	t.Helper()
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out.String())
}

// attributesOf merges what a value shares with others and what it has alone.
func attributesOf(value mapping.Measurement) map[string]any {
	attributes := make(map[string]any, len(value.Base)+len(value.Attributes))
	for _, list := range [][]otelattribute.KeyValue{value.Base, value.Attributes} {
		for _, kv := range list {
			attributes[string(kv.Key)] = kv.Value.AsInterface()
		}
	}
	return attributes
}

// spanNames says where each span hangs: the names from the root on, a turn with
// its number, a further one of the same name with its place.
func spanNames(traces []*mapping.Trace) map[mapping.SpanID]string {
	names := make(map[mapping.SpanID]string)
	taken := make(map[string]int)
	for _, trace := range traces {
		for _, span := range spansOf(trace) {
			name := span.GetName()
			if number := attribute(span, "wxa.turn.number"); number != nil {
				name = fmt.Sprintf("%s #%v", name, number)
			}
			if parent := span.GetParentSpanId(); len(parent) > 0 {
				name = names[mapping.SpanID(parent)] + " / " + name
			}
			if taken[name]++; taken[name] > 1 {
				name = fmt.Sprintf("%s #%d", name, taken[name])
			}
			names[mapping.SpanID(span.GetSpanId())] = name
		}
	}
	return names
}

func TestEachScenarioContributesItsMetrics(t *testing.T) {
	t.Parallel()
	for _, dir := range scenarios(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			got := loadScenario(t, dir).metricsOf(t)
			if !json.Valid(got) {
				t.Fatalf("the golden is no JSON:\n%s", got)
			}
			golden := filepath.Join(dir, "want.metrics.json")
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
