package mapping

import "go.opentelemetry.io/otel/attribute"

// callMapping carries one call from its record to its trace.
type callMapping struct {
	*builder
	m     *Mapper
	in    CallInput
	cdr   *CDR
	id    string // see CallID
	clock clock
	// logged is the clock that counts what is wrong with messages, see judging.
	logged *clock
	plan   callPlan

	rootID SpanID
	// members are the messages of the call, each once, and unnamed those that no
	// turn names.
	members, unnamed []MessageInput
	// warned lists the warnings of each span by their index, warnedSpans the span
	// of each warning.
	warned      map[SpanID][]int
	warnedSpans []SpanID
	// refs becomes Trace.Turns.
	refs map[string]SpanRef

	// observed are the observations and their turns.
	observed observed

	facts    callFacts
	points   meter
	callBase []attribute.KeyValue
}

// Call maps a call and its messages to one trace:
//
//	call inbound                 SERVER    INVITE … last child           wxa.call.answered, wxa.call.ended
//	├─ call setup                INTERNAL  INVITE … ACK
//	├─ turn start                INTERNAL  envelope of its children
//	│  ├─ invoke_agent           CLIENT    assistant request … response  wxa.message, wxa.extension.call
//	│  └─ text_to_speech         CLIENT    text sent … last audio        wxa.audio.start, wxa.barge_in
//	├─ turn speech_to_text
//	│  ├─ speech_to_text         CLIENT    recognition stream
//	│  ├─ invoke_agent
//	│  └─ text_to_speech
//	└─ turn hangup
//
// Warnings are events of the span whose transaction they name, else of the root.
// The order of in.Messages does not matter. Nothing in the input makes it fail.
func (m *Mapper) Call(in CallInput) *Trace {
	identity := in.CDR.Identity()
	c := &callMapping{
		m:     m,
		in:    in,
		cdr:   in.CDR,
		id:    CallID(identity, in.ContentHash),
		clock: callClock(in.CDR, in.ReceivedAt),
	}
	c.logged = m.judging(&c.clock)
	turns := c.newTurns()
	c.join(turns)
	c.plan = planCall(in.CDR, in.ReceivedAt, &c.clock, turns)
	c.observe(identity)
	kind, seed := Seed(identity, in.ContentHash)
	trace := NewTraceID(m.config.Source, kind, seed)
	c.builder = m.newBuilder(trace, c.nameSpans(trace))
	c.receivedAt = uint64(unixNano(in.ReceivedAt).nanos)
	c.always(attrCallID, c.policy.ids.Shown(c.id))
	c.judge()
	c.assignWarnings()
	c.countAnomalies(identity)
	return c.build()
}

// build makes the spans: parents before children, then by start, then by path.
func (c *callMapping) build() *Trace {
	c.refs = make(map[string]SpanRef, len(c.plan.turns))
	c.root()
	setupDone := !c.plan.setup.ok
	for _, i := range c.plan.order {
		p := &c.plan.turns[i]
		if !setupDone && c.setupBefore(p) {
			c.setup()
			setupDone = true
		}
		c.turn(p)
	}
	if !setupDone {
		c.setup()
	}
	resource := c.m.observed(c.in.Headers)
	return &Trace{
		TraceID:   c.trace,
		Root:      c.ref(c.rootID, c.plan.root),
		Turns:     c.refs,
		Request:   c.request(resource, c.m.config.Version),
		Logs:      c.logs(resource, c.m.config.Version),
		Observed:  c.observed.all,
		Overview:  c.overview(),
		Measured:  c.measure(),
		Joins:     c.joins(),
		Anomalies: c.clock.anomalies,

		PromptReadings: c.plan.readings(),
	}
}

// countAnomalies counts what is wrong with the record itself.
func (c *callMapping) countAnomalies(identity Identity) {
	found := &c.clock.anomalies
	found.addN(anomalyWrongType, c.cdr.Mistyped)
	for _, missing := range [...]bool{
		identity.GlobalSessionID == "",
		identity.SIPCallID == "",
		c.cdr.Call.EndReason == "",
		c.cdr.Call.Start == Instant{},
		c.cdr.Call.Stop == Instant{},
		c.cdr.SIP.Invite == Instant{},
	} {
		if missing {
			found.add(anomalyMissingField)
		}
	}
	if !endReasonKnown(EndReason(c.cdr.Call.EndReason)) {
		found.add(anomalyUnknownEnum)
	}
	if c.cdr.Truncated {
		found.add(anomalyTruncated)
	}
}
