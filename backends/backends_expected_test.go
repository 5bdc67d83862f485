package backends

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// call is what a call must become: what "cdr2otel convert" prints for its webhook
// bodies, in a process of its own and without any back end.
type call struct {
	TraceID string
	Service string
	// Spans are the ids of its spans, in order.
	Spans []string
	// Root are the string attributes of its first span.
	Root map[string]string
}

// expectedCalls are what the calls in the bodies must become when all their
// message logs are there before assembly.
func expectedCalls(t testing.TB, bodies ...[]byte) []call {
	t.Helper()
	var calls []call
	for line := range bytes.Lines(convert(t, bodies...)) {
		calls = append(calls, readCall(t, line))
	}
	return calls
}

// convert returns the requests for the bodies, one a line, in OTLP/JSON.
func convert(t testing.TB, bodies ...[]byte) []byte {
	t.Helper()
	binary, err := buildExporter()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(scratch(t), "bodies.ndjson")
	if err := os.WriteFile(path, bytes.Join(bodies, []byte("\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, "convert", "--output", "otlp-json", path)
	cmd.Env = cleanEnvironment()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	requests, err := cmd.Output()
	if err != nil {
		t.Fatalf("convert: %v\n%s", err, stderr.Bytes())
	}
	return requests
}

// attributes of OTLP/JSON.
type attributes []struct {
	Key   string `json:"key"`
	Value struct {
		String string `json:"stringValue"`
	} `json:"value"`
}

func (a attributes) strings() map[string]string {
	texts := map[string]string{}
	for _, attribute := range a {
		texts[attribute.Key] = attribute.Value.String
	}
	return texts
}

// readCall decodes one request in OTLP/JSON.
func readCall(t testing.TB, line []byte) call {
	t.Helper()
	var request struct {
		ResourceSpans []struct {
			Resource struct {
				Attributes attributes `json:"attributes"`
			} `json:"resource"`
			ScopeSpans []struct {
				Spans []struct {
					TraceID    string     `json:"traceId"`
					SpanID     string     `json:"spanId"`
					Parent     string     `json:"parentSpanId"`
					Attributes attributes `json:"attributes"`
				} `json:"spans"`
			} `json:"scopeSpans"`
		} `json:"resourceSpans"`
	}
	if err := json.Unmarshal(line, &request); err != nil {
		t.Fatal(err)
	}
	var c call
	for _, resource := range request.ResourceSpans {
		c.Service = resource.Resource.Attributes.strings()["service.name"]
		for _, scope := range resource.ScopeSpans {
			for _, span := range scope.Spans {
				c.TraceID = span.TraceID
				c.Spans = append(c.Spans, span.SpanID)
				if span.Parent == "" {
					c.Root = span.Attributes.strings()
				}
			}
		}
	}
	slices.Sort(c.Spans)
	return c
}
