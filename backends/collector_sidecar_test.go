package backends

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"cdr2otel/internal/testenv"
)

func TestTheSidecarCollectorRelaysTracesAndMetrics(t *testing.T) {
	t.Parallel()
	p := startPrometheus(t, prometheusOptions{})
	bodies := sampleBodies(t)
	calls := expectedCalls(t, bodies...)
	for _, protocol := range []struct {
		name string
		env  func(*collector) []string
	}{
		{"gRPC", func(c *collector) []string { return tracesOverGRPC(c.GRPC) }},
		{"HTTP", func(c *collector) []string { return tracesOverHTTP(c.HTTP) }},
	} {
		j := startJaeger(t, jaegerOptions{})
		c := startCollector(t, collectorOptions{Config: "sidecar.yaml", Traces: j.HTTP, Metrics: p.URL + "/api/v1/otlp"})
		e := startExporter(t, exporterOptions{Env: protocol.env(c), Config: quickGrace})
		e.post(t, bodies...)
		e.awaitExported(t, len(bodies))
		for _, want := range calls {
			checkTrace(t, j, want)
		}
		confirmed(t, "%d calls over OTLP/%s through sidecar.yaml are in Jaeger, complete and without a warning", len(calls), protocol.name)
	}
}

// ownMetric is the sum of a metric of the Collector's own over all its labels
// that hold text; 0 while there is none.
func (c *collector) ownMetric(ctx context.Context, name, text string) (float64, error) {
	page, err := get(ctx, "http://"+c.Metrics+"/metrics")
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for line := range strings.Lines(string(page)) {
		labels, value, _ := strings.Cut(strings.TrimSpace(line), "} ")
		if !strings.HasPrefix(labels, name+"{") || !strings.Contains(labels, text) {
			continue
		}
		number, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", line, err)
		}
		sum += number
	}
	return sum, nil
}

// awaitOwnMetric returns once the metric has at least that value.
func (c *collector) awaitOwnMetric(t testing.TB, name, text string, atLeast float64) {
	t.Helper()
	eventually(t, fmt.Sprintf("the Collector's %s{%s} is %v", name, text, atLeast), func(ctx context.Context) error {
		value, err := c.ownMetric(ctx, name, text)
		if err == nil && value < atLeast {
			err = fmt.Errorf("it is %v", value)
		}
		return err
	})
}

func TestTheSidecarCollectorKeepsCallsOverAKillWhileTheBackEndIsDown(t *testing.T) {
	t.Parallel()
	toolPath(t, "jaeger")
	address := testenv.FreeAddress(t)
	c := startCollector(t, collectorOptions{Config: "sidecar.yaml", Traces: "http://" + address})
	bodies := sampleBodies(t)
	calls := expectedCalls(t, bodies...)
	e := startExporter(t, exporterOptions{Env: tracesOverGRPC(c.GRPC), Config: quickGrace})
	e.post(t, bodies...)
	// All were answered "yes": from here they are the Collector's.
	e.awaitExported(t, len(bodies))
	e.terminate(t)
	c.kill()

	c.again(t)
	j := startJaeger(t, jaegerOptions{HTTPAddress: address})
	for _, want := range calls {
		checkTrace(t, j, want)
	}
	confirmed(t, "%d calls that a Collector with sidecar.yaml had taken while Jaeger was down are in Jaeger after a kill -9 of the Collector, complete and without a warning", len(calls))
}

func TestNothingIsLostWhenTheSidecarCollectorRefuses(t *testing.T) {
	t.Parallel()
	toolPath(t, "jaeger")
	bodies := sampleBodies(t)
	calls := expectedCalls(t, bodies...)
	for _, refusal := range []struct {
		name string
		set  []string
	}{
		{"because its queue is full", []string{"exporters.otlp_http/traces.sending_queue.queue_size=2"}},
		// As README.md says it.
		{"because it has no queue and the back end is down", []string{
			"exporters.otlp_http/traces.sending_queue.enabled=false",
			"exporters.otlp_http/traces.retry_on_failure.enabled=false",
		}},
	} {
		t.Run(refusal.name, func(t *testing.T) {
			address := testenv.FreeAddress(t)
			c := startCollector(t, collectorOptions{Config: "sidecar.yaml", Traces: "http://" + address, Set: refusal.set})
			e := startExporter(t, exporterOptions{Env: tracesOverGRPC(c.GRPC), Config: quickGrace})
			e.post(t, bodies...)
			eventually(t, "the exporter waits for the Collector", func(ctx context.Context) error {
				r, err := e.readiness(ctx)
				if err == nil && !strings.HasPrefix(r.Delivery["traces"], "held") {
					err = fmt.Errorf("delivery %v, events %v", r.Delivery, r.Events)
				}
				return err
			})
			j := startJaeger(t, jaegerOptions{HTTPAddress: address})
			e.awaitExported(t, len(bodies))
			for _, want := range calls {
				checkTrace(t, j, want)
			}
			confirmed(t, "a Collector refuses %s: the exporter waits, and all %d calls are in Jaeger once it is up", refusal.name, len(calls))
		})
	}
}
