package mapping

import (
	"math"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// Late maps a message whose call was exported before it came: one span under the
// invoke_agent span of its turn, or under the call when no turn names it. What
// was exported is never changed.
func (m *Mapper) Late(in LateInput) *Trace {
	message := in.Message
	// The parent's bounds decide what is plausible: the span must lie inside.
	parent := bounds{start: nanos(in.Parent.Start), end: nanos(in.Parent.End), ok: true}
	clock := clock{anchor: parent.start, anchored: true, reach: parent.end - parent.start + int64(reach)}
	logged := m.judging(&clock)
	times := logged.message(message)
	at := lateBounds(times, parent)

	b := m.newBuilder(in.Parent.TraceID, 1)
	b.always(attrCallID, b.policy.ids.Shown(in.CallID))
	id := in.Parent.TraceID.Span(latePath(in))
	span := b.begin(spanMessageLogged, tracepb.Span_SPAN_KIND_INTERNAL, id, in.Parent.SpanID, at)
	b.messageAttributes(message, times, b.said(message, false), logged)
	b.finish(span)
	b.calls(span, message, at.within(times.when(at.end)), logged)
	return &Trace{
		TraceID:   in.Parent.TraceID,
		Root:      b.ref(id, at),
		Turns:     map[string]SpanRef{},
		Request:   b.request(m.observed(in.Headers), m.config.Version),
		Anomalies: clock.anomalies,
	}
}

func latePath(in LateInput) string {
	logID := PathID(in.Message.LogID, in.ContentHash)
	if in.Named {
		return LatePath(TurnPath(logID), logID)
	}
	return UnnamedMessagePath(in.CallID, logID)
}

// lateBounds is the message's time, 1 µs long, moved into the parent.
func lateBounds(times messageTimes, parent bounds) bounds {
	at := bounds{ok: true}
	when := times.when(parent.end - shortest)
	if !times.request.ok && !times.response.ok {
		at.flags |= inferred
	}
	at.start = max(parent.start, min(when, parent.end-shortest))
	at.end = min(at.start+shortest, max(parent.end, parent.start))
	if at.start != when {
		at.flags |= clamped
	}
	return at
}

// nanos reads a stored bound; one that no span of ours has is cut.
func nanos(t uint64) int64 { return int64(min(t, uint64(math.MaxInt64-2*int64(reach)))) }
