// Package tracetree draws OTLP traces as text: what Jaeger would show, in a
// terminal. The drawing is a pure function of the requests.
package tracetree

import (
	"cmp"
	"slices"

	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// trace is the spans of one trace id, of however many requests.
type trace struct {
	id         string // the raw 16 bytes
	service    string
	roots      []*node
	start, end uint64 // Unix nanoseconds, over all spans
	spans      int
	events     int
	records    int
}

// node is a span and what hangs from it.
type node struct {
	span     *tracepb.Span
	children []*node
	records  []*tracepb.Span_Event // log records that name the span
	// detached: it names a parent that is not in the requests (a late span).
	detached bool
}

// build groups the spans by trace, in order of appearance, and each trace's by
// parent, in order of time, and gives the spans their log records.
func build(requests []*coltracepb.ExportTraceServiceRequest, logs []*collogspb.ExportLogsServiceRequest) []*trace {
	var traces []*trace
	byTrace := map[string]*trace{}
	bySpan := map[string]*node{} // trace id ‖ span id
	for _, request := range requests {
		for _, resource := range request.GetResourceSpans() {
			service := text(resource.GetResource().GetAttributes(), "service.name")
			for _, scope := range resource.GetScopeSpans() {
				for _, span := range scope.GetSpans() {
					t := byTrace[string(span.GetTraceId())]
					if t == nil {
						t = &trace{id: string(span.GetTraceId()), service: service}
						byTrace[t.id] = t
						traces = append(traces, t)
					}
					t.add(span, bySpan)
				}
			}
		}
	}
	for _, t := range traces {
		t.link(bySpan)
	}
	addRecords(logs, byTrace, bySpan)
	return traces
}

// add takes a span in; until link every span is a root. A span that was
// exported twice counts once.
func (t *trace) add(span *tracepb.Span, bySpan map[string]*node) {
	key := t.id + string(span.GetSpanId())
	if bySpan[key] != nil {
		return
	}
	n := &node{span: span}
	bySpan[key] = n
	t.roots = append(t.roots, n)
	t.spans++
	t.events += len(span.GetEvents())
	if t.spans == 1 || span.GetStartTimeUnixNano() < t.start {
		t.start = span.GetStartTimeUnixNano()
	}
	t.end = max(t.end, span.GetEndTimeUnixNano(), t.start)
}

// link hangs every span from its parent.
func (t *trace) link(bySpan map[string]*node) {
	all := t.roots
	t.roots = nil
	for _, n := range all {
		parent := bySpan[t.id+string(n.span.GetParentSpanId())]
		switch {
		case len(n.span.GetParentSpanId()) == 0:
			t.roots = append(t.roots, n)
		case parent == nil || parent == n:
			n.detached = true
			t.roots = append(t.roots, n)
		default:
			parent.children = append(parent.children, n)
		}
	}
	for _, n := range all {
		slices.SortStableFunc(n.children, byStart)
	}
	slices.SortStableFunc(t.roots, byStart)
}

func byStart(a, b *node) int {
	return cmp.Compare(a.span.GetStartTimeUnixNano(), b.span.GetStartTimeUnixNano())
}

func value(attributes []*commonpb.KeyValue, key string) *commonpb.AnyValue {
	for _, a := range attributes {
		if a.GetKey() == key {
			return a.GetValue()
		}
	}
	return nil
}

func text(attributes []*commonpb.KeyValue, key string) string {
	return value(attributes, key).GetStringValue()
}

func truth(attributes []*commonpb.KeyValue, key string) bool {
	return value(attributes, key).GetBoolValue()
}

func texts(attributes []*commonpb.KeyValue, key string) []string {
	var list []string
	for _, v := range value(attributes, key).GetArrayValue().GetValues() {
		list = append(list, v.GetStringValue())
	}
	return list
}

// number is a double attribute.
func number(attributes []*commonpb.KeyValue, key string) (float64, bool) {
	v, ok := value(attributes, key).GetValue().(*commonpb.AnyValue_DoubleValue)
	if !ok {
		return 0, false
	}
	return v.DoubleValue, true
}
