package mapping

import (
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
)

// Kinds of tokens.
const (
	tokenInput  = "input"
	tokenOutput = "output"
)

// Message computes what one message log contributes to the metrics, when it is
// accepted and its call may still be in progress. The ids are those that a
// telephone call will have if its CDR names the message's log id: a prediction.
// Of other messages the span depends on those beside them, so the values name
// none. Headers are the kept request headers, names in lower case.
func (m *Mapper) Message(in MessageInput, headers map[string]string) Measurements {
	message := in.Message
	kind, seed := Seed(message.Identity(), in.ContentHash)
	live := liveMessage{Message: message, policy: &m.policy, trace: NewTraceID(m.config.Source, kind, seed)}
	if message.Phone && message.LogID != "" {
		live.span = live.trace.Span(AssistantPath(TurnPath(message.LogID)))
	}
	live.clock = liveClock(in)
	live.times = live.clock.message(message)
	live.writeBase(m, headers)
	live.answered()
	for i := range message.TurnEvents {
		switch event := &message.TurnEvents[i]; event.Event {
		case turnEventCallout:
			live.extension(event)
		case turnEventGenerativeAI:
			live.generated(event)
		}
	}
	return Measurements{TraceID: live.trace, EndedAt: live.endedAt(), Values: live.values}
}

// liveMessage carries one message to its measurements.
type liveMessage struct {
	*Message
	meter
	policy *policy
	clock  clock
	times  messageTimes
	trace  TraceID
	span   SpanID
	base   []attribute.KeyValue
}

// writeBase writes the attributes that all values have. A message does not say
// which way its call went.
func (l *liveMessage) writeBase(m *Mapper, headers map[string]string) {
	l.values = make([]Measurement, 0, 2+3*len(l.TurnEvents))
	l.pairs = make([]attribute.KeyValue, 0, 7+5*len(l.TurnEvents))
	l.str(attrSource, m.config.Source)
	l.str(attrEnvironment, m.environment(headers))
	l.str(attrGenAIAgentID, l.policy.ids.Shown(l.AssistantID))
	l.str(attrGenAIAgentName, m.config.Agents[l.AssistantID])
	l.base = l.since(0)
}

func (l *liveMessage) endedAt() time.Time {
	if when := l.times.when(0); when > 0 {
		return time.Unix(0, when).UTC()
	}
	return time.Time{}
}

// answered counts the message and records how long the assistant itself took:
// what a call measures beyond it is the network.
func (l *liveMessage) answered() {
	from := l.mark()
	l.str(attrMessageChannel, l.knownChannel())
	if recognized, applies := l.recognized(); applies {
		l.bool(attrMessageRecognized, recognized)
	}
	l.str(attrErrorType, l.errorType())
	l.add(MetricMessages, 1, l.base, l.span, l.since(from))
	l.duration(MetricAssistantProcessing, l.times.took(), l.base, l.span, nil)
}

// knownChannel is the documented name of the channel, else _OTHER; the message of
// a telephone call that does not name one came by phone.
func (m *Message) knownChannel() string {
	if m.Channel == "" {
		if m.Phone {
			return channelPhone
		}
		return ""
	}
	for _, name := range [...]string{
		channelPhone, "Web chat", "SMS", "Whatsapp", "Slack", "Facebook Messenger", "teams",
	} {
		if strings.EqualFold(m.Channel, name) {
			return name
		}
	}
	return other
}

func (l *liveMessage) extension(call *TurnEvent) {
	from := l.mark()
	if status, ok := call.status(); ok {
		l.int(attrHTTPStatus, status)
	}
	l.str(attrErrorType, call.errorType())
	l.add(MetricExtensionCalls, 1, l.base, l.span, l.since(from))
}

// generated records the call of a language model by the metrics that the GenAI
// conventions have for a client. The platform does not say by which operation it
// asked the model: it sent a prompt and took the text that completes it.
func (l *liveMessage) generated(event *TurnEvent) {
	l.tokens(event, tokenInput, l.clock.count(event.InputTokens))
	l.tokens(event, tokenOutput, l.clock.count(event.OutputTokens))
	took := event.generationTime(&l.clock)
	if !took.measured() {
		return
	}
	from := l.mark()
	l.model(event)
	l.str(attrErrorType, event.modelErrorType())
	l.duration(MetricOperationDuration, took, l.base, l.span, l.since(from))
}

func (l *liveMessage) tokens(event *TurnEvent, kind string, used count) {
	if !used.known {
		return
	}
	from := l.mark()
	l.model(event)
	l.str(attrGenAITokenType, kind)
	l.add(MetricTokenUsage, float64(used.n), l.base, l.span, l.since(from))
}

func (l *liveMessage) model(event *TurnEvent) {
	provider := providerAssistant // which called a model of somebody else
	if name := strings.ToLower(event.ModelType); name == "watsonx.ai" || name == "watsonx" {
		provider = providerModels
	}
	l.str(attrGenAIOperation, opTextCompletion)
	l.str(attrGenAIProvider, provider)
	l.str(attrGenAIModel, l.policy.name(modelName, event.Model))
}

// generationTime is what the model took, without the search before it. Where the
// platform gives only the sum, it is the rest.
func (e *TurnEvent) generationTime(clock *clock) measure {
	took := clock.milliseconds(e.GenerationMilliseconds)
	if took.measured() || e.Model == "" {
		return took
	}
	total := clock.milliseconds(e.Total)
	search := clock.milliseconds(e.SearchMilliseconds)
	return measure{nanos: max(0, total.nanos-search.nanos), known: total.known}
}
