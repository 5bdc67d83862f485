package telemetry

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"

	"cdr2otel/internal/otlptest"
	"cdr2otel/mapping"
)

// numbered are names like agent-00.
func numbered(name string, n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("%s-%02d", name, i))
	}
	return all
}

func TestTheTwentyFirstAgentOfASourceIsNotToldApart(t *testing.T) {
	t.Parallel()
	telemetry := setup(t, nil)
	for range 2 {
		for _, agent := range numbered("agent", maxAgents+5) {
			telemetry.Call("default", one(mapping.MetricBargeIns, 1, callBase("default", agent)))
		}
	}
	e := scrape(t, telemetry, "text/plain")
	want := append([]string{other}, numbered("agent", maxAgents)...)
	if diff := cmp.Diff(want, e.values("wxa_barge_ins_total", "gen_ai_agent_id")); diff != "" {
		t.Error(diff)
	}
	if n := e.value("wxa_barge_ins_total", "gen_ai_agent_id", other); n != 10 {
		t.Errorf("%v of others, want 10", n)
	}
}

func TestAConfiguredAgentHasItsPlaceWhoeverCameBefore(t *testing.T) {
	t.Parallel()
	telemetry := setup(t, func(c *Config) {
		c.Sources = func() []SourceLabels {
			return []SourceLabels{{Name: "default", Agents: []AgentLabels{{ID: "billing", Name: "billing-bot"}}}}
		}
	})
	for _, agent := range append(numbered("agent", maxAgents+1), "billing") {
		base := append(callBase("default", agent), keyAgentName.String("billing-bot"))
		telemetry.Call("default", one(mapping.MetricBargeIns, 1, base))
	}
	e := scrape(t, telemetry, "text/plain")
	if n := e.value("wxa_barge_ins_total", "gen_ai_agent_id", "billing", "gen_ai_agent_name", "billing-bot"); n != 1 {
		t.Errorf("%v of the configured agent, want 1", n)
	}
	if got := len(e.values("wxa_barge_ins_total", "gen_ai_agent_id")); got != maxAgents+2 {
		t.Errorf("%d agents, want %d", got, maxAgents+2)
	}
	for _, s := range e.find("wxa_barge_ins_total", "gen_ai_agent_id", other) {
		if s.labels["gen_ai_agent_name"] != "" {
			t.Errorf("the name of one agent stands for all: %v", s.labels)
		}
	}
}

func TestASourceCannotTakeThePlacesOfAnother(t *testing.T) {
	t.Parallel()
	telemetry := setup(t, func(c *Config) {
		c.Sources = func() []SourceLabels { return []SourceLabels{{Name: "draft"}, {Name: "live"}} }
	})
	for _, agent := range numbered("agent", 100) {
		telemetry.Call("draft", one(mapping.MetricBargeIns, 1, callBase("draft", agent)))
	}
	telemetry.Call("live", one(mapping.MetricBargeIns, 1, callBase("live", "new")))
	if n := scrape(t, telemetry, "text/plain").value("wxa_barge_ins_total", "wxa_source", "live", "gen_ai_agent_id", "new"); n != 1 {
		t.Errorf("%v of the agent of the other source, want 1", n)
	}
}

func TestEventsOfSourcesThatAreNotConfiguredAnyMoreAreBounded(t *testing.T) {
	t.Parallel()
	telemetry := setup(t, nil)
	for _, source := range numbered("old", 50) {
		telemetry.Call(source, one(mapping.MetricBargeIns, 1, callBase(source, "")))
		telemetry.Assembled(source, "grace")
	}
	e := scrape(t, telemetry, "text/plain")
	want := append([]string{other, "default"}, numbered("old", maxSources)...)
	for _, name := range []string{"wxa_barge_ins_total", "wxa_exporter_assemblies_total"} {
		if diff := cmp.Diff(want, e.values(name, "wxa_source")); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestOpenSetsHaveTheirCaps(t *testing.T) {
	t.Parallel()
	tokens := []attribute.KeyValue{attribute.String("gen_ai.token.type", "input")}
	warnings := make([]string, maxWarnings+3)
	for i := range warnings {
		warnings[i] = fmt.Sprintf("CWSMR%04dW", i)
	}
	for _, c := range []struct {
		metric, sample string
		key            attribute.Key
		values         []string
		want           int
		with           []attribute.KeyValue
	}{
		{mapping.MetricCalls, "wxa_calls_total", "gen_ai.agent.version", numbered("v", 9), maxVersions, nil},
		{mapping.MetricWarnings, "wxa_warnings_total", "wxa.warning.id", warnings, maxWarnings, nil},
		{mapping.MetricCalls, "wxa_calls_total", "error.type", warnings, maxWarnings, nil},
		{mapping.MetricPackets, "wxa_rtp_packets_total", "wxa.sip.trunk.host", numbered("carrier", 30), maxTrunks, nil},
		{mapping.MetricTokenUsage, "gen_ai_client_token_usage_count", "gen_ai.request.model", numbered("model", 30), maxModels, tokens},
	} {
		telemetry := setup(t, nil)
		for _, value := range c.values {
			telemetry.Call("default", one(c.metric, 1, callBase("default", "a1"), append(slices.Clone(c.with), c.key.String(value))...))
		}
		label := strings.ReplaceAll(string(c.key), ".", "_")
		want := append(slices.Clone(c.values[:c.want]), other)
		if c.key == keyErrorType {
			want = append(want, "call_failed") // present from the start
		}
		slices.Sort(want)
		if diff := cmp.Diff(want, scrape(t, telemetry, "text/plain").values(c.sample, label)); diff != "" {
			t.Errorf("%s: %s", label, diff)
		}
	}
}

func TestEachAgentHasVersionsOfItsOwn(t *testing.T) {
	t.Parallel()
	telemetry := setup(t, nil)
	for _, agent := range []string{"a1", "a2"} {
		for _, version := range numbered(agent, maxVersions) {
			telemetry.Call("default", one(mapping.MetricCalls, 1, callBase("default", agent), attribute.String("gen_ai.agent.version", version)))
		}
	}
	if got := scrape(t, telemetry, "text/plain").values("wxa_calls_total", "gen_ai_agent_version"); len(got) != 2*maxVersions || slices.Contains(got, other) {
		t.Errorf("versions %v", got)
	}
}

func TestCustomDataHasTwentyValuesOfEachConfiguredKey(t *testing.T) {
	t.Parallel()
	telemetry := setup(t, func(c *Config) { c.CustomKeys = func() []string { return []string{"wxa.custom.queue"} } })
	for _, queue := range numbered("queue", 30) {
		base := append(callBase("default", ""), attribute.String("wxa.custom.queue", queue), attribute.String("wxa.custom.secret", queue))
		telemetry.Call("default", one(mapping.MetricBargeIns, 1, base))
	}
	e := scrape(t, telemetry, "text/plain")
	want := append([]string{other}, numbered("queue", maxCustom)...)
	if diff := cmp.Diff(want, e.values("wxa_barge_ins_total", "wxa_custom_queue")); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(e.text, "wxa_custom_secret") {
		t.Error("a key that is no label became one")
	}
}

func TestAReloadMayMakeOtherCustomKeysLabels(t *testing.T) {
	t.Parallel()
	keys := []string{"wxa.custom.queue"}
	telemetry := setup(t, func(c *Config) { c.CustomKeys = func() []string { return keys } })
	base := append(callBase("default", ""), attribute.String("wxa.custom.queue", "x"), attribute.String("wxa.custom.skill", "x"))
	telemetry.Call("default", one(mapping.MetricBargeIns, 1, base))
	keys = []string{"wxa.custom.skill"}
	telemetry.Reloaded(true)
	telemetry.Call("default", one(mapping.MetricBargeIns, 1, base))
	e := scrape(t, telemetry, "text/plain")
	for _, label := range []string{"wxa_custom_queue", "wxa_custom_skill"} {
		if n := e.value("wxa_barge_ins_total", label, "x"); n != 1 {
			t.Errorf("%v with %s, want 1", n, label)
		}
	}
}

func TestWhatIsOutsideAClosedSetIsOther(t *testing.T) {
	t.Parallel()
	for _, i := range instruments() {
		for n, a := range i.attributes {
			if !i.call || a.values == nil || a.typ == attribute.BOOL {
				continue
			}
			telemetry := setup(t, nil)
			attributes := []attribute.KeyValue{a.key.String("session-7874ec3a")}
			telemetry.Call("default", one(i.name, 1, callBase("default", "a1"), attributes...))
			name := i.prometheus
			if i.kind == histogram {
				name += "_count"
			}
			e, label := scrape(t, telemetry, "text/plain"), strings.ReplaceAll(string(i.attributes[n].key), ".", "_")
			if found := e.value(name, label, other); found != 1 || strings.Contains(e.text, "7874ec3a") {
				t.Errorf("%s: %s: %v of %s", i.name, a.key, found, other)
			}
		}
	}
}

func TestFreeTextNeverBecomesALabel(t *testing.T) {
	t.Parallel()
	telemetry := setup(t, nil)
	const canary = "+15551234567"
	for _, c := range []struct {
		metric string
		key    attribute.Key
		values []attribute.Value
	}{
		{mapping.MetricWarnings, "wxa.warning.id", []attribute.Value{attribute.StringValue(canary), attribute.StringValue("CWSMR0033W " + canary)}},
		{mapping.MetricCalls, "error.type", []attribute.Value{attribute.StringValue("failed for " + canary)}},
		{mapping.MetricCalls, "wxa.call.failure_occurred", []attribute.Value{attribute.StringValue(canary)}},
		{mapping.MetricExtensionCalls, "http.response.status_code", []attribute.Value{attribute.StringValue(canary), attribute.Int64Value(15551234567)}},
		{mapping.MetricExtensionCalls, "error.type", []attribute.Value{attribute.StringValue(canary), attribute.StringValue("2" + canary[:2])}},
		{mapping.MetricBargeIns, "wxa.session.id", []attribute.Value{attribute.StringValue(canary)}},
	} {
		for _, v := range c.values {
			telemetry.Call("default", one(c.metric, 1, callBase("default", "a1"), attribute.KeyValue{Key: c.key, Value: v}))
		}
	}
	telemetry.Request(Request{Method: canary, Scheme: canary, Status: 200, Source: "default", EventName: canary, Outcome: canary})
	telemetry.Assembled("default", canary)
	telemetry.Anomalies("default", map[string]int{canary: 1})
	telemetry.Delivered(canary, 1, 0, 0)
	if text := scrape(t, telemetry, openMetrics).text; strings.Contains(text, "5551234567") {
		t.Error("free text became a label")
	}
}

func TestTextThatIsNotUTF8HidesNoOtherSeries(t *testing.T) {
	t.Parallel()
	var log logs
	telemetry := setup(t, func(c *Config) { c.Logger = log.logger() })
	telemetry.Call("default", one(mapping.MetricBargeIns, 1, callBase("default", "a\xff")))
	telemetry.Call("default", one(mapping.MetricBargeIns, 1, callBase("default", "a1")))
	e := scrape(t, telemetry, "text/plain")
	if e.value("wxa_barge_ins_total", "gen_ai_agent_id", "a1") != 1 || e.value("wxa_barge_ins_total", "gen_ai_agent_id", other) != 1 {
		t.Errorf("agents %v, log: %s", e.values("wxa_barge_ins_total", "gen_ai_agent_id"), log.String())
	}
}

// The caps bound each attribute; this is their product.
func TestWhoVariesEverythingAtOnceMeetsTheBoundsOfMemory(t *testing.T) {
	t.Parallel()
	var log logs
	r := otlptest.New(t, otlptest.Options{})
	telemetry := setup(t, func(c *Config) {
		pushing(r, otlptest.ProtocolHTTP, nil)(c)
		c.Logger = log.logger()
		c.CustomKeys = func() []string { return []string{"wxa.custom.a", "wxa.custom.b"} }
	})
	telemetry.limits = limits{bases: 20, counterSeries: 300, histogramSeries: 50}
	recorded := 0
	for _, a := range numbered("a", 7) {
		for _, b := range numbered("b", 7) {
			base := append(callBase("default", "a1"), attribute.String("wxa.custom.a", a), attribute.String("wxa.custom.b", b))
			for _, host := range numbered("carrier", 10) {
				telemetry.Call("default", one(mapping.MetricJitterAvg, .01, base,
					attribute.String("wxa.rtp.direction", "inbound"), attribute.String("wxa.sip.trunk.host", host)))
				recorded++
			}
		}
	}
	e := scrape(t, telemetry, "text/plain")
	for name, want := range map[string]int{
		"wxa_rtp_jitter_avg_seconds_count": 50 + 1, // and one for the others
		"wxa_turns_total":                  300,    // of which nothing was recorded but 0
		"wxa_barge_ins_total":              20,     // one base less, that of messages; one more, that of the others
	} {
		if n := len(e.find(name)); n != want {
			t.Errorf("%d series of %s, want %d", n, name, want)
		}
	}
	if n := e.value("wxa_rtp_jitter_avg_seconds_count"); n != float64(recorded) {
		t.Errorf("%v points, want %d: sums stay right", n, recorded)
	}
	if n := e.value("wxa_rtp_jitter_avg_seconds_count", "otel_metric_overflow", "true"); n != float64(recorded-50) {
		t.Errorf("%v points that are not told apart, want %d", n, recorded-50)
	}
	if n := strings.Count(log.String(), "too many series"); n != 1 {
		t.Errorf("log:\n%s", log.String())
	}
	flush(t, telemetry)
	if n := len(last(t, r)[mapping.MetricJitterAvg].GetHistogram().GetDataPoints()); n != 50+1 {
		t.Errorf("%d points over OTLP", n)
	}
}

// What is scraped and pushed must not differ where the SDK has a limit of its own.
func TestTheLimitsOfTheSDKAreNeverMetFirst(t *testing.T) {
	t.Parallel()
	telemetry := setup(t, nil)
	if l := telemetry.limits; max(l.counterSeries, l.histogramSeries) > sdkSeries-2 || l.bases > l.histogramSeries {
		t.Errorf("limits %+v, the SDK's is %d", l, sdkSeries)
	}
}
