package mapping

import (
	"slices"
	"strconv"
	"strings"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// Events of debug.turn_events that mean something to the mapping.
const (
	turnEventCallout      = "callout"
	turnEventHandler      = "handler_visited"
	turnEventGenerativeAI = "generative_ai_called"
	turnEventAction       = "action_visited"
)

// message hangs a message log on a span: one event for the message, one for each
// call of an extension. What was said is on the invoke_agent span; where there is
// none, it is in the event. In the mode log there is none: Record made it.
func (b *builder) message(span *tracepb.Span, m *Message, times messageTimes, at bounds, clock *clock, alone bool) {
	if !b.events.onSpans() {
		return
	}
	when := at.within(times.when(at.end))
	from := b.mark()
	b.messageAttributes(m, times, alone && b.said(m, false), clock)
	b.event(span, eventMessage, when, from)
	b.calls(span, m, when, clock)
}

// flagCut says that what is said here was cut to fit.
func (b *builder) flagCut(cut bool) {
	if cut {
		b.bool(attrTruncated, true)
	}
}

// messageTimes are a message's instants on the assistant's clock, which is not
// the clock of the call: they never order or bound anything.
type messageTimes struct{ request, response instant }

// judging is the clock for what messages say of themselves. Where every message
// has a record, that counts what is wrong with it, and a trace does not again.
func (m *Mapper) judging(c *clock) *clock {
	if !m.config.Events.asRecords() {
		return c
	}
	return &clock{anchor: c.anchor, anchored: c.anchored, reach: c.reach}
}

func (c *clock) message(m *Message) messageTimes {
	return messageTimes{c.elsewhere(m.RequestAt), c.elsewhere(m.ResponseAt)}
}

// took is the time from the request to the response.
func (t messageTimes) took() measure {
	return measure{nanos: t.response.nanos - t.request.nanos, known: t.request.ok && t.response.ok}
}

// when the message was logged, for display.
func (t messageTimes) when(otherwise int64) int64 {
	switch {
	case t.response.ok:
		return t.response.nanos
	case t.request.ok:
		return t.request.nanos
	}
	return otherwise
}

// messageAttributes are those of wxa.message: what was understood and done. cut
// is whether what was said stands beside them, and not all of it.
func (b *builder) messageAttributes(m *Message, times messageTimes, cut bool, clock *clock) {
	clock.anomalies.addN(anomalyWrongType, m.Mistyped)
	b.addID(attrLogID, m.LogID)
	b.strs(attrMessageIntents, each(m.intentNames(), b.policy.title))
	if len(m.Intents) > 0 {
		b.confidence(attrMessageConfidence, m.Intents[0].Confidence)
	}
	b.strs(attrMessageActions, each(m.actionTitles(), b.policy.title))
	b.strs(attrMessageResponses, each(m.ResponseTypes, b.policy.typeName))
	if recognized, applies := m.recognized(); applies {
		b.bool(attrMessageRecognized, recognized)
	}
	b.name(attrMessageChannel, labelName, m.Channel)
	b.str(attrMessageError, m.errorType())
	b.time(attrMessageRequestAt, times.request)
	b.time(attrMessageResponseAt, times.response)
	if m.Truncated {
		clock.anomalies.add(anomalyTruncated)
	}
	b.flagCut(m.Truncated || cut)
}

// time adds an instant of the source as the source writes it: ISO 8601 with
// milliseconds, or what is finer.
func (b *builder) time(key string, t instant) {
	if !t.ok {
		return
	}
	layout := "2006-01-02T15:04:05.000Z07:00"
	if t.nanos%int64(time.Millisecond) != 0 {
		layout = time.RFC3339Nano
	}
	b.str(key, time.Unix(0, t.nanos).UTC().Format(layout))
}

func (m *Message) intentNames() []string {
	names := make([]string, 0, len(m.Intents))
	for _, intent := range m.Intents {
		if intent.Name != "" {
			names = append(names, intent.Name)
		}
	}
	return names
}

// actionTitles lists the titles of the actions of the turn, each once.
func (m *Message) actionTitles() []string {
	var titles []string
	for i := range m.TurnEvents {
		title := m.TurnEvents[i].ActionTitle
		if title != "" && !slices.Contains(titles, title) {
			titles = append(titles, title)
		}
	}
	return titles
}

// recognized says whether the assistant knew what to do with what the user said.
// It does not apply where the user said nothing: a call's first turn is empty,
// and the platform speaks of time-outs and hang-ups in texts of its own.
func (m *Message) recognized() (recognized, applies bool) {
	if m.Input == "" || strings.HasPrefix(m.Input, "vgw") {
		return false, false
	}
	if m.Fallback || m.MappedAction == "anything_else" {
		return false, true
	}
	noMatch := func(e TurnEvent) bool {
		return e.Event == turnEventAction && e.Reason == "no_action_matches"
	}
	return !slices.ContainsFunc(m.TurnEvents, noMatch), true
}

// calls adds an event for each call of an extension or a language model that the
// assistant made: how it ended, never where it went or what it carried.
func (b *builder) calls(span *tracepb.Span, m *Message, when int64, of *clock) {
	clock := *of
	clock.anomalies = nil // the span of the answer counts what is wrong with them
	for i := range m.TurnEvents {
		call := &m.TurnEvents[i]
		from := b.mark()
		switch call.Event {
		case turnEventCallout:
			b.str(attrHTTPMethod, httpMethod(call.Method))
			if status, ok := call.status(); ok {
				b.int(attrHTTPStatus, status)
			}
			b.str(attrErrorType, call.errorType())
			b.event(span, eventExtensionCall, when, from)
		case turnEventGenerativeAI:
			b.name(attrGenAIModel, modelName, call.Model)
			b.count(attrGenAIInputTokens, clock.count(call.InputTokens))
			b.count(attrGenAIOutputTokens, clock.count(call.OutputTokens))
			b.duration(attrSearchDuration, clock.milliseconds(call.SearchMilliseconds))
			b.duration(attrGenerationDuration, call.generationTime(&clock))
			b.str(attrErrorType, call.modelErrorType())
			b.event(span, eventModelCall, when, from)
		}
	}
}

// httpMethod is the method in upper case; one that HTTP does not know is _OTHER,
// as the HTTP conventions ask.
func httpMethod(method string) string {
	switch method = strings.ToUpper(method); method {
	case "", "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY":
		return method
	}
	return other
}

// status of the answer, if it is an HTTP status code.
func (e *TurnEvent) status() (int64, bool) {
	code := int64(e.StatusCode.Value)
	return code, e.StatusCode.Valid && e.StatusCode.Value >= 100 && e.StatusCode.Value <= 599
}

// modelErrorType of the call of a language model: the platform does not say why it
// failed.
func (e *TurnEvent) modelErrorType() string {
	if e.Failed || e.ModelFailed {
		return other
	}
	return ""
}

// errorType of a call-out: the status code of a refusal, else _OTHER.
func (e *TurnEvent) errorType() string {
	status, known := e.status()
	switch {
	case known && status >= 400:
		return strconv.FormatInt(status, 10)
	case e.Failed:
		return other
	}
	return ""
}
