package mapping

import (
	"time"

	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// RecordInput is a message that was accepted, and what is known by then of the
// call or conversation it belongs to.
type RecordInput struct {
	MessageInput
	// Headers are the kept request headers, names in lower case.
	Headers map[string]string
	// Parent is the span whose event the message would be. A zero TraceID: nothing is
	// known, the ids are predicted from the message. A zero SpanID: the call's trace,
	// and the span is computed.
	Parent SpanRef
	// Named: a turn of that call names the message.
	Named bool
	// CallID is the call's id as CallID gave it; empty when the call is not known.
	CallID string
	// Segment is the log id of the first message of its conversation; empty when that
	// is not known.
	Segment string
}

// Records is the outcome of mapping one accepted event to log records.
type Records struct {
	TraceID TraceID
	// SpanID is zero when the span cannot be known yet.
	SpanID SpanID
	// Request is one resource, one scope, the records in order of time, then name.
	Request *collogspb.ExportLogsServiceRequest
	// Anomalies counts what the message had wrong, by one of AnomalyNames. In the
	// modes that make a record of every message its trace does not count them again.
	Anomalies map[string]int
}

// Record maps a message to log records as soon as it is accepted: wxa.message, and
// one wxa.extension.call or wxa.model.call for each call that it made. Where the call is not known
// the ids are a prediction (docs/mapping.md, "Log records").
func (m *Mapper) Record(in RecordInput) *Records {
	message := in.Message
	clock := liveClock(in.MessageInput)
	times := clock.message(message)
	trace, span := m.recordIDs(in)
	b := m.newRecorder(trace, 1+len(message.TurnEvents), in.ReceivedAt)
	b.always(attrCallID, b.policy.ids.Shown(in.CallID))
	b.always(attrSessionID, b.policy.ids.Shown(message.SessionID))
	when := times.when(int64(b.receivedAt))
	from := b.mark()
	b.messageAttributes(message, times, b.said(message, false), &clock)
	about := &tracepb.Span{SpanId: idOrNone(span)}
	b.event(about, eventMessage, when, from)
	b.always(attrLogID, b.policy.ids.Shown(message.LogID)) // as the span of the calls has
	b.calls(about, message, when, &clock)
	return &Records{
		TraceID:   trace,
		SpanID:    span,
		Request:   b.logs(m.observed(in.Headers), m.config.Version),
		Anomalies: clock.anomalies,
	}
}

// newRecorder makes a builder whose events become log records, all of them. A
// record without a trace says so by a zero trace.
func (m *Mapper) newRecorder(trace TraceID, records int, received time.Time) *builder {
	b := m.newBuilder(trace, records)
	b.events, b.early = EventsLog, true
	b.receivedAt = uint64(unixNano(received).nanos)
	return b
}

// liveClock judges the times of a message that is mapped alone.
func liveClock(in MessageInput) clock {
	anchor := anchorOf(in.ReceivedAt, in.Message.RequestAt, in.Message.ResponseAt)
	return clock{anchor: anchor.nanos, anchored: anchor.ok, reach: int64(reach)}
}

// recordIDs are the ids of the span that a message's event is on: what the store
// knows, else what its call or conversation will compute if the message is where it
// says it is.
func (m *Mapper) recordIDs(in RecordInput) (TraceID, SpanID) {
	logID := in.Message.LogID
	trace := in.Parent.TraceID
	switch {
	case !trace.IsZero() && !in.Parent.SpanID.IsZero():
		return trace, in.Parent.SpanID
	case !trace.IsZero() && in.Named && logID != "":
		return trace, trace.Span(AssistantPath(TurnPath(logID)))
	case !trace.IsZero() && in.CallID != "":
		return trace, trace.Span(CallPath(in.CallID))
	case !trace.IsZero():
		return trace, SpanID{}
	}
	identity := in.Message.Identity()
	kind, seed := Seed(identity, in.ContentHash)
	trace = NewTraceID(m.config.Source, kind, seed)
	switch {
	case in.Message.Phone && logID != "":
		return trace, trace.Span(AssistantPath(TurnPath(logID)))
	case !in.Message.Phone && in.Segment != "":
		path := ConversationPath(PathID(first(identity.SessionIDs...), in.ContentHash), in.Segment)
		return trace, trace.Span(AssistantPath(ConversationTurnPath(path, PathID(logID, in.ContentHash))))
	}
	return trace, SpanID{}
}
