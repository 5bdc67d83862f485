package mapping

import (
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// root builds the call's own span.
func (c *callMapping) root() {
	kind := tracepb.Span_SPAN_KIND_SERVER
	if c.cdr.Call.isOutbound() {
		kind = tracepb.Span_SPAN_KIND_CLIENT
	}
	span := c.begin(callNamePrefix+c.direction(), kind, c.rootID, SpanID{}, c.plan.root)
	c.outcome(span)
	c.timing()
	c.counts()
	c.security()
	c.rtp()
	c.parties()
	c.callAgents()
	c.custom()
	if c.cdr.Truncated {
		c.bool(attrTruncated, true)
	}
	c.finish(span)
	c.rootEvents(span)
	span.Links = c.links()
}

// callAgents names the sessions and assistants that the call went through.
func (c *callMapping) callAgents() {
	var all agents
	for s := range c.cdr.Summaries {
		all.add(c.m, agent{assistantID: c.cdr.Summaries[s].AssistantID, sessionID: c.cdr.Summaries[s].SessionID})
	}
	for i := range c.plan.turns {
		p := &c.plan.turns[i]
		all.add(c.m, agent{assistantID: p.summary.AssistantID, sessionID: p.summary.SessionID, message: p.message})
	}
	c.agents(&all)
}

// setup builds the span from the INVITE to the ACK; there is none when either
// time is not known.
func (c *callMapping) setup() {
	if !c.plan.setup.ok {
		return
	}
	id := c.trace.Span(SetupPath(c.id))
	c.finish(c.begin(spanCallSetup, tracepb.Span_SPAN_KIND_INTERNAL, id, c.rootID, c.plan.setup))
}

// direction of the call. One that the CDR does not give counts as inbound, as
// nearly all calls are; what leaves only of inbound calls is left out all the same.
func (c *callMapping) direction() string {
	if c.cdr.Call.isOutbound() {
		return directionOutbound
	}
	return directionInbound
}

// setupBefore says whether the setup comes before a turn in the fixed order.
func (c *callMapping) setupBefore(p *turnPlan) bool {
	if c.plan.setup.start != p.whole.start {
		return c.plan.setup.start < p.whole.start
	}
	return SetupPath(c.id) < p.path
}

func (c *callMapping) outcome(span *tracepb.Span) {
	endReason := EndReason(c.cdr.Call.EndReason)
	result := callResult(c.cdr, endReason)
	c.str(attrCallDirection, c.direction())
	c.str(attrCallResult, result)
	c.str(attrCallEndReason, c.unlessKnown(endReason, endReasonKnown(endReason)))
	c.bool(attrCallFailureOccurred, c.cdr.FailureOccurred)
	failure := c.policy.reason(c.cdr.FailureDetails)
	c.str(attrCallFailureMessage, failure)
	c.bool(attrCallTransferAttempted, c.cdr.TransferOccurred)
	c.facts.result, c.facts.endReason = result, endReason
	c.callStatus(span, result, failure)
}

func (c *callMapping) timing() {
	c.duration(attrCallDuration, c.plan.elapsed)
	c.duration(attrCallSetupDuration, c.plan.setupTime)
	c.duration(attrCallMaxAssistant, c.clock.milliseconds(c.cdr.MaxResponse.Assistant))
	c.duration(attrCallMaxSpeechToText, c.clock.milliseconds(c.cdr.MaxResponse.SpeechToText))
	c.duration(attrCallMaxTextToSpeech, c.clock.milliseconds(c.cdr.MaxResponse.TextToSpeech))
	var firstAudio instant
	for i := range c.plan.turns {
		p := &c.plan.turns[i]
		if w := p.wait.duration; w.known && (!c.facts.worstTurn.known || w.nanos > c.facts.worstTurn.nanos) {
			c.facts.worstTurn = w
		}
		if p.wait.class == classSlow || p.wait.class == classDeadAir {
			c.facts.slowTurns++
		}
		for j := range p.audio {
			if heard := p.audio[j].first; heard.ok && (!firstAudio.ok || heard.nanos < firstAudio.nanos) {
				firstAudio = heard
			}
		}
	}
	c.known(attrCallMaxTurnResponse, c.facts.worstTurn)
	c.int(attrCallSlowTurnCount, c.facts.slowTurns)
	if firstAudio.ok && c.plan.answered.ok {
		delay := measure{nanos: max(0, firstAudio.nanos-c.plan.answered.nanos), known: true}
		c.double(attrCallFirstAudioDelay, delay.seconds())
		c.facts.firstAudioDelay = delay
	}
}

func (c *callMapping) counts() {
	bargeIns := int64(0)
	for i := range c.plan.turns {
		for j := range c.plan.turns[i].turn.Response {
			if c.plan.turns[i].turn.Response[j].BargeIn {
				bargeIns++
			}
		}
	}
	c.int(attrCallTurnCount, int64(len(c.plan.turns)))
	c.int(attrCallBargeInCount, bargeIns)
	c.int(attrCallWarningCount, int64(len(c.cdr.Warnings)))
	c.facts.activeCalls = c.clock.count(c.cdr.ActiveCalls)
	c.count(attrCallActiveCalls, c.facts.activeCalls)
}

func (c *callMapping) security() {
	c.maybe(attrCallMediaEncrypted, c.cdr.Call.MediaEncrypted)
	c.maybe(attrCallSignalingEncrypted, c.cdr.Call.SignalingEncrypted)
	c.maybe(attrCallSIPAuthenticated, c.cdr.Call.SIPAuthenticated)
}

// rootEvents adds what happened on the call and belongs to none of its parts.
func (c *callMapping) rootEvents(span *tracepb.Span) {
	root := c.plan.root
	if c.plan.answered.ok {
		c.event(span, eventAnswered, root.within(c.plan.answered.nanos), c.mark())
	}
	for i := range c.unnamed {
		message := c.unnamed[i].Message
		c.message(span, message, c.logged.message(message), root, c.logged, true)
	}
	c.observations(span, &c.observed, c.observed.root, root)
	if c.plan.ended.ok {
		c.event(span, eventEnded, root.within(c.plan.ended.nanos), c.mark())
	}
	c.warnings(span, c.rootID, root.end)
}
