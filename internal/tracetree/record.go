package tracetree

import (
	"cmp"
	"slices"

	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// addRecords hangs log records from the spans that they name, in order of time.
// They are drawn as events are, which say the same of a span.
func addRecords(logs []*collogspb.ExportLogsServiceRequest, byTrace map[string]*trace, bySpan map[string]*node) {
	for _, request := range logs {
		for _, resource := range request.GetResourceLogs() {
			for _, scope := range resource.GetScopeLogs() {
				for _, record := range scope.GetLogRecords() {
					t := byTrace[string(record.GetTraceId())]
					if t == nil {
						continue
					}
					n := bySpan[t.id+string(record.GetSpanId())]
					if n == nil {
						n = t.roots[0]
					}
					t.records++
					n.records = append(n.records, &tracepb.Span_Event{
						Name:         record.GetEventName(),
						TimeUnixNano: record.GetTimeUnixNano(),
						Attributes:   record.GetAttributes(),
					})
				}
			}
		}
	}
	for _, n := range bySpan {
		slices.SortStableFunc(n.records, func(a, b *tracepb.Span_Event) int {
			return cmp.Compare(a.GetTimeUnixNano(), b.GetTimeUnixNano())
		})
	}
}
