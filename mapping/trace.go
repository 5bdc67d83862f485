package mapping

import (
	"cmp"
	"slices"
	"strings"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// sampled is the trace flags of every span: a call is never sampled here.
const sampled = 0x01

// builder makes the OTLP values of one trace. Spans come out in the order in
// which they are begun, the attributes of each sorted by key, so the same input
// gives the same bytes.
//
// Values come out of slabs: a call has some five hundred attributes, and three
// allocations for each would be most of the cost of mapping it.
type builder struct {
	trace  TraceID
	spans  []*tracepb.Span
	policy policy

	events     Events
	early      bool   // records of onAcceptance are made here
	receivedAt uint64 // of records: when what they come from was received
	records    []*logspb.LogRecord

	spanSlab   slab[tracepb.Span]
	statusSlab slab[tracepb.Status]
	eventSlab  slab[tracepb.Span_Event]
	pairSlab   slab[pair]
	stringSlab slab[commonpb.AnyValue_StringValue]
	intSlab    slab[commonpb.AnyValue_IntValue]
	doubleSlab slab[commonpb.AnyValue_DoubleValue]
	idSlab     []byte

	words []string // room for a list of strings
	json  []byte   // room for a value in JSON
	// pairs is the list being written, after those that are finished.
	pairs []*commonpb.KeyValue
	// from is where the attributes of the span begun last start in pairs.
	from int
	// everywhere are the attributes of every span.
	everywhere  []*commonpb.KeyValue
	adjustments [adjustments]*commonpb.KeyValue
	yes, no     *commonpb.AnyValue
}

// pair is an attribute with the room for its value.
type pair struct {
	kv    commonpb.KeyValue
	value commonpb.AnyValue
}

// newBuilder makes a builder with room for about the given number of spans.
func (m *Mapper) newBuilder(trace TraceID, spans int) *builder {
	b := &builder{
		trace:  trace,
		policy: m.policy,
		events: m.config.Events,
		spans:  make([]*tracepb.Span, 0, spans),
		pairs:  make([]*commonpb.KeyValue, 0, 16*spans),
		yes:    &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: true}},
		no:     &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: false}},
	}
	b.spanSlab.size = spans
	b.eventSlab.size = spans
	b.pairSlab.size = 3 * spans
	b.stringSlab.size = 2 * spans
	b.intSlab.size = spans
	b.doubleSlab.size = spans
	b.statusSlab.size = 4
	b.always(attrSource, m.config.Source)
	return b
}

// always adds an attribute to every span begun from here on.
func (b *builder) always(key, value string) {
	from := len(b.pairs)
	b.str(key, value)
	b.everywhere = append(b.everywhere, b.since(from)...)
}

// begin appends a span. Its attributes are written next, and sealed by finish.
func (b *builder) begin(name string, kind tracepb.Span_SpanKind, id SpanID, parent SpanID, at bounds) *tracepb.Span {
	span := b.spanSlab.next()
	span.TraceId = b.bytes(b.trace[:])
	span.SpanId = b.bytes(id[:])
	if parent != (SpanID{}) {
		span.ParentSpanId = b.bytes(parent[:])
	}
	span.Flags = sampled
	span.Name = name
	span.Kind = kind
	span.StartTimeUnixNano = uint64(at.start)
	span.EndTimeUnixNano = uint64(at.end)
	b.spans = append(b.spans, span)
	b.from = len(b.pairs)
	b.pairs = append(b.pairs, b.everywhere...)
	if at.flags != 0 {
		b.pairs = append(b.pairs, b.adjusted(at.flags))
	}
	return span
}

// finish seals the attributes of the span begun last. Events come after it.
func (b *builder) finish(span *tracepb.Span) {
	span.Attributes = b.since(b.from)
}

// adjusted returns the wxa.time.adjusted of the flags, one value for all spans
// that have the same.
func (b *builder) adjusted(flags adjusted) *commonpb.KeyValue {
	if b.adjustments[flags] == nil {
		b.adjustments[flags] = &commonpb.KeyValue{Key: attrTimeAdjusted, Value: stringArray(flags.names())}
	}
	return b.adjustments[flags]
}

// mark returns the position from which an event's attributes are written.
func (b *builder) mark() int { return len(b.pairs) }

// since returns the attributes from the given position on, sorted by key.
func (b *builder) since(from int) []*commonpb.KeyValue {
	list := b.pairs[from:len(b.pairs):len(b.pairs)]
	if len(list) == 0 {
		return nil
	}
	slices.SortFunc(list, func(x, y *commonpb.KeyValue) int { return strings.Compare(x.Key, y.Key) })
	return list
}

func (b *builder) pair(key string) *commonpb.KeyValue {
	p := b.pairSlab.next()
	p.kv.Key = key
	p.kv.Value = &p.value
	b.pairs = append(b.pairs, &p.kv)
	return &p.kv
}

// str adds a string attribute; an empty one is as if absent.
func (b *builder) str(key, value string) {
	if value == "" {
		return
	}
	v := b.stringSlab.next()
	v.StringValue = Text(value, MaxString)
	b.pair(key).Value.Value = v
}

// addID adds an id of the source; an empty one is as if absent.
func (b *builder) addID(key, value string) { b.str(key, b.policy.ids.Shown(value)) }

// redacted adds a text to which only the configured rules apply.
func (b *builder) redacted(key, value string) { b.str(key, b.policy.redact.name(value)) }

// name adds a name of the given form; an empty one is as if absent.
func (b *builder) name(key string, form nameForm, value string) {
	b.str(key, b.policy.name(form, value))
}

// unlessKnown redacts a word of an open set; those that are documented are nobody's
// text.
func (b *builder) unlessKnown(word string, known bool) string {
	if known {
		return word
	}
	return b.policy.redact.name(word)
}

// each returns what the function makes of the values, which stay as they are.
func each(values []string, of func(string) string) []string {
	out := make([]string, len(values))
	for i, value := range values {
		out[i] = of(value)
	}
	return out
}

func (b *builder) int(key string, value int64) {
	v := b.intSlab.next()
	v.IntValue = value
	b.pair(key).Value.Value = v
}

func (b *builder) double(key string, value float64) {
	v := b.doubleSlab.next()
	v.DoubleValue = value
	b.pair(key).Value.Value = v
}

func (b *builder) bool(key string, value bool) {
	kv := b.pair(key)
	kv.Value = b.no
	if value {
		kv.Value = b.yes
	}
}

// maybe adds a boolean the payload may not have said.
func (b *builder) maybe(key string, value *bool) {
	if value != nil {
		b.bool(key, *value)
	}
}

// duration adds a measured duration in seconds; 0 is not measured.
func (b *builder) duration(key string, m measure) {
	if m.measured() {
		b.double(key, m.seconds())
	}
}

// known adds a duration in seconds of which 0 is a value too.
func (b *builder) known(key string, m measure) {
	if m.known {
		b.double(key, m.seconds())
	}
}

// confidence adds the first of the numbers that is one between 0 and 1.
func (b *builder) confidence(key string, numbers ...Number) {
	if confidence, ok := firstConfidence(numbers...); ok {
		b.double(key, confidence)
	}
}

func firstConfidence(numbers ...Number) (confidence float64, ok bool) {
	for _, n := range numbers {
		if n.Valid && n.Value >= 0 && n.Value <= 1 {
			return n.Value, true
		}
	}
	return 0, false
}

// strs adds an array of strings; an empty one is as if absent.
func (b *builder) strs(key string, values []string) {
	if len(values) > 0 {
		b.pair(key).Value = stringArray(values)
	}
}

func stringArray(values []string) *commonpb.AnyValue {
	elements := make([]struct {
		value  commonpb.AnyValue
		string commonpb.AnyValue_StringValue
	}, len(values))
	array := &commonpb.ArrayValue{Values: make([]*commonpb.AnyValue, len(values))}
	for i, value := range values {
		elements[i].string.StringValue = Text(value, MaxString)
		elements[i].value.Value = &elements[i].string
		array.Values[i] = &elements[i].value
	}
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: array}}
}

// event adds an event whose attributes are those written since the position: to
// the span, as a log record that names it, or both.
func (b *builder) event(span *tracepb.Span, name string, at int64, from int) {
	attributes := b.since(from)
	if b.events.onSpans() {
		event := b.eventSlab.next()
		event.Name = name
		event.TimeUnixNano = uint64(at)
		event.Attributes = attributes
		span.Events = append(span.Events, event)
	}
	if b.events.asRecords() && (b.early || !onAcceptance(name)) {
		b.record(span.SpanId, name, at, attributes)
	}
}

// fail sets the status to Error, with what the source says of it, scrubbed.
func (b *builder) fail(span *tracepb.Span, description string) {
	status := b.statusSlab.next()
	status.Message = Text(description, MaxString)
	status.Code = tracepb.Status_STATUS_CODE_ERROR
	span.Status = status
}

// ref names a span of this trace.
func (b *builder) ref(id SpanID, at bounds) SpanRef {
	return SpanRef{TraceID: b.trace, SpanID: id, Start: uint64(at.start), End: uint64(at.end)}
}

// request wraps the spans: one resource, one scope. Events are put in order of
// time; those at the same instant stay in the order they were added.
func (b *builder) request(resource *resourcepb.Resource, version string) *coltracepb.ExportTraceServiceRequest {
	for _, span := range b.spans {
		slices.SortStableFunc(span.Events, func(x, y *tracepb.Span_Event) int {
			return cmp.Compare(x.TimeUnixNano, y.TimeUnixNano)
		})
	}
	return &coltracepb.ExportTraceServiceRequest{
		ResourceSpans: []*tracepb.ResourceSpans{{
			Resource:  resource,
			SchemaUrl: SchemaURL,
			ScopeSpans: []*tracepb.ScopeSpans{{
				Scope:     &commonpb.InstrumentationScope{Name: scopeName, Version: version},
				SchemaUrl: SchemaURL,
				Spans:     b.spans,
			}},
		}},
	}
}

// bytes copies an id into the slab.
func (b *builder) bytes(id []byte) []byte {
	if cap(b.idSlab)-len(b.idSlab) < len(id) {
		b.idSlab = make([]byte, 0, 32*max(16, cap(b.spans)))
	}
	from := len(b.idSlab)
	b.idSlab = append(b.idSlab, id...)
	return b.idSlab[from:len(b.idSlab):len(b.idSlab)]
}

// slab hands out pointers into arrays of size elements.
type slab[T any] struct {
	size int
	free []T
}

func (s *slab[T]) next() *T {
	if len(s.free) == 0 {
		s.free = make([]T, max(s.size, 16))
	}
	next := &s.free[0]
	s.free = s.free[1:]
	return next
}
