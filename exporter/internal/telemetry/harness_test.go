package telemetry

import (
	"bytes"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.uber.org/goleak"

	"cdr2otel/mapping"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noon is the time in tests.
var noon = time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)

// env is an environment of a test's own.
type env map[string]string

func (e env) get(name string) string { return e[name] }

// setup starts the metrics of one source, without a push exporter unless the test
// asks for one.
func setup(t testing.TB, change func(*Config)) *Telemetry {
	t.Helper()
	cfg := Config{
		Version: "1.2.3",
		Getenv:  env{envExporter: "none"}.get,
		Sources: func() []SourceLabels { return []SourceLabels{{Name: "default"}} },
		Now:     func() time.Time { return noon },
	}
	if change != nil {
		change(&cfg)
	}
	telemetry, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := telemetry.Shutdown(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	return telemetry
}

// sample is a line of the exposition.
type sample struct {
	name     string
	labels   map[string]string
	value    float64
	exemplar map[string]string // nil: none
}

// exposition is what a scrape returns.
type exposition struct {
	contentType string
	text        string
	samples     []sample
	types, help map[string]string // by family, without OpenMetrics' cut of _total
}

const openMetrics = "application/openmetrics-text; version=1.0.0"

// scrape asks over HTTP, as Prometheus does.
func scrape(t testing.TB, telemetry *Telemetry, accept string) exposition {
	t.Helper()
	server := httptest.NewServer(telemetry.Handler())
	defer server.Close()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", accept)
	response, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s %v: %s", response.Status, err, body)
	}
	return parse(t, response.Header.Get("Content-Type"), string(body))
}

var (
	sampleLine = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[^"{}]|"(?:[^"\\]|\\.)*")*)\})? (\S+)(?: # \{(.*)\} (\S+)(?: \S+)?)?$`)
	labelPair  = regexp.MustCompile(`([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"`)
)

func parse(t testing.TB, contentType, text string) exposition {
	t.Helper()
	e := exposition{contentType: contentType, text: text, types: map[string]string{}, help: map[string]string{}}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if words := strings.SplitN(line, " ", 4); strings.HasPrefix(line, "# ") {
			if len(words) == 4 && words[1] == "TYPE" {
				e.types[words[2]] = words[3]
			}
			if len(words) == 4 && words[1] == "HELP" {
				e.help[words[2]] = words[3]
			}
			continue
		}
		m := sampleLine.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("not a line of an exposition: %s", line)
		}
		value, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		s := sample{name: m[1], labels: labelsOf(m[2]), value: value}
		if m[4] != "" {
			s.exemplar = labelsOf(m[4])
		}
		e.samples = append(e.samples, s)
	}
	return e
}

func labelsOf(text string) map[string]string {
	labels := map[string]string{}
	for _, m := range labelPair.FindAllStringSubmatch(text, -1) {
		labels[m[1]] = m[2]
	}
	return labels
}

// find returns the samples of a name that have these labels (name, value, …).
func (e exposition) find(name string, labels ...string) []sample {
	var found []sample
	for _, s := range e.samples {
		matches := s.name == name
		for i := 0; i < len(labels); i += 2 {
			matches = matches && s.labels[labels[i]] == labels[i+1]
		}
		if matches {
			found = append(found, s)
		}
	}
	return found
}

// value of the samples that find finds, summed; -1 when there is none.
func (e exposition) value(name string, labels ...string) float64 {
	found := e.find(name, labels...)
	if len(found) == 0 {
		return -1
	}
	sum := 0.0
	for _, s := range found {
		sum += s.value
	}
	return sum
}

// values that a label has in the samples of a name, sorted.
func (e exposition) values(name, label string) []string {
	seen := map[string]bool{}
	for _, s := range e.find(name) {
		if value := s.labels[label]; value != "" {
			seen[value] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// callBase are the base attributes of an inbound call.
func callBase(source, agent string) []attribute.KeyValue {
	b := []attribute.KeyValue{keySource.String(source), keyDirection.String("inbound")}
	if agent != "" {
		b = append(b, keyAgentID.String(agent))
	}
	return b
}

var (
	traceID = mapping.TraceID{0x4e, 0xae, 0x7c, 0x97, 0x61, 0x71, 0x3e, 0xd7, 0x77, 0xee, 0x4e, 0x95, 0x98, 0x57, 0x9f, 0xac}
	spanID  = mapping.SpanID{0x35, 0x6d, 0x6e, 0x49, 0xb4, 0x04, 0xee, 0x21}
)

// one is a single measurement of a call that just ended.
func one(metric string, value float64, base []attribute.KeyValue, attributes ...attribute.KeyValue) mapping.Measurements {
	return mapping.Measurements{TraceID: traceID, EndedAt: noon, Values: []mapping.Measurement{
		{Metric: metric, Value: value, Base: base, Attributes: attributes, SpanID: spanID},
	}}
}

// logs is a logger whose lines are kept.
type logs struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.Write(p)
}

func (l *logs) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.String()
}
