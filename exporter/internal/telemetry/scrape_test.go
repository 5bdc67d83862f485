package telemetry

import (
	"context"
	"encoding/hex"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"

	"cdr2otel/mapping"
)

// everything records a value of each metric, with a value of each attribute.
func everything(t testing.TB, telemetry *Telemetry) {
	t.Helper()
	telemetry.Observe(func(context.Context) (Snapshot, error) {
		return Snapshot{
			Ledger:     map[string]map[string]int64{"default": {"accepted": 10, "exported": 6, "pending": 3, "dead": 1}},
			StoreUsage: 4096, StoreLimit: 1 << 30, Overdue: 90 * time.Second, OpenCalls: map[string]int64{"default": 2}, OpenCallsAge: time.Minute,
			Gates:             map[string]string{"traces": "credentials"},
			CertificateExpiry: map[string]time.Time{"webhook": noon, "admin": noon},
		}, nil
	})
	for _, i := range instruments() {
		if !i.call {
			continue
		}
		base := append(callBase("default", "a1"), keyEnvironment.String("live"), keyAgentName.String("bot"))
		var attributes []attribute.KeyValue
		for _, a := range i.attributes {
			attributes = append(attributes, attribute.KeyValue{Key: a.key, Value: a.example()})
		}
		telemetry.Call("default", one(i.name, 1, base, attributes...))
	}
	telemetry.Request(Request{Method: "POST", Route: "/webhook/{source}", Scheme: "https", Status: 503, Duration: time.Millisecond,
		Source: "default", EventName: "cdr_logged", Outcome: "refused"})
	telemetry.Assembled("default", "complete")
	telemetry.Joins("default", mapping.Joins{Joined: 3, Unnamed: 2, Missing: 1, Gaps: 4})
	telemetry.Late("default", 5)
	telemetry.Orphaned("default", 6)
	telemetry.Anomalies("default", map[string]int{"clamped": 2})
	telemetry.CDRArrived("default", 3*time.Second)
	telemetry.Delivered("traces", 31, 1, 20*time.Millisecond)
	telemetry.Delivered("logs", 5, 2, 40*time.Millisecond)
	telemetry.Observed("default", true)
	telemetry.Observed("default", true)
	telemetry.Observed("default", false)
	telemetry.Reloaded(true)
	telemetry.Reloaded(false)
	old := one(mapping.MetricCalls, 1, callBase("default", ""))
	old.EndedAt = noon.Add(-time.Hour)
	telemetry.Call("default", old)
}

// example is a value that the attribute may have.
func (a *attr) example() attribute.Value {
	switch {
	case len(a.values) > 0:
		return a.parse(a.values[0])
	case a.values != nil:
		return attribute.StringValue(other)
	case a.typ == attribute.INT64:
		return a.parse("200")
	case strings.HasPrefix(a.bound, "`CWS"):
		return attribute.StringValue("CWSMR0033W")
	case strings.HasPrefix(a.bound, "`call_failed`"):
		return attribute.StringValue("call_failed")
	case strings.HasPrefix(a.bound, "a status"):
		return attribute.StringValue("500")
	}
	return attribute.StringValue("example")
}

func whole(c *Config) {
	c.MaxAge = 15 * time.Minute
	c.SpanExporter, c.LogExporter = "otlp_grpc_span_exporter", "otlp_http_log_exporter"
	c.Sources = func() []SourceLabels {
		return []SourceLabels{{Name: "default", Environments: []string{"live"}, Agents: []AgentLabels{{ID: "a1", Name: "bot"}}}}
	}
}

func TestAScrapeShowsEveryInstrumentAsTheTableSays(t *testing.T) {
	t.Parallel()
	telemetry := setup(t, whole)
	everything(t, telemetry)
	for _, accept := range []string{"text/plain", openMetrics} {
		e := scrape(t, telemetry, accept)
		if want := strings.Split(accept, ";")[0]; !strings.HasPrefix(e.contentType, want) {
			t.Errorf("content type %q, want %s", e.contentType, want)
		}
		for _, i := range instruments() {
			shown(t, e, i, accept == openMetrics)
		}
	}
}

// shown compares the exposition with a row of the table.
func shown(t *testing.T, e exposition, i instrument, cut bool) {
	t.Helper()
	family, kindName := i.prometheus, map[kind]string{counter: "counter", histogram: "histogram", total: "counter", gauge: "gauge"}[i.kind]
	if cut { // OpenMetrics names the family without the suffix of its samples
		family = strings.TrimSuffix(family, "_total")
	}
	if got := e.types[family]; got != kindName {
		t.Errorf("%s is a %q, want %s", family, got, kindName)
	}
	if got := e.help[family]; got != i.description {
		t.Errorf("%s: help %q, want %q", family, got, i.description)
	}
	if i.unit == "s" && !strings.HasSuffix(strings.TrimSuffix(i.prometheus, "_total"), "_seconds") ||
		i.unit == "By" && !strings.HasSuffix(i.prometheus, "_bytes") {
		t.Errorf("%s does not name its unit, %s", i.prometheus, i.unit)
	}
	name := i.prometheus
	if i.kind == histogram {
		name += "_bucket"
		if diff := cmp.Diff(edges(i.buckets), e.edges(name)); diff != "" {
			t.Errorf("%s: buckets:\n%s", name, diff)
		}
	}
	found := e.find(name)
	if len(found) == 0 {
		t.Errorf("no sample of %s", name)
		return
	}
	allowed := map[string]bool{"le": i.kind == histogram}
	attributes := slices.Clone(i.attributes)
	if i.call {
		attributes = append(attributes, baseAttributes()...)
	}
	for _, a := range attributes {
		label := strings.ReplaceAll(string(a.key), ".", "_")
		allowed[label] = true
		if len(e.values(name, label)) == 0 {
			t.Errorf("%s never has the label %s", name, label)
		}
	}
	for _, s := range found {
		for label := range s.labels {
			if !allowed[label] {
				t.Errorf("%s has the label %s, which the table lacks", name, label)
			}
		}
	}
}

func edges(buckets []float64) []float64 { return append(slices.Clone(buckets), math.Inf(1)) }

// edges of the buckets of a histogram's first series, in order.
func (e exposition) edges(name string) []float64 {
	var all []float64
	for _, s := range e.find(name) {
		edge, err := strconv.ParseFloat(s.labels["le"], 64)
		if err != nil || slices.Contains(all, edge) {
			break
		}
		all = append(all, edge)
	}
	return all
}

func TestAScrapeShowsNothingElse(t *testing.T) {
	t.Parallel()
	telemetry := setup(t, whole)
	everything(t, telemetry)
	known := map[string]bool{"target_info": true}
	for _, i := range instruments() {
		known[i.prometheus] = true
	}
	for family := range scrape(t, telemetry, "text/plain").types {
		if !known[family] && !strings.HasPrefix(family, "go_") && !strings.HasPrefix(family, "process_") {
			t.Errorf("%s is not in the table", family)
		}
	}
}

func TestTargetInfoIsThisProcessWhateverTheObservedServiceIsCalled(t *testing.T) {
	t.Parallel()
	telemetry := setup(t, func(c *Config) {
		c.Getenv = env{
			envExporter: "none", "OTEL_SERVICE_NAME": "voice-bot",
			"OTEL_RESOURCE_ATTRIBUTES": "service.name=voice-bot,service.instance.id=pod-1,team=voice%20ops",
		}.get
	})
	info := scrape(t, telemetry, "text/plain").find("target_info")
	want := map[string]string{
		"service_name": "cdr2otel", "service_version": "1.2.3", "service_instance_id": "pod-1", "team": "voice ops",
	}
	if len(info) != 1 || cmp.Diff(want, info[0].labels) != "" {
		t.Errorf("target_info %v, want %v", info, want)
	}
}

func TestEachProcessHasAnInstanceIDOfItsOwn(t *testing.T) {
	t.Parallel()
	id := func() string {
		telemetry := setup(t, nil)
		first := scrape(t, telemetry, "text/plain").values("target_info", "service_instance_id")
		again := scrape(t, telemetry, openMetrics).values("target_info", "service_instance_id")
		if len(first) != 1 || !slices.Equal(first, again) {
			t.Fatalf("ids %v, then %v", first, again)
		}
		return first[0]
	}
	if a, b := id(), id(); a == b || len(a) != 36 {
		t.Errorf("ids %q and %q", a, b)
	}
}

func TestExemplarsOfAScrapeNameTheVerySpanMeasured(t *testing.T) {
	t.Parallel()
	telemetry := setup(t, nil)
	m := mapping.Measurements{TraceID: traceID}
	spans := map[float64]string{}
	for n, value := range []float64{.04, .35, 3.5, 60} {
		span := mapping.SpanID{1, 2, 3, 4, 5, 6, 7, byte(n + 1)}
		spans[value] = hex.EncodeToString(span[:])
		m.Values = append(m.Values, mapping.Measurement{
			Metric: mapping.MetricAssistantResponse, Value: value, Base: callBase("default", "a1"), SpanID: span,
		})
	}
	// Its span can't be known.
	m.Values = append(m.Values, mapping.Measurement{Metric: mapping.MetricAssistantResponse, Value: .15, Base: callBase("default", "a1")})
	telemetry.Call("default", m)
	e := scrape(t, telemetry, openMetrics)
	got := map[string]string{} // edge → span
	for _, s := range e.find("wxa_assistant_response_duration_seconds_bucket") {
		if s.exemplar != nil {
			got[s.labels["le"]] = s.exemplar["span_id"]
			if want := hex.EncodeToString(traceID[:]); s.exemplar["trace_id"] != want {
				t.Errorf("trace %s, want %s", s.exemplar["trace_id"], want)
			}
		}
	}
	want := map[string]string{"0.05": spans[.04], "0.4": spans[.35], "4.0": spans[3.5], "+Inf": spans[60]}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(scrape(t, telemetry, "text/plain").text, "trace_id") {
		t.Error("the text format has no exemplars")
	}
}

func TestACounterPointsToTheCallThatGrewIt(t *testing.T) {
	t.Parallel()
	telemetry := setup(t, nil)
	for n := range 5 {
		m := one(mapping.MetricBargeIns, 1, callBase("default", "a1"))
		m.Values[0].SpanID[7] = byte(n)
		telemetry.Call("default", m)
	}
	for _, s := range scrape(t, telemetry, openMetrics).find("wxa_barge_ins_total", "gen_ai_agent_id", "a1") {
		if s.value != 5 || s.exemplar["trace_id"] != hex.EncodeToString(traceID[:]) {
			t.Errorf("%+v", s)
		}
	}
}

func TestExemplarsCanBeTurnedOff(t *testing.T) {
	t.Parallel()
	telemetry := setup(t, func(c *Config) {
		c.Getenv = env{envExporter: "none", envExemplars: "always_off"}.get
	})
	telemetry.Call("default", one(mapping.MetricAssistantResponse, 1, callBase("default", "a1")))
	if text := scrape(t, telemetry, openMetrics).text; strings.Contains(text, "trace_id") {
		t.Error("there are exemplars")
	}
}

func TestAfterTheEndAScrapeStillAnswers(t *testing.T) {
	t.Parallel()
	telemetry := setup(t, nil)
	if err := telemetry.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e := scrape(t, telemetry, "text/plain"); len(e.find("go_goroutines")) != 1 {
		t.Error("no go_goroutines")
	}
}

func TestTheTableIsSound(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, i := range instruments() {
		for _, name := range []string{i.name, i.prometheus} {
			if names[name] {
				t.Errorf("%s is there twice", name)
			}
			names[name] = true
		}
		if i.description == "" || i.from == "" || i.unit == "" || (i.kind == histogram) != (i.buckets != nil) || !slices.IsSorted(i.buckets) {
			t.Errorf("%s: says too little, or its buckets are not sorted", i.name)
		}
		for _, a := range i.attributes {
			if (a.values == nil) == (a.limit == nil) || a.values == nil && a.bound == "" {
				t.Errorf("%s: %s is not bounded, or does not say how", i.name, a.key)
			}
		}
		for _, row := range i.present {
			if len(row) != len(i.attributes) {
				t.Errorf("%s: %d values for %d attributes", i.name, len(row), len(i.attributes))
			}
		}
	}
	if n := len(instruments()); n > math.MaxUint8 {
		t.Errorf("%d instruments: their number is a byte", n)
	}
}
