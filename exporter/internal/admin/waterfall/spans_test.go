package waterfall_test

import (
	"encoding/binary"
	"fmt"
	"testing"

	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"cdr2otel/exporter/internal/admin/waterfall"
)

// millisecond in nanoseconds, and an instant that is nowhere near an edge.
const (
	millisecond = uint64(1e6)
	noon        = uint64(1_709_650_800_000_000_000)
)

func id(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func hexOf(n uint64) string { return fmt.Sprintf("%016x", n) }

// span from and to the given milliseconds after noon; parent 0 is none.
func span(n, parent uint64, name string, from, to uint64, attributes ...*commonpb.KeyValue) *tracepb.Span {
	s := &tracepb.Span{SpanId: id(n), Name: name, StartTimeUnixNano: noon + from*millisecond, EndTimeUnixNano: noon + to*millisecond, Attributes: attributes}
	if parent != 0 {
		s.ParentSpanId = id(parent)
	}
	return s
}

func text(key, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
}

func double(key string, value float64) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_DoubleValue{DoubleValue: value}}}
}

func integer(key string, value int64) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: value}}}
}

func event(name string, at uint64, attributes ...*commonpb.KeyValue) *tracepb.Span_Event {
	return &tracepb.Span_Event{Name: name, TimeUnixNano: noon + at*millisecond, Attributes: attributes}
}

func traces(t testing.TB, spans ...*tracepb.Span) waterfall.Request {
	t.Helper()
	body, err := proto.Marshal(&coltracepb.ExportTraceServiceRequest{
		ResourceSpans: []*tracepb.ResourceSpans{{ScopeSpans: []*tracepb.ScopeSpans{{Spans: spans}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return waterfall.Request{Signal: "traces", Body: body}
}

func logs(t testing.TB, records ...*logspb.LogRecord) waterfall.Request {
	t.Helper()
	body, err := proto.Marshal(&collogspb.ExportLogsServiceRequest{
		ResourceLogs: []*logspb.ResourceLogs{{ScopeLogs: []*logspb.ScopeLogs{{LogRecords: records}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return waterfall.Request{Signal: "logs", Body: body}
}
