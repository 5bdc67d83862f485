package backends

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// metricsOfSamples are series that the sample calls cause, as Prometheus names
// them (docs/metrics.md).
var metricsOfSamples = []string{
	"wxa_calls_total", "wxa_call_duration_seconds_count", "wxa_call_setup_duration_seconds_count",
	"wxa_call_first_audio_delay_seconds_count", "wxa_call_turns_per_call_count", "wxa_call_concurrency_count",
	"wxa_turns_total", "wxa_turn_response_duration_seconds_count",
	"wxa_assistant_response_duration_seconds_count", "wxa_stt_response_duration_seconds_count", "wxa_tts_response_duration_seconds_count",
	"wxa_stt_confidence_count", "wxa_barge_ins_total", "wxa_transfers_total", "wxa_warnings_total",
	"wxa_rtp_jitter_avg_seconds_count", "wxa_rtp_jitter_max_seconds_count",
	"wxa_rtp_packets_total", "wxa_rtp_packets_lost_total", "wxa_rtp_packet_loss_ratio_count",
	"wxa_messages_total",
	"http_server_request_duration_seconds_count", "wxa_exporter_events_total", "wxa_exporter_ledger_events_total",
	"wxa_exporter_store_usage_bytes", "wxa_exporter_store_limit_bytes", "wxa_exporter_assemblies_total",
	"wxa_exporter_message_joins_total", "wxa_exporter_cdr_arrival_delay_seconds_count",
	"wxa_exporter_delivery_delay_seconds_count", "wxa_exporter_gate", "otel_sdk_exporter_span_exported_total",
}

// exemplarTags are the histograms whose exemplars are checked, and the span
// attribute that each measured.
var exemplarTags = map[string]string{
	"wxa_turn_response_duration_seconds_bucket":      "wxa.turn.response.duration",
	"wxa_assistant_response_duration_seconds_bucket": "wxa.assistant.response.duration",
	"wxa_call_duration_seconds_bucket":               "wxa.call.duration",
}

func TestPrometheusHasTheMetricsOfTheCallsAndTheirExemplars(t *testing.T) {
	t.Parallel()
	bodies := sampleBodies(t)
	calls := expectedCalls(t, bodies...)
	j := startJaeger(t, jaegerOptions{})
	servers := map[string]*prometheusServer{}
	for _, way := range []string{"scraped from the admin listener", "over OTLP", "over OTLP through sidecar.yaml"} {
		env := append(tracesOverHTTP(j.HTTP), "OTEL_METRICS_EXPORTER=otlp", "OTEL_METRIC_EXPORT_INTERVAL=500")
		o := prometheusOptions{}
		var p *prometheusServer
		var e *exporterProcess
		switch way {
		case "scraped from the admin listener":
			e = startExporter(t, exporterOptions{Env: append(env, "OTEL_METRICS_EXPORTER=none"), Config: quickGrace})
			o.Scrape = []string{e.Admin}
			p = startPrometheus(t, o)
		case "over OTLP":
			p = startPrometheus(t, o)
			env = append(env, "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT="+p.URL+"/api/v1/otlp/v1/metrics")
			e = startExporter(t, exporterOptions{Env: env, Config: quickGrace})
		default:
			p = startPrometheus(t, o)
			c := startCollector(t, collectorOptions{Config: "sidecar.yaml", Traces: j.HTTP, Metrics: p.URL + "/api/v1/otlp"})
			env = append(env, "OTEL_EXPORTER_OTLP_ENDPOINT="+c.HTTP)
			e = startExporter(t, exporterOptions{Env: env, Config: quickGrace})
		}
		t.Run(way, func(t *testing.T) {
			e.post(t, bodies...)
			e.awaitExported(t, len(bodies))
			checkCounts(t, p, calls, len(bodies))
			for _, name := range metricsOfSamples {
				p.query(t, name)
			}
			confirmed(t, "%d metrics are in Prometheus, %s", len(metricsOfSamples), way)
			for histogram, tag := range exemplarTags {
				n := checkExemplars(t, p, j, calls, histogram, tag)
				confirmed(t, "%d exemplars of %s, %s: each names a span in Jaeger whose %s is the value", n, histogram, way, tag)
			}
		})
		servers[way] = p
	}
	// What is measured now and then, such as an attempt that is under way, may be
	// in one and not yet in the other.
	eventually(t, "scraping and OTLP give the same", func(ctx context.Context) error {
		scraped, err := servers["scraped from the admin listener"].labelSets(ctx)
		if err != nil {
			return err
		}
		for way, server := range servers {
			sets, err := server.labelSets(ctx)
			if err != nil {
				return err
			}
			if !maps.Equal(sets, scraped) {
				return fmt.Errorf("%s: %s", way, cmp.Diff(scraped, sets))
			}
		}
		confirmed(t, "scraping and OTLP give the same %d series names with the same labels", len(scraped))
		return nil
	})
}

// checkCounts waits until the counters say what was posted.
func checkCounts(t *testing.T, p *prometheusServer, calls []call, bodies int) {
	t.Helper()
	want := map[string]string{}
	byResult := map[string]int{}
	for _, call := range calls {
		byResult[call.Root["wxa.call.result"]]++
	}
	for result, n := range byResult {
		want[fmt.Sprintf(`sum(wxa_calls_total{wxa_call_result=%q})`, result)] = strconv.Itoa(n)
	}
	want[`sum(wxa_exporter_events_total{wxa_outcome="accepted"})`] = strconv.Itoa(bodies)
	want[`sum(wxa_exporter_ledger_events_total{wxa_state="exported"})`] = strconv.Itoa(bodies)
	for _, promql := range slices.Sorted(maps.Keys(want)) {
		eventually(t, promql+" is "+want[promql], func(ctx context.Context) error {
			result, err := p.queryNow(ctx, promql)
			if err == nil && (len(result) != 1 || result[0].Value[1] != want[promql]) {
				err = fmt.Errorf("it is %v", result)
			}
			return err
		})
		confirmed(t, "%s = %s", promql, want[promql])
	}
}

// checkExemplars checks that each exemplar of a histogram names a span that
// Jaeger has, and that the span's tag is its value. It returns how many there are.
func checkExemplars(t *testing.T, p *prometheusServer, j *jaegerServer, calls []call, histogram, tag string) int {
	t.Helper()
	var found []exemplar
	eventually(t, "Prometheus has exemplars of "+histogram, func(ctx context.Context) (err error) {
		found, err = p.exemplars(ctx, histogram)
		if err == nil && len(found) == 0 {
			err = fmt.Errorf("no exemplar")
		}
		return err
	})
	for _, exemplar := range found {
		traceID, spanID := exemplar.Labels["trace_id"], exemplar.Labels["span_id"]
		i := slices.IndexFunc(calls, func(c call) bool { return c.TraceID == traceID })
		if i < 0 {
			t.Errorf("an exemplar of %s names trace %q, which is none of the calls", histogram, traceID)
			continue
		}
		trace := j.trace(t, traceID, len(calls[i].Spans))
		s := slices.IndexFunc(trace.Spans, func(span jaegerSpan) bool { return span.ID == spanID })
		if s < 0 {
			t.Errorf("an exemplar of %s names span %q, which is not in trace %s", histogram, spanID, traceID)
			continue
		}
		value, err := strconv.ParseFloat(exemplar.Value, 64)
		measured, ok := trace.Spans[s].tag(tag).(float64)
		if err != nil || !ok || math.Abs(value-measured) > 1e-6 {
			t.Errorf("an exemplar of %s is %s, and %s of its span %q is %v", histogram, exemplar.Value, tag, trace.Spans[s].Name, trace.Spans[s].tag(tag))
		}
	}
	return len(found)
}

// labelSets are the names of the sidecar's metrics with the names of their labels,
// those of the target left out.
func (p *prometheusServer) labelSets(ctx context.Context) (map[string]bool, error) {
	found, err := p.queryNow(ctx, `{__name__=~"wxa_.+|gen_ai_.+|http_server_.+|otel_sdk_.+"}`)
	sets := map[string]bool{}
	for _, series := range found {
		name := series.Labels["__name__"]
		var labels []string
		for label := range series.Labels {
			if label != "__name__" && label != "job" && label != "instance" {
				labels = append(labels, label)
			}
		}
		slices.Sort(labels)
		sets[name+"{"+strings.Join(labels, ",")+"}"] = true
	}
	return sets, err
}
