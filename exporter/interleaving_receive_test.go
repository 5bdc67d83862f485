package exporter

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"cdr2otel/exporter/internal/delivery"
)

// receive is the receiver of both signals: it remembers what left, and that nothing
// changed when it is sent again.
func (w *world) receive(signal string, r delivery.Request) {
	w.t.Helper()
	if before, again := w.sent[r.ID]; again {
		if !bytes.Equal(before, r.Body) {
			w.t.Errorf("request %d was sent again with other bytes", r.ID)
		}
		return
	}
	w.sent[r.ID] = slices.Clone(r.Body)
	from := len(w.order)
	defer func() {
		for _, name := range w.order[from:] {
			if w.forgotten[name] {
				w.t.Errorf("%s left after it was forgotten", name)
			}
		}
	}()
	if signal == delivery.SignalLogs {
		w.receiveLogs(r.Body)
		return
	}
	request := &coltracepb.ExportTraceServiceRequest{}
	if err := proto.Unmarshal(r.Body, request); err != nil {
		w.t.Fatal(err)
	}
	for _, span := range request.ResourceSpans[0].ScopeSpans[0].Spans {
		id := fmt.Sprintf("%x/%x", span.TraceId, span.SpanId)
		if w.left[id] != nil {
			w.t.Errorf("span %s (%s) left twice", id, span.Name)
		}
		encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(span)
		if err != nil {
			w.t.Fatal(err)
		}
		w.left[id] = encoded
		w.order = append(w.order, onSpan(span)...)
	}
}

// onSpan names the messages and calls that a span is or has.
func onSpan(span *tracepb.Span) []string {
	var names []string
	if strings.HasPrefix(span.Name, "call ") && len(span.ParentSpanId) == 0 {
		names = append(names, "call "+valueOf(span.Attributes, "wxa.call.id"))
	}
	if span.Name == "message_logged" {
		names = append(names, "span "+valueOf(span.Attributes, "wxa.log_id"))
	}
	for _, event := range span.Events {
		if event.Name == "wxa.message" {
			names = append(names, "span "+valueOf(event.Attributes, "wxa.log_id"))
		}
	}
	return names
}

func (w *world) receiveLogs(encoded []byte) {
	w.t.Helper()
	request := &collogspb.ExportLogsServiceRequest{}
	if err := proto.Unmarshal(encoded, request); err != nil {
		w.t.Fatal(err)
	}
	for _, record := range request.ResourceLogs[0].ScopeLogs[0].LogRecords {
		if record.EventName == "wxa.message" {
			w.order = append(w.order, "record "+valueOf(record.Attributes, "wxa.log_id"))
		}
	}
}

func valueOf(attributes []*commonpb.KeyValue, key string) string {
	for _, a := range attributes {
		if a.Key == key {
			return a.Value.GetStringValue()
		}
	}
	return ""
}

// checkSpans: each call is there once, and every parent is there and holds its
// children (I4).
func (w *world) checkSpans(times map[string]int) {
	w.t.Helper()
	for name, n := range times {
		if strings.HasPrefix(name, "call ") && n != 1 {
			w.t.Errorf("%s left %d times", name, n)
		}
	}
	spans := map[string]*tracepb.Span{}
	for id, encoded := range w.left {
		span := &tracepb.Span{}
		if err := proto.Unmarshal(encoded, span); err != nil {
			w.t.Fatal(err)
		}
		spans[id] = span
	}
	for id, span := range spans {
		if len(span.ParentSpanId) == 0 {
			continue
		}
		parent := spans[fmt.Sprintf("%x/%x", span.TraceId, span.ParentSpanId)]
		if parent == nil || span.StartTimeUnixNano < parent.StartTimeUnixNano || span.EndTimeUnixNano > parent.EndTimeUnixNano {
			w.t.Errorf("span %s (%s) does not lie in its parent", id, span.Name)
		}
	}
}
