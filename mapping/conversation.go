package mapping

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// conversationReach is how far from each other the messages of one segment can
// lie: it is closed at 200 messages, none an hour after the one before.
const conversationReach = 10 * 24 * time.Hour

// conversationMapping carries one segment of messages to its trace.
type conversationMapping struct {
	*builder
	m        *Mapper
	clock    clock
	logged   *clock // as of a call
	exchange []exchange
	observed observed
	segment  string
	path     string
	root     bounds
	rootID   SpanID
	refs     map[string]SpanRef
}

// exchange is one message with its place in the conversation.
type exchange struct {
	*MessageInput
	times  messageTimes
	at     bounds
	path   string
	number int
}

// Conversation maps messages that belong to no call to one trace:
//
//	conversation                 SERVER    first request … last response
//	├─ turn text                 INTERNAL  request … response
//	│  └─ invoke_agent           CLIENT    request … response  wxa.message, wxa.extension.call
//	└─ turn text
//
// in.Messages has at least one message; their order does not matter.
func (m *Mapper) Conversation(in ConversationInput) *Trace {
	c := &conversationMapping{m: m, clock: conversationClock(in.Messages), refs: make(map[string]SpanRef, len(in.Messages))}
	c.logged = m.judging(&c.clock)
	messages := c.clock.distinct(in.Messages)
	c.place(messages)
	identity, hash := c.identity()
	c.segment = PathID(c.firstLogID(), hash)
	c.path = ConversationPath(PathID(first(identity.SessionIDs...), hash), c.segment)
	c.namePaths()
	c.observe(in.Observations, identity)
	kind, seed := Seed(identity, hash)
	trace := NewTraceID(m.config.Source, kind, seed)
	c.builder = m.newBuilder(trace, 1+2*len(messages))
	c.rootID = trace.Span(c.path)

	c.rootSpan(in, identity)
	for i := range c.exchange {
		c.turn(&c.exchange[i])
	}
	return &Trace{
		TraceID:   trace,
		Root:      c.ref(c.rootID, c.root),
		Turns:     c.refs,
		Request:   c.request(m.observed(in.Headers), m.config.Version),
		Observed:  c.observed.all,
		Overview:  c.overview(),
		Anomalies: c.clock.anomalies,
	}
}

// conversationClock takes the middle request as anchor: a conversation has no
// INVITE, and one wrong time is not the middle of several.
func conversationClock(messages []MessageInput) clock {
	var requests []int64
	received := instant{}
	for i := range messages {
		receipt := unixNano(messages[i].ReceivedAt)
		if receipt.ok && (!received.ok || receipt.nanos < received.nanos) {
			received = receipt
		}
		request := unixNano(messages[i].Message.RequestAt.Time)
		if !request.ok {
			request = unixNano(messages[i].Message.ResponseAt.Time)
		}
		if request.ok && (!receipt.ok || request.nanos <= receipt.nanos+int64(reach)) {
			requests = append(requests, request.nanos)
		}
	}
	c := clock{anchor: received.nanos, anchored: received.ok, reach: int64(conversationReach)}
	if len(requests) > 0 {
		slices.Sort(requests)
		c.anchor, c.anchored = requests[len(requests)/2], true
	}
	return c
}

// place puts the messages in order of their requests and decides their bounds.
// One without any time follows the one before it.
func (c *conversationMapping) place(messages []MessageInput) {
	for i := range messages {
		c.exchange = append(c.exchange, exchange{MessageInput: &messages[i], times: c.logged.message(messages[i].Message)})
	}
	slices.SortStableFunc(c.exchange, func(a, b exchange) int {
		return cmp.Or(
			cmp.Compare(a.begin(), b.begin()),
			cmp.Compare(a.Message.LogID, b.Message.LogID),
			bytes.Compare(a.ContentHash[:], b.ContentHash[:]),
		)
	})
	previousEnd := c.clock.anchor
	for i := range c.exchange {
		e := &c.exchange[i]
		e.number = i + 1
		e.at = e.bounds(&c.clock, previousEnd)
		previousEnd = e.at.end
		c.root.cover(e.at)
	}
	if !c.root.ok {
		c.root = c.clock.span(previousEnd, previousEnd, inferred)
	}
}

// begin orders messages; one without a time comes last.
func (e *exchange) begin() int64 {
	switch {
	case e.times.request.ok:
		return e.times.request.nanos
	case e.times.response.ok:
		return e.times.response.nanos
	}
	return math.MaxInt64
}

// bounds of the exchange: from request to response.
func (e *exchange) bounds(clock *clock, previousEnd int64) bounds {
	request, response := e.times.request, e.times.response
	flags := adjusted(0)
	if !request.ok || !response.ok {
		flags = inferred
	}
	if !request.ok {
		request = response
	}
	if !request.ok {
		request = instant{previousEnd, true}
	}
	if !response.ok {
		response = request
	}
	return clock.span(request.nanos, response.nanos, flags)
}

// identity of the segment: what seeds its trace id, from its messages in order,
// and the hash of the first.
func (c *conversationMapping) identity() (Identity, [32]byte) {
	var identity Identity
	for i := range c.exchange {
		message := c.exchange[i].Message
		identity.SIPCallID = first(identity.SIPCallID, message.SIPCallID)
		if len(identity.SessionIDs) == 0 && message.SessionID != "" {
			identity.SessionIDs = []string{message.SessionID}
		}
	}
	if len(c.exchange) == 0 {
		return identity, [32]byte{}
	}
	return identity, c.exchange[0].ContentHash
}

func (c *conversationMapping) firstLogID() string {
	if len(c.exchange) == 0 {
		return ""
	}
	return c.exchange[0].Message.LogID
}

// namePaths derives the paths of the turns. A log id that spells the hash that
// stands for another's missing one must not share its path (I4).
func (c *conversationMapping) namePaths() {
	taken := make(map[string]bool, len(c.exchange))
	for i := range c.exchange {
		e := &c.exchange[i]
		id := PathID(e.Message.LogID, e.ContentHash)
		for taken[id] {
			id += "'"
		}
		taken[id] = true
		e.path = ConversationTurnPath(c.path, id)
	}
}

func (c *conversationMapping) rootSpan(in ConversationInput, identity Identity) {
	span := c.begin(spanConversation, tracepb.Span_SPAN_KIND_SERVER, c.rootID, SpanID{}, c.root)
	c.addID(attrSessionID, first(identity.SessionIDs...))
	c.addID(attrSIPCallID, identity.SIPCallID)
	c.name(attrMessageChannel, labelName, c.channel())
	var all agents
	for i := range c.exchange {
		all.add(c.m, agent{message: c.exchange[i].MessageInput})
	}
	c.agents(&all)
	c.bool(attrCDRMissing, in.CDRMissing)
	c.addID(attrConversationSegment, c.segment)
	c.finish(span)
	c.observations(span, &c.observed, c.observed.root, c.root)
}

func (c *conversationMapping) channel() string {
	for i := range c.exchange {
		if channel := c.exchange[i].Message.Channel; channel != "" {
			return channel
		}
	}
	return ""
}

// turn builds the spans of one message.
func (c *conversationMapping) turn(e *exchange) {
	message := e.Message
	id := c.trace.Span(e.path)
	span := c.begin(turnNamePrefix+messageType(message.MessageType), tracepb.Span_SPAN_KIND_INTERNAL, id, c.rootID, e.at)
	c.int(attrTurnNumber, int64(e.number))
	c.str(attrTurnRequestType, messageType(message.MessageType))
	c.addID(attrLogID, message.LogID)
	c.finish(span)
	c.observations(span, &c.observed, c.observed.turns[e.number-1], e.at)

	agentID := c.trace.Span(AssistantPath(e.path))
	span = c.begin(c.m.agentSpanName("", e.MessageInput), tracepb.Span_SPAN_KIND_CLIENT, agentID, id, e.at)
	c.agent(c.m, agent{logID: message.LogID, message: e.MessageInput}, &c.clock)
	c.processing(e.times)
	c.status(span, e.MessageInput.errorType())
	c.flagCut(c.said(message, false))
	c.finish(span)
	c.message(span, message, e.times, e.at, c.logged, false)
	if message.LogID != "" {
		c.refs[message.LogID] = c.ref(agentID, e.at)
	}
}

// messageType closes the set, for it names spans.
func messageType(sent string) string {
	switch sent {
	case "text", "search":
		return sent
	}
	return other
}
