package backends

import (
	"bytes"
	"context"
	"testing"
	"time"

	"cdr2otel/internal/otlptest"
)

// Log records go the way of the traces, through a Collector that has a pipeline for
// them, with the ids of the spans of their call.
func TestTheSidecarCollectorRelaysLogRecords(t *testing.T) {
	t.Parallel()
	behind := otlptest.New(t, otlptest.Options{})
	bodies := sampleBodies(t)
	for _, protocol := range []struct {
		name string
		env  func(*collector) []string
	}{
		{"gRPC", func(c *collector) []string { return tracesOverGRPC(c.GRPC) }},
		{"HTTP", func(c *collector) []string { return tracesOverHTTP(c.HTTP) }},
	} {
		before := len(behind.LogRecords())
		c := startCollector(t, collectorOptions{
			Config: "sidecar.yaml", Beside: []string{"logs.yaml"},
			Traces: behind.HTTPEndpoint(), Env: []string{"LOGS_ENDPOINT=" + behind.HTTPEndpoint()},
		})
		e := startExporter(t, exporterOptions{Env: protocol.env(c), Config: quickGrace + "\nmapping: {events: both}\n"})
		e.post(t, bodies...)
		e.awaitExported(t, len(bodies))

		// Everything was said yes to; behind the Collector it may still be on its way.
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		messages := 0
		err := behind.Wait(ctx, func([]otlptest.Request) bool {
			messages = 0
			for _, record := range behind.LogRecords()[before:] {
				if record.EventName == "wxa.message" {
					messages++
				}
			}
			return messages >= messageLogs(bodies) && allSpansAreThere(behind, before)
		})
		cancel()
		if err != nil {
			t.Fatalf("%d of %d messages came over %s: %v", messages, messageLogs(bodies), protocol.name, err)
		}
		if messages > messageLogs(bodies) {
			t.Errorf("%d records of %d messages came", messages, messageLogs(bodies))
		}
		confirmed(t, "%d log records over OTLP/%s through sidecar.yaml and logs.yaml, each with the ids of a span that came", len(behind.LogRecords())-before, protocol.name)
	}
}

// allSpansAreThere tells whether every record that names a span names one that came.
func allSpansAreThere(r *otlptest.Receiver, from int) bool {
	spans := map[string]bool{}
	for _, span := range r.Spans() {
		spans[string(span.TraceId)+string(span.SpanId)] = true
	}
	for _, record := range r.LogRecords()[from:] {
		if len(record.SpanId) > 0 && !spans[string(record.TraceId)+string(record.SpanId)] {
			return false
		}
	}
	return true
}

// messageLogs counts the message logs among webhook bodies.
func messageLogs(bodies [][]byte) int {
	n := 0
	for _, body := range bodies {
		if bytes.Contains(body, []byte(`"message_logged"`)) {
			n++
		}
	}
	return n
}
