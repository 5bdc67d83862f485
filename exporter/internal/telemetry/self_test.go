package telemetry

import (
	"testing"
	"time"
)

func TestTheExportersOwnMetricsShowWhatHappened(t *testing.T) {
	t.Parallel()
	telemetry := setup(t, whole)
	everything(t, telemetry)
	e := scrape(t, telemetry, "text/plain")
	for _, c := range []struct {
		want   float64
		name   string
		labels []string
	}{
		{1, "http_server_request_duration_seconds_count", []string{"http_request_method", "POST", "http_response_status_code", "503", "error_type", "503",
			"http_route", "/webhook/{source}", "url_scheme", "https"}},
		{1, "wxa_exporter_events_total", []string{"wxa_event_name", "cdr_logged", "wxa_outcome", "refused"}},
		{3, "wxa_exporter_message_joins_total", []string{"wxa_outcome", "joined"}},
		{2, "wxa_exporter_message_joins_total", []string{"wxa_outcome", "unnamed"}},
		{1, "wxa_exporter_message_joins_total", []string{"wxa_outcome", "missing"}},
		{5, "wxa_exporter_message_joins_total", []string{"wxa_outcome", "late"}},
		{6, "wxa_exporter_message_joins_total", []string{"wxa_outcome", "orphaned"}},
		{4, "wxa_exporter_turn_gaps_total", nil},
		{1, "wxa_exporter_assemblies_total", []string{"wxa_reason", "complete"}},
		{2, "wxa_exporter_mapping_anomalies_total", []string{"wxa_anomaly", "clamped"}},
		{3, "wxa_exporter_cdr_arrival_delay_seconds_sum", []string{"wxa_source", "default"}},
		{.02, "wxa_exporter_delivery_delay_seconds_sum", []string{"wxa_signal", "traces"}},
		{30, "otel_sdk_exporter_span_exported_total", []string{"error_type", ""}},
		{1, "otel_sdk_exporter_span_exported_total", []string{"error_type", "rejected"}},
		{.04, "wxa_exporter_delivery_delay_seconds_sum", []string{"wxa_signal", "logs"}},
		{3, "otel_sdk_exporter_log_exported_total", []string{"error_type", ""}},
		{2, "otel_sdk_exporter_log_exported_total", []string{"error_type", "rejected"}},
		{2, "wxa_exporter_observations_total", []string{"wxa_outcome", "recorded"}},
		{1, "wxa_exporter_observations_total", []string{"wxa_outcome", "dropped"}},
		{1, "wxa_exporter_config_reloads_total", []string{"wxa_outcome", "applied"}},
		{1, "wxa_exporter_config_reloads_total", []string{"wxa_outcome", "refused"}},
		{1, "wxa_exporter_call_metrics_skipped_total", nil},
	} {
		if got := e.value(c.name, c.labels...); got != c.want {
			t.Errorf("%s%v is %v, want %v", c.name, c.labels, got, c.want)
		}
	}
}

func TestARequestThatIsNoEventOfASourceIsOnlyARequest(t *testing.T) {
	t.Parallel()
	telemetry := setup(t, nil)
	before := scrape(t, telemetry, "text/plain").value("wxa_exporter_events_total")
	telemetry.Request(Request{Method: "GET", Route: "/webhook/{source}", Scheme: "http", Status: 404, Duration: time.Millisecond})
	e := scrape(t, telemetry, "text/plain")
	if n := e.value("wxa_exporter_events_total"); n != before {
		t.Errorf("%v events, want %v", n, before)
	}
	found := e.find("http_server_request_duration_seconds_count", "http_response_status_code", "404")
	if len(found) != 1 || found[0].labels["error_type"] != "" {
		t.Errorf("requests %v: a refusal of the client is no error of the server", found)
	}
}

func TestClocksThatDifferGiveNoNegativeDelay(t *testing.T) {
	t.Parallel()
	telemetry := setup(t, nil)
	telemetry.CDRArrived("default", -time.Second)
	telemetry.Delivered("traces", 1, 0, -time.Second)
	e := scrape(t, telemetry, "text/plain")
	for _, name := range []string{"wxa_exporter_cdr_arrival_delay_seconds", "wxa_exporter_delivery_delay_seconds"} {
		if e.value(name+"_count") != 1 || e.value(name+"_sum") != 0 {
			t.Errorf("%s: %v points, sum %v", name, e.value(name+"_count"), e.value(name+"_sum"))
		}
	}
}

func TestWithoutATraceExporterNoSpansAreCounted(t *testing.T) {
	t.Parallel()
	telemetry := setup(t, nil)
	telemetry.Delivered("traces", 1, 0, time.Second)
	if found := scrape(t, telemetry, "text/plain").find("otel_sdk_exporter_span_exported_total"); len(found) > 0 {
		t.Error(found)
	}
}
