package mapping

import (
	"cmp"
	"slices"
	"strings"

	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
)

// record adds a log record: an event that names the span it is about. It has no
// body, as the conventions ask of events that are told by their attributes.
func (b *builder) record(span []byte, name string, at int64, attributes []*commonpb.KeyValue) {
	from := b.mark()
	b.pairs = append(append(b.pairs, b.everywhere...), attributes...)
	severity, text := severityOf(name, attributes)
	record := &logspb.LogRecord{
		TimeUnixNano:         uint64(max(0, at)),
		ObservedTimeUnixNano: b.receivedAt,
		SeverityNumber:       severity,
		SeverityText:         text,
		Attributes:           b.since(from),
		SpanId:               span,
		EventName:            name,
	}
	if !b.trace.IsZero() {
		record.TraceId = b.bytes(b.trace[:])
		record.Flags = sampled
	}
	b.records = append(b.records, record)
}

// severityOf an event is that of its warning; what makes its span an error is one
// here too.
func severityOf(name string, attributes []*commonpb.KeyValue) (logspb.SeverityNumber, string) {
	letter := ""
	for _, kv := range attributes {
		switch kv.GetKey() {
		case attrWarningSeverity:
			letter = kv.GetValue().GetStringValue()
		case attrMessageError, attrErrorType:
			letter = "E"
		}
	}
	switch {
	case letter == "E":
		return logspb.SeverityNumber_SEVERITY_NUMBER_ERROR, "ERROR"
	case letter == "W", letter == "" && name == eventWarning:
		return logspb.SeverityNumber_SEVERITY_NUMBER_WARN, "WARN"
	}
	return logspb.SeverityNumber_SEVERITY_NUMBER_INFO, "INFO"
}

// logs wraps the records: one resource, one scope, as of the spans. They come in
// order of time, then name; what is left is in the order of the spans. Nil when
// there are none.
func (b *builder) logs(resource *resourcepb.Resource, version string) *collogspb.ExportLogsServiceRequest {
	if len(b.records) == 0 {
		return nil
	}
	slices.SortStableFunc(b.records, func(x, y *logspb.LogRecord) int {
		return cmp.Or(cmp.Compare(x.TimeUnixNano, y.TimeUnixNano), strings.Compare(x.EventName, y.EventName))
	})
	return &collogspb.ExportLogsServiceRequest{
		ResourceLogs: []*logspb.ResourceLogs{{
			Resource:  resource,
			SchemaUrl: SchemaURL,
			ScopeLogs: []*logspb.ScopeLogs{{
				Scope:      &commonpb.InstrumentationScope{Name: scopeName, Version: version},
				SchemaUrl:  SchemaURL,
				LogRecords: b.records,
			}},
		}},
	}
}

// idOrNone is the id as OTLP has it: a record without a span has no bytes.
func idOrNone(id SpanID) []byte {
	if id.IsZero() {
		return nil
	}
	return id[:]
}
