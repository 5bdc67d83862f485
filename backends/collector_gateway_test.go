package backends

import (
	"context"
	"fmt"
	"slices"
	"testing"
)

// sampledCall is a call that the gateway must keep because of one policy, or
// drop.
type sampledCall struct {
	name   string
	policy string // of gateway-tail-sampling.yaml; "" means dropped
	bodies [][]byte
}

// sampledCalls are variants of an unremarkable call, each with one remarkable
// thing.
func sampledCalls(t testing.TB) []sampledCall {
	t.Helper()
	n := 0
	make := func(name, policy string, edit func(cdr object)) sampledCall {
		n++
		return sampledCall{name, policy, variant(t, "transfer", n, edit)}
	}
	return []sampledCall{
		make("a call without anything remarkable", "", nil),
		make("a call that failed", "failed", func(cdr object) {
			cdr.at("call")["end_reason"] = "failed"
			cdr["transfer_occurred"] = false
		}),
		make("a call with a failure that was transferred all the same", "failure-occurred", func(cdr object) {
			cdr["failure_occurred"] = true
		}),
		make("a call whose transfer failed", "errors", func(cdr object) {
			cdr.turn(3).at("request")["type"] = "transfer_failed"
		}),
		make("a call with a slow turn", "slow-turns", func(cdr object) {
			cdr.turn(2).at("request", "streaming_statistics")["response_milliseconds"] = 1500
		}),
		make("a call whose slowest turn is above the gateway's own limit", "slowest-turn", func(cdr object) {
			cdr.turn(2).at("request", "streaming_statistics")["response_milliseconds"] = 1300
		}),
		make("a call with a warning", "warned", func(cdr object) {
			cdr["warnings_and_errors"] = []any{map[string]any{"code": "CWSMR0033W", "message": "CWSMR0033W: jitter"}}
		}),
		make("a call with 40 ms of average jitter", "bad-line", func(cdr object) {
			cdr.at("realtime_transport_network_summary", "inbound_stream")["average_jitter"] = 40
		}),
		make("a call that lost a tenth of its packets", "bad-line", func(cdr object) {
			cdr.at("realtime_transport_network_summary", "outbound_stream")["packets_lost"] = 200
		}),
		make("another call without anything remarkable", "", nil),
	}
}

// Own metrics of the tail sampler.
const (
	decidedTraces = "otelcol_processor_tail_sampling_global_count_traces_sampled"
	sampledTraces = "otelcol_processor_tail_sampling_count_traces_sampled"
)

func TestTheGatewayKeepsWhatSomebodyWillLookAt(t *testing.T) {
	t.Parallel()
	p := startPrometheus(t, prometheusOptions{})
	j := startJaeger(t, jaegerOptions{Prometheus: p.URL})
	c := startCollector(t, collectorOptions{
		Config: "gateway-tail-sampling.yaml", Traces: j.HTTP, Metrics: p.URL + "/api/v1/otlp",
		Env: []string{"SAMPLE_PERCENTAGE=0", "KEEP_ABOVE_SECONDS=1.8", "SPAN_METRICS_INTERVAL=1s"},
	})
	e := startExporter(t, exporterOptions{Env: tracesOverGRPC(c.GRPC), Config: "correlation: {grace: 500ms, window: 2s}"})
	calls := sampledCalls(t)
	posted, dropped := 0, 0
	for _, call := range calls {
		e.post(t, call.bodies...)
		posted += len(call.bodies)
		if call.policy == "" {
			dropped++
		}
	}
	e.awaitExported(t, posted)
	c.awaitOwnMetric(t, decidedTraces, `sampled="true"`, float64(len(calls)-dropped))
	c.awaitOwnMetric(t, decidedTraces, `sampled="false"`, float64(dropped))

	for _, call := range calls {
		want := expectedCalls(t, call.bodies...)[0]
		if call.policy == "" {
			if trace, err := j.find(t.Context(), want.TraceID); err == nil {
				t.Errorf("%s: Jaeger has %d spans of it", call.name, len(trace.Spans))
				continue
			}
			confirmed(t, "%s is dropped at 0 %%", call.name)
			continue
		}
		checkTrace(t, j, want)
		confirmed(t, "%s is kept whole: %d spans", call.name, len(want.Spans))
	}
	for _, policy := range []string{"failed", "failure-occurred", "errors", "slow-turns", "slowest-turn", "warned", "bad-line"} {
		want := 0
		for _, call := range calls {
			if call.policy == policy {
				want++
			}
		}
		// At least: a failed call has a span with an error, a slow one is above the
		// gateway's limit too.
		c.awaitOwnMetric(t, sampledTraces, fmt.Sprintf(`policy="%s"`, policy), float64(want))
	}

	t.Run("a phone call without its CDR is kept", func(t *testing.T) {
		messages := variant(t, "dtmf_call", 500, nil)[1:]
		want := expectedCalls(t, messages...)[0]
		e.post(t, messages...)
		trace := j.trace(t, want.TraceID, len(want.Spans))
		if !slices.Equal(trace.ids(), want.Spans) {
			t.Errorf("it has the spans %v, not %v", trace.ids(), want.Spans)
		}
		confirmed(t, "a phone call without its CDR is kept: %d spans of its conversation", len(want.Spans))
	})
	t.Run("span metrics count every call", func(t *testing.T) {
		const calls = `sum(traces_span_metrics_calls_total{span_kind="SPAN_KIND_SERVER", span_name="call inbound"})`
		eventually(t, "Prometheus counts 10 calls", func(ctx context.Context) error {
			result, err := p.queryNow(ctx, calls)
			if err == nil && (len(result) != 1 || result[0].Value[1] != "10") {
				err = fmt.Errorf("%v", result)
			}
			return err
		})
		confirmed(t, "the span metrics in Prometheus count all 10 calls, sampled or not")
		eventually(t, "Jaeger's Monitor shows calls", func(ctx context.Context) error { return j.monitors(ctx, "watsonx-assistant") })
		confirmed(t, "Jaeger's Monitor shows the service")
	})
}

func TestTheGatewayDecidesLateSpansAsTheirCall(t *testing.T) {
	t.Parallel()
	j := startJaeger(t, jaegerOptions{})
	c := startCollector(t, collectorOptions{Config: "gateway-tail-sampling.yaml", Traces: j.HTTP, Env: []string{"SAMPLE_PERCENTAGE=0"}})
	e := startExporter(t, exporterOptions{Env: tracesOverGRPC(c.GRPC), Config: quickGrace})
	kept := variant(t, "dtmf_call", 501, nil)
	dropped := variant(t, "dtmf_call", 502, func(cdr object) { cdr["warnings_and_errors"] = []any{} })
	last := len(kept) - 1

	e.post(t, append(slices.Clone(kept[:last]), dropped[:last]...)...)
	e.awaitExported(t, 2*last)
	c.awaitOwnMetric(t, decidedTraces, `sampled="true"`, 1)
	c.awaitOwnMetric(t, decidedTraces, `sampled="false"`, 1)
	early := expectedCalls(t, kept[:last]...)[0]
	checkTrace(t, j, early)

	e.post(t, dropped[last], kept[last])
	e.awaitExported(t, 2*len(kept))
	trace := j.trace(t, early.TraceID, len(early.Spans)+1)
	late := slices.ContainsFunc(trace.Spans, func(span jaegerSpan) bool { return span.Name == "message_logged" })
	if !late || len(trace.complaints()) > 0 {
		t.Errorf("the late message is not in the trace as it should be: %v", trace.complaints())
	}
	confirmed(t, "a message that comes after its call was kept is kept too, below its turn")
	if trace, err := j.find(t.Context(), expectedCalls(t, dropped...)[0].TraceID); err == nil {
		t.Errorf("of the call that was dropped Jaeger has %d spans", len(trace.Spans))
	} else {
		confirmed(t, "a message that comes after its call was dropped is dropped too")
	}
}

func TestTheGatewayKeepsTheShareItIsTold(t *testing.T) {
	t.Parallel()
	j := startJaeger(t, jaegerOptions{})
	c := startCollector(t, collectorOptions{Config: "gateway-tail-sampling.yaml", Traces: j.HTTP, Env: []string{"SAMPLE_PERCENTAGE=100"}})
	e := startExporter(t, exporterOptions{Env: tracesOverHTTP(c.HTTP), Config: quickGrace})
	bodies := variant(t, "transfer", 1, nil)
	e.post(t, bodies...)
	checkTrace(t, j, expectedCalls(t, bodies...)[0])
	confirmed(t, "a call without anything remarkable is kept at 100 %%")
}
