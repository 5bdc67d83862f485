package admin

import (
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"cdr2otel/mapping"
)

// attributeLogID ties a span, an event or a log record to the message log that it
// was made of.
const attributeLogID = mapping.Prefix + "log_id"

// became is what one delivery became, as it was sent.
type became struct {
	Spans   []sentSpan
	Records []sentRecord
	Others  int  // further spans in the same requests
	Gone    bool // requests were made and are not kept
	Bad     bool // a request can't be decoded
	Private bool // a private value is among what is shown
}

// Visibility of a value.
type Visibility int

// Who sees a value.
const (
	Public  Visibility = iota // who sees the page
	Private                   // the same, because the configuration says so, and it is logged
	Hidden                    // nobody: the configuration does not say so
)

// sentSpan is one span.
type sentSpan struct {
	Name, SpanID string
	Start, End   time.Time
	Failed       bool
	Attributes   []attribute
	Events       []sentEvent
}

// sentEvent is an event on a span.
type sentEvent struct {
	Name       string
	At         time.Time
	Attributes []attribute
}

// sentRecord is a log record.
type sentRecord struct {
	Name       string
	At         time.Time
	Attributes []attribute
}

// attribute with its value as text.
type attribute struct {
	Key, Value string
	Hidden     bool
}

// whatBecame finds in the requests of a delivery the spans that it made.
func (p *pages) whatBecame(d Detail) became {
	s := sifter{delivery: d.Delivery, visibility: p.cfg.Attribute}
	for _, r := range d.Requests {
		switch {
		case r.Body == nil:
			s.Gone = true
		case r.Signal == "logs":
			s.logs(r.Body)
		default:
			s.traces(r.Body)
		}
	}
	return s.became
}

// sifter gathers what belongs to one delivery.
type sifter struct {
	delivery   Delivery
	visibility func(key string) Visibility
	became
}

func (s *sifter) traces(body []byte) {
	var request coltracepb.ExportTraceServiceRequest
	if proto.Unmarshal(body, &request) != nil {
		s.Bad = true
		return
	}
	for _, resource := range request.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				s.span(span)
			}
		}
	}
}

func (s *sifter) span(span *tracepb.Span) {
	own := hex.EncodeToString(span.GetSpanId()) == s.delivery.SpanID || s.names(span.GetAttributes())
	var events []sentEvent
	for _, e := range span.GetEvents() {
		if own || s.names(e.GetAttributes()) {
			events = append(events, sentEvent{e.GetName(), nanoTime(e.GetTimeUnixNano()), s.attributes(e.GetAttributes())})
		}
	}
	if !own && len(events) == 0 {
		s.Others++
		return
	}
	s.Spans = append(s.Spans, sentSpan{
		Name:       span.GetName(),
		SpanID:     hex.EncodeToString(span.GetSpanId()),
		Start:      nanoTime(span.GetStartTimeUnixNano()),
		End:        nanoTime(span.GetEndTimeUnixNano()),
		Failed:     span.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR,
		Attributes: s.attributes(span.GetAttributes()),
		Events:     events,
	})
}

func (s *sifter) logs(body []byte) {
	var request collogspb.ExportLogsServiceRequest
	if proto.Unmarshal(body, &request) != nil {
		s.Bad = true
		return
	}
	for _, resource := range request.GetResourceLogs() {
		for _, scope := range resource.GetScopeLogs() {
			for _, record := range scope.GetLogRecords() {
				s.Records = append(s.Records, sentRecord{record.GetEventName(), nanoTime(record.GetTimeUnixNano()), s.attributes(record.GetAttributes())})
			}
		}
	}
}

// names tells whether attributes are those of the delivery's message.
func (s *sifter) names(attributes []*commonpb.KeyValue) bool {
	if s.delivery.LogID == "" {
		return false
	}
	for _, a := range attributes {
		if a.GetKey() == attributeLogID {
			return a.GetValue().GetStringValue() == s.delivery.LogID
		}
	}
	return false
}

// attributes as text. What may not be seen is said to be there, so that nobody
// looks for it elsewhere.
func (s *sifter) attributes(list []*commonpb.KeyValue) []attribute {
	out := make([]attribute, 0, len(list))
	for _, a := range list {
		key := a.GetKey()
		switch s.visibility(key) {
		case Hidden:
			out = append(out, attribute{Key: key, Hidden: true})
			continue
		case Private:
			s.Private = true
		}
		out = append(out, attribute{Key: key, Value: valueText(a.GetValue())})
	}
	return out
}

// valueText writes the value of an attribute.
func valueText(v *commonpb.AnyValue) string {
	switch v := v.GetValue().(type) {
	case *commonpb.AnyValue_StringValue:
		return v.StringValue
	case *commonpb.AnyValue_BoolValue:
		return strconv.FormatBool(v.BoolValue)
	case *commonpb.AnyValue_IntValue:
		return strconv.FormatInt(v.IntValue, 10)
	case *commonpb.AnyValue_DoubleValue:
		return strconv.FormatFloat(v.DoubleValue, 'g', -1, 64)
	case *commonpb.AnyValue_ArrayValue:
		values := make([]string, len(v.ArrayValue.GetValues()))
		for i, element := range v.ArrayValue.GetValues() {
			values[i] = valueText(element)
		}
		return strings.Join(values, ", ")
	}
	return ""
}

// nanoTime is an instant of OTLP.
func nanoTime(n uint64) time.Time { return time.Unix(0, int64(n)).UTC() }
