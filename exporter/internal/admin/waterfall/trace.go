// Package waterfall draws one trace as the picture an operator reads a call
// from: which part of it made the caller wait. It takes the OTLP requests that
// were exported, nothing else, and it is pure: the same requests give the same
// bytes.
//
//	requests ──► Decode ──► Trace ──► Trace.Chart(page) ──► Chart.Write ──► SVG
//	             spans, log records   bars, waits, ticks    html/template
package waterfall

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"slices"

	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"cdr2otel/mapping"
)

// Request is one encoded OTLP request as it was exported.
type Request struct {
	Signal string // "traces" or "logs"
	Body   []byte
}

// Trace is the spans of the requests, each under its parent.
type Trace struct {
	// Roots are the calls and conversations, and spans whose parent is not here, in
	// order of time.
	Roots []*Span
	// Loose are events of log records when there is no span at all to hang them
	// from: the call is not assembled yet.
	Loose []Event
	// Start and End are the bounds of all spans, Unix nanoseconds.
	Start, End uint64

	spans map[string]*Span
}

// Span is an exported span in the place it has in its trace.
type Span struct {
	ID         string // hex
	Name       string
	Kind       tracepb.Span_SpanKind
	Start, End uint64 // Unix nanoseconds, End not before Start
	Failed     bool   // its status is Error
	Attributes Attributes
	Events     []Event // in order of time
	Links      []Link
	Parent     *Span // nil: a root
	Children   []*Span
	// Detached: it names a parent that is not here.
	Detached bool
}

// Event is a span event, or a log record that stands for one.
type Event struct {
	Name       string
	At         uint64 // Unix nanoseconds
	Attributes Attributes
	Span       *Span // nil for a loose one
}

// Link is what a root points at: what caused the call, or messages of it that
// left before it.
type Link struct {
	TraceID, SpanID string // hex
	Kind            string // upstream or conversation
}

// Decode reads the requests of one trace. A span that is there twice counts
// once; with events as span events and as log records, those on the spans count.
func Decode(requests []Request) (*Trace, error) {
	t := &Trace{spans: map[string]*Span{}}
	var records []*logspb.LogRecord
	var all []*Span
	for _, request := range requests {
		switch request.Signal {
		case "traces":
			var r coltracepb.ExportTraceServiceRequest
			if err := proto.Unmarshal(request.Body, &r); err != nil {
				return nil, fmt.Errorf("decode exported spans: %w", err)
			}
			all = t.take(all, &r)
		case "logs":
			var r collogspb.ExportLogsServiceRequest
			if err := proto.Unmarshal(request.Body, &r); err != nil {
				return nil, fmt.Errorf("decode exported log records: %w", err)
			}
			records = append(records, logRecords(&r)...)
		}
	}
	t.link(all)
	t.hang(records)
	return t, nil
}

// take reads the spans of a request.
func (t *Trace) take(all []*Span, r *coltracepb.ExportTraceServiceRequest) []*Span {
	for _, resource := range r.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				id := hex.EncodeToString(s.GetSpanId())
				if t.spans[id] != nil {
					continue
				}
				span := newSpan(id, s)
				t.spans[id] = span
				all = append(all, span)
			}
		}
	}
	return all
}

func newSpan(id string, s *tracepb.Span) *Span {
	span := &Span{
		ID:         id,
		Name:       s.GetName(),
		Kind:       s.GetKind(),
		Start:      s.GetStartTimeUnixNano(),
		End:        max(s.GetStartTimeUnixNano(), s.GetEndTimeUnixNano()),
		Failed:     s.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR,
		Attributes: Attributes(s.GetAttributes()),
	}
	if parent := s.GetParentSpanId(); len(parent) > 0 {
		span.Detached = true // until link finds it
		span.Parent = &Span{ID: hex.EncodeToString(parent)}
	}
	for _, e := range s.GetEvents() {
		span.Events = append(span.Events, Event{e.GetName(), e.GetTimeUnixNano(), e.GetAttributes(), span})
	}
	sortEvents(span.Events)
	for _, l := range s.GetLinks() {
		span.Links = append(span.Links, Link{
			hex.EncodeToString(l.GetTraceId()), hex.EncodeToString(l.GetSpanId()),
			Attributes(l.GetAttributes()).Text(mapping.Prefix + "link.kind"),
		})
	}
	return span
}

// link hangs every span from its parent and puts each one's children in order of
// time. A span that would be its own ancestor is a root.
func (t *Trace) link(all []*Span) {
	for _, span := range all {
		if span.Parent == nil {
			continue
		}
		parent := t.spans[span.Parent.ID]
		span.Parent = nil
		if parent == nil || parent.under(span) {
			continue
		}
		span.Parent, span.Detached = parent, false
	}
	for i, span := range all {
		if i == 0 || span.Start < t.Start {
			t.Start = span.Start
		}
		t.End = max(t.End, span.End)
		if span.Parent != nil {
			span.Parent.Children = append(span.Parent.Children, span)
		} else {
			t.Roots = append(t.Roots, span)
		}
	}
	for _, span := range all {
		slices.SortFunc(span.Children, byTime)
	}
	slices.SortFunc(t.Roots, byTime)
}

// under tells whether the span is the other one or hangs below it. Parents that
// are not linked yet end the chain: each link that is made is checked, so no
// cycle ever closes.
func (s *Span) under(other *Span) bool {
	for ; s != nil; s = s.Parent {
		if s == other {
			return true
		}
	}
	return false
}

func byTime(a, b *Span) int {
	return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(b.End, a.End), cmp.Compare(a.ID, b.ID))
}

func sortEvents(events []Event) {
	slices.SortStableFunc(events, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
}

// logRecords lists the records of a request that stand for an event.
func logRecords(r *collogspb.ExportLogsServiceRequest) []*logspb.LogRecord {
	var records []*logspb.LogRecord
	for _, resource := range r.GetResourceLogs() {
		for _, scope := range resource.GetScopeLogs() {
			for _, record := range scope.GetLogRecords() {
				if record.GetEventName() != "" {
					records = append(records, record)
				}
			}
		}
	}
	return records
}

// hang adds the log records to the spans they name. What the spans say already
// is not said twice. An early record's span is a prediction: where it isn't
// there, the record hangs from the first root.
func (t *Trace) hang(records []*logspb.LogRecord) {
	type event struct{ name, place string }
	said := map[event]bool{}
	for id, span := range t.spans {
		for _, e := range span.Events {
			said[event{e.Name, id}] = true
			if log := e.Attributes.Text(attrLogID); log != "" {
				said[event{e.Name, "log " + log}] = true
			}
		}
	}
	for _, record := range records {
		e := Event{Name: record.GetEventName(), At: record.GetTimeUnixNano(), Attributes: record.GetAttributes()}
		log := e.Attributes.Text(attrLogID)
		if said[event{e.Name, hex.EncodeToString(record.GetSpanId())}] || log != "" && said[event{e.Name, "log " + log}] {
			continue
		}
		e.Span = t.spans[hex.EncodeToString(record.GetSpanId())]
		if e.Span == nil && len(t.Roots) > 0 {
			e.Span = t.Roots[0]
		}
		if e.Span == nil {
			t.Loose = append(t.Loose, e)
			continue
		}
		e.Span.Events = append(e.Span.Events, e)
	}
	for _, span := range t.spans {
		sortEvents(span.Events)
	}
	sortEvents(t.Loose)
}

// Events are all events of a name, in order of time.
func (t *Trace) Events(name string) []Event {
	var events []Event
	t.each(func(s *Span) {
		for _, e := range s.Events {
			if e.Name == name {
				events = append(events, e)
			}
		}
	})
	for _, e := range t.Loose {
		if e.Name == name {
			events = append(events, e)
		}
	}
	sortEvents(events)
	return events
}

// each visits every span, parents first, then in order of time.
func (t *Trace) each(visit func(*Span)) {
	stack := slices.Clone(t.Roots)
	slices.Reverse(stack)
	for len(stack) > 0 {
		s := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		visit(s)
		for _, child := range slices.Backward(s.Children) {
			stack = append(stack, child)
		}
	}
}

// Spans is how many spans there are.
func (t *Trace) Spans() int { return len(t.spans) }

// Main is the root the page is about: the first call, else the first
// conversation, else the first root; nil without spans.
func (t *Trace) Main() *Span {
	for _, want := range []string{roleCall, roleConversation} {
		for _, root := range t.Roots {
			if role(root) == want {
				return root
			}
		}
	}
	if len(t.Roots) == 0 {
		return nil
	}
	return t.Roots[0]
}

// Named are the spans of a name, parents first, then in order of time.
func (t *Trace) Named(name string) []*Span {
	var spans []*Span
	t.each(func(s *Span) {
		if s.Name == name {
			spans = append(spans, s)
		}
	})
	return spans
}
