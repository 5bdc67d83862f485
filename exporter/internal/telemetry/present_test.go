package telemetry

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"

	"cdr2otel/mapping"
)

func twoSources(c *Config) {
	c.SpanExporter, c.LogExporter = "otlp_http_span_exporter", "otlp_grpc_log_exporter"
	c.Sources = func() []SourceLabels {
		return []SourceLabels{
			{Name: "draft"},
			{Name: "live", Environments: []string{"live"}, Agents: []AgentLabels{{ID: "a1", Name: "bot"}}},
		}
	}
}

// exists says whether there is a series with the value 0.
func exists(t *testing.T, e exposition, name string, labels ...string) {
	t.Helper()
	if v := e.value(name, labels...); v != 0 {
		t.Errorf("%s%v is %v, want 0", name, labels, v)
	}
}

func TestTheExportersOwnCountersExistFromTheFirstScrape(t *testing.T) {
	t.Parallel()
	e := scrape(t, setup(t, twoSources), "text/plain")
	for _, source := range []string{"draft", "live"} {
		for _, event := range append([]string{other}, eventNames...) {
			for _, outcome := range eventOutcomes {
				exists(t, e, "wxa_exporter_events_total", "wxa_source", source, "wxa_event_name", event, "wxa_outcome", outcome)
			}
		}
		for _, outcome := range joinOutcomes {
			exists(t, e, "wxa_exporter_message_joins_total", "wxa_source", source, "wxa_outcome", outcome)
		}
		for _, reason := range assemblyReasons {
			exists(t, e, "wxa_exporter_assemblies_total", "wxa_source", source, "wxa_reason", reason)
		}
		for _, anomaly := range mapping.AnomalyNames() {
			exists(t, e, "wxa_exporter_mapping_anomalies_total", "wxa_source", source, "wxa_anomaly", anomaly)
		}
		exists(t, e, "wxa_exporter_turn_gaps_total", "wxa_source", source)
		exists(t, e, "wxa_exporter_call_metrics_skipped_total", "wxa_source", source)
	}
	exists(t, e, "wxa_exporter_config_reloads_total", "wxa_outcome", "applied")
	exists(t, e, "wxa_exporter_config_reloads_total", "wxa_outcome", "refused")
	exists(t, e, "otel_sdk_exporter_span_exported_total", "error_type", "rejected",
		"otel_component_type", "otlp_http_span_exporter", "otel_component_name", "otlp_http_span_exporter/0")
	exists(t, e, "otel_sdk_exporter_span_exported_total", "error_type", "")
	exists(t, e, "otel_sdk_exporter_log_exported_total", "error_type", "rejected",
		"otel_component_type", "otlp_grpc_log_exporter", "otel_component_name", "otlp_grpc_log_exporter/0")
	exists(t, e, "otel_sdk_exporter_log_exported_total", "error_type", "")
	for _, source := range []string{"draft", "live"} {
		for _, outcome := range observed {
			exists(t, e, "wxa_exporter_observations_total", "wxa_source", source, "wxa_outcome", outcome)
		}
	}
}

func TestTheCountersOfConfiguredSourcesExistFromTheFirstScrape(t *testing.T) {
	t.Parallel()
	e := scrape(t, setup(t, twoSources), "text/plain")
	for _, labels := range [][]string{
		{"wxa_source", "draft", "wxa_call_direction", "inbound", "deployment_environment_name", "", "gen_ai_agent_id", ""},
		{"wxa_source", "live", "wxa_call_direction", "inbound", "deployment_environment_name", "live", "gen_ai_agent_id", ""},
		{"wxa_source", "live", "wxa_call_direction", "inbound", "deployment_environment_name", "live", "gen_ai_agent_id", "a1", "gen_ai_agent_name", "bot"},
	} {
		with := func(more ...string) []string { return append(append([]string{}, labels...), more...) }
		for _, outcome := range transfers {
			exists(t, e, "wxa_transfers_total", with("wxa_transfer_outcome", outcome)...)
		}
		for _, result := range results {
			exists(t, e, "wxa_calls_total", with("wxa_call_result", result)...)
		}
		exists(t, e, "wxa_calls_total", with("wxa_call_result", "failed", "error_type", "call_failed", "wxa_call_failure_occurred", "true")...)
		exists(t, e, "wxa_turns_total", with("wxa_turn_request_type", "speech_to_text", "wxa_turn_response_class", "dead_air", "error_type", "")...)
		exists(t, e, "wxa_turns_total", with("wxa_turn_request_type", "sms_failure", "error_type", "sms_failure")...)
		exists(t, e, "wxa_commands_total", with("wxa_command_type", "sms")...)
		exists(t, e, "wxa_barge_ins_total", with()...)
		exists(t, e, "wxa_stt_echoes_total", with()...)
		labels[3] = "" // messages don't say the direction
		exists(t, e, "wxa_messages_total", with("wxa_message_channel", "Phone", "wxa_message_recognized", "false", "error_type", "")...)
		exists(t, e, "wxa_extension_calls_total", with("http_response_status_code", "200")...)
	}
}

func TestTheFirstCallOfANewBaseBringsTheSeriesBesideItsOwn(t *testing.T) {
	t.Parallel()
	telemetry := setup(t, nil)
	base := []attribute.KeyValue{keySource.String("default"), keyDirection.String("outbound"), keyAgentID.String("new")}
	telemetry.Call("default", one(mapping.MetricCallDuration, 60, base, attribute.String("wxa.call.result", "completed")))
	e := scrape(t, telemetry, "text/plain")
	exists(t, e, "wxa_calls_total", "gen_ai_agent_id", "new", "wxa_call_direction", "outbound", "wxa_call_result", "failed")
	exists(t, e, "wxa_transfers_total", "gen_ai_agent_id", "new", "wxa_call_direction", "outbound", "wxa_transfer_outcome", "failed")
	if found := e.find("wxa_messages_total", "gen_ai_agent_id", "new"); len(found) > 0 {
		t.Errorf("a call brought series of messages: %v", found)
	}
	telemetry.Message(one(mapping.MetricAssistantProcessing, 1, []attribute.KeyValue{keySource.String("default"), keyAgentID.String("new")}))
	e = scrape(t, telemetry, "text/plain")
	exists(t, e, "wxa_messages_total", "gen_ai_agent_id", "new", "wxa_message_channel", "Phone", "error_type", "handler_failed")
}

func TestANewAgentVersionBringsTheCallsThatHaveNotFailedYet(t *testing.T) {
	t.Parallel()
	telemetry := setup(t, nil)
	telemetry.Call("default", one(mapping.MetricCalls, 1, callBase("default", "a1"),
		attribute.String("wxa.call.result", "completed"), attribute.String("wxa.call.end_reason", "caller_hangup"),
		attribute.Bool("wxa.call.failure_occurred", false), attribute.String("gen_ai.agent.version", "7")))
	e := scrape(t, telemetry, "text/plain")
	exists(t, e, "wxa_calls_total", "gen_ai_agent_version", "7", "wxa_call_result", "failed", "error_type", "call_failed")
	exists(t, e, "wxa_calls_total", "gen_ai_agent_version", "7", "wxa_call_result", "transferred")
	if n := e.value("wxa_calls_total", "gen_ai_agent_version", "7"); n != 1 {
		t.Errorf("%v calls, want 1", n)
	}
	if got := len(e.find("wxa_calls_total", "gen_ai_agent_version", "7")); got != 9 {
		t.Errorf("%d series, want those of the table", got)
	}
}

func TestSourcesThatAReloadBringsHaveTheirSeries(t *testing.T) {
	t.Parallel()
	sources := []SourceLabels{{Name: "default"}}
	telemetry := setup(t, func(c *Config) { c.Sources = func() []SourceLabels { return sources } })
	sources = append(sources, SourceLabels{Name: "later"})
	telemetry.Reloaded(false)
	if found := scrape(t, telemetry, "text/plain").find("wxa_calls_total", "wxa_source", "later"); len(found) > 0 {
		t.Error("a refused reload brought series")
	}
	telemetry.Reloaded(true)
	e := scrape(t, telemetry, "text/plain")
	exists(t, e, "wxa_calls_total", "wxa_source", "later")
	exists(t, e, "wxa_exporter_events_total", "wxa_source", "later", "wxa_outcome", "refused")
	if n := e.value("wxa_exporter_config_reloads_total", "wxa_outcome", "applied"); n != 1 {
		t.Errorf("%v reloads", n)
	}
}

func TestOfManyConfiguredAgentsTheFirstTwentyByIDAreThereAtOnceAndAllHaveAPlace(t *testing.T) {
	t.Parallel()
	var agents []AgentLabels
	for _, id := range numbered("agent", 2*maxAgents) {
		agents = append([]AgentLabels{{ID: id}}, agents...)
	}
	telemetry := setup(t, func(c *Config) {
		c.Sources = func() []SourceLabels { return []SourceLabels{{Name: "default", Agents: agents}} }
	})
	if got := scrape(t, telemetry, "text/plain").values("wxa_calls_total", "gen_ai_agent_id"); !slices.Equal(got, numbered("agent", maxAgents)) {
		t.Errorf("at once: %v", got)
	}
	for _, agent := range agents {
		telemetry.Call("default", one(mapping.MetricBargeIns, 1, callBase("default", agent.ID)))
	}
	if got := scrape(t, telemetry, "text/plain").values("wxa_calls_total", "gen_ai_agent_id"); !slices.Equal(got, numbered("agent", 2*maxAgents)) {
		t.Errorf("in the end: %v", got)
	}
}

// The numbers stand in docs/metrics.md.
func TestTheDocumentSaysHowManySeriesABaseCosts(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	perCall, perMessage, perSource := 0, 0, 0
	for _, i := range instruments() {
		switch {
		case i.call && i.live:
			perMessage += len(i.present)
		case i.call:
			perCall += len(i.present)
		case i.kind == counter:
			for _, row := range i.present {
				if row[0] == everySource {
					perSource++
				}
			}
		}
	}
	perSource += len(ledgerStates) + 2 // pending and dead
	for _, want := range []string{
		fmt.Sprintf("%d series of each base of calls", perCall),
		fmt.Sprintf("%d of each base of messages", perMessage),
		fmt.Sprintf("%d of each source", perSource),
	} {
		if !strings.Contains(string(document), want) {
			t.Errorf("docs/metrics.md does not say %q", want)
		}
	}
}
