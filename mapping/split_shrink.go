package mapping

import (
	"fmt"
	"slices"
	"strings"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

const truncatedKey = "wxa.truncated"

// shrinkSpan cuts an encoded span to at most limit bytes: without its content
// attributes, then without events from the end.
func shrinkSpan(raw []byte, limit int) ([]byte, error) {
	span := new(tracepb.Span)
	if err := proto.Unmarshal(raw, span); err != nil {
		return nil, fmt.Errorf("span: %w", err)
	}
	var dropped int
	span.Attributes, dropped = withoutContent(span.Attributes)
	span.DroppedAttributesCount += uint32(dropped)
	for _, e := range span.Events {
		e.Attributes, dropped = withoutContent(e.Attributes)
		e.DroppedAttributesCount += uint32(dropped)
	}
	span.Attributes = withFlag(span.Attributes)
	// The count of dropped events, not there yet, takes up to maxFieldHead.
	size := proto.Size(span) + maxFieldHead
	for n := len(span.Events); n > 0 && size > limit; n-- {
		size -= 1 + protowire.SizeBytes(proto.Size(span.Events[n-1]))
		span.Events = span.Events[:n-1]
		span.DroppedEventsCount++
	}
	if size > limit {
		return nil, ErrTooLarge
	}
	return proto.MarshalOptions{Deterministic: true}.Marshal(span)
}

// shrinkRecord cuts an encoded log record to at most limit bytes, without its
// content attributes.
func shrinkRecord(raw []byte, limit int) ([]byte, error) {
	record := new(logspb.LogRecord)
	if err := proto.Unmarshal(raw, record); err != nil {
		return nil, fmt.Errorf("log record: %w", err)
	}
	var dropped int
	record.Attributes, dropped = withoutContent(record.Attributes)
	record.DroppedAttributesCount += uint32(dropped)
	record.Attributes = withFlag(record.Attributes)
	if proto.Size(record) > limit {
		return nil, ErrTooLarge
	}
	return proto.MarshalOptions{Deterministic: true}.Marshal(record)
}

func withoutContent(attributes []*commonpb.KeyValue) (kept []*commonpb.KeyValue, dropped int) {
	kept = slices.DeleteFunc(attributes, func(kv *commonpb.KeyValue) bool {
		return kv.GetKey() == attrGenAIInput || kv.GetKey() == attrGenAIOutput
	})
	return kept, len(attributes) - len(kept)
}

// withFlag adds wxa.truncated at its place among the sorted attributes.
func withFlag(attributes []*commonpb.KeyValue) []*commonpb.KeyValue {
	at, found := slices.BinarySearchFunc(attributes, truncatedKey, func(kv *commonpb.KeyValue, key string) int {
		return strings.Compare(kv.GetKey(), key)
	})
	if found {
		return attributes
	}
	return slices.Insert(attributes, at, &commonpb.KeyValue{
		Key:   truncatedKey,
		Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: true}},
	})
}
