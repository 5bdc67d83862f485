package mapping

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
)

// minLossPackets is the least number of packets, 5 s of speech, of which a ratio
// of loss says something.
const minLossPackets = 250

// callFacts is what the root span says and the metrics repeat. It is kept while
// the span is built: reading a value twice would count its anomalies twice.
type callFacts struct {
	result, endReason, errorType string

	firstAudioDelay   measure // known, and then 0 is a delay too
	worstTurn         measure // the longest wait for a turn's first audio
	slowTurns         int64
	activeCalls       count
	inbound, outbound streamFacts
	trunkHost         string // the carrier's side of the call
	custom            []attribute.KeyValue
}

// measure computes what the call contributes to the metrics. Each value points to
// the span that was measured; what was not measured has no value.
func (c *callMapping) measure() Measurements {
	c.points = c.newMeter()
	c.assignBases()
	c.measureCall()
	c.measureStream(directionInbound, &c.facts.inbound)
	c.measureStream(directionOutbound, &c.facts.outbound)
	for i := range c.plan.turns {
		c.measureTurn(&c.plan.turns[i])
	}
	c.measureTransfers()
	c.measureWarnings()
	return Measurements{TraceID: c.trace, EndedAt: c.endedAt(), Values: c.points.values}
}

// newMeter makes a meter with room for the usual number of values.
func (c *callMapping) newMeter() meter {
	turns, responses := len(c.plan.turns), 0
	for i := range c.plan.turns {
		responses += len(c.plan.turns[i].turn.Response)
	}
	return meter{
		values: make([]Measurement, 0, 18+6*turns+2*responses+len(c.cdr.Warnings)),
		pairs:  make([]attribute.KeyValue, 0, 20+3*turns+responses+2*len(c.cdr.Warnings)),
	}
}

// endedAt is the call's own stop, else the end of its root; zero when that is no
// time of the source or of the receipt.
func (c *callMapping) endedAt() time.Time {
	switch {
	case c.plan.ended.ok:
		return time.Unix(0, c.plan.ended.nanos).UTC()
	case c.plan.root.end >= firstNano:
		return time.Unix(0, c.plan.root.end).UTC()
	}
	return time.Time{}
}

// assignBases gives each turn, and the call, the attributes that all of its
// measurements have. A call that moves between assistants has several; what is
// the call's own belongs to the first.
func (c *callMapping) assignBases() {
	turns := c.plan.turns
	for i := range turns {
		if i > 0 && turns[i].summary == turns[i-1].summary {
			turns[i].base = turns[i-1].base
			continue
		}
		turns[i].base = c.base(turns[i].summary, turns[i:])
	}
	switch {
	case len(c.cdr.Summaries) == 0:
		c.callBase = c.base(&Summary{}, nil)
	case len(turns) > 0 && turns[0].summary == &c.cdr.Summaries[0]:
		c.callBase = turns[0].base
	default:
		c.callBase = c.base(&c.cdr.Summaries[0], nil)
	}
}

// base are the attributes of one assistant's part of the call, whose turns are
// the first of those given. What the CDR lacks comes from the first message log
// that has it.
func (c *callMapping) base(summary *Summary, turns []turnPlan) []attribute.KeyValue {
	id := summary.AssistantID
	name := c.m.config.Agents[id]
	for i := range turns {
		if id != "" && (name != "" || len(c.m.config.Agents) == 0) || turns[i].summary != summary {
			break
		}
		if logged := turns[i].message; logged != nil {
			id = first(id, logged.Message.AssistantID)
			name = first(name, c.m.config.Agents[logged.Message.AssistantID])
		}
	}
	k := &c.points
	from := k.mark()
	k.str(attrSource, c.m.config.Source)
	k.str(attrEnvironment, c.m.environment(c.in.Headers))
	k.str(attrCallDirection, c.direction())
	k.str(attrGenAIAgentID, c.policy.ids.Shown(id))
	k.str(attrGenAIAgentName, name)
	k.pairs = append(k.pairs, c.facts.custom...)
	return k.since(from)
}

// agentVersion is the snapshot of the first assistant, which only message logs
// name.
func (c *callMapping) agentVersion() string {
	for i := range c.plan.turns {
		p := &c.plan.turns[i]
		if p.summary != &c.cdr.Summaries[0] {
			break
		}
		if p.message != nil && p.message.Message.Snapshot != "" {
			return p.message.Message.Snapshot
		}
	}
	return ""
}

func (c *callMapping) measureCall() {
	k, base, span, facts := &c.points, c.callBase, c.rootID, &c.facts
	from := k.mark()
	k.str(attrCallResult, facts.result)
	result := k.since(from)
	k.str(attrCallEndReason, closed(facts.endReason, endReasonKnown(facts.endReason)))
	k.bool(attrCallFailureOccurred, c.cdr.FailureOccurred)
	k.str(attrErrorType, facts.errorType)
	k.str(attrGenAIAgentVersion, c.policy.name(labelName, c.agentVersion()))
	k.add(MetricCalls, 1, base, span, k.since(from))
	k.duration(MetricCallDuration, c.plan.elapsed, base, span, result)
	k.duration(MetricCallSetupDuration, c.plan.setupTime, base, span, nil)
	k.known(MetricCallFirstAudioDelay, facts.firstAudioDelay, base, span, nil)
	k.add(MetricCallTurns, float64(len(c.plan.turns)), base, span, nil)
	if facts.activeCalls.known {
		k.add(MetricCallConcurrency, float64(facts.activeCalls.n), base, span, nil)
	}
}

// measureStream records one direction. RTCP that has seen no packet has measured
// no jitter; one that has, and reports 0, has.
func (c *callMapping) measureStream(direction string, stream *streamFacts) {
	k, base, span := &c.points, c.callBase, c.rootID
	if *stream == (streamFacts{}) {
		return
	}
	from := k.mark()
	k.str(attrRTPDirection, direction)
	k.str(attrSIPTrunkHost, c.facts.trunkHost)
	attributes := k.since(from)
	seen := stream.transmitted.n > 0
	if jitter := stream.jitterAvg; jitter.measured() || jitter.known && seen {
		k.add(MetricJitterAvg, jitter.seconds(), base, span, attributes)
	}
	if jitter := stream.jitterMax; jitter.measured() || jitter.known && seen {
		k.add(MetricJitterMax, jitter.seconds(), base, span, attributes)
	}
	if stream.transmitted.known {
		k.add(MetricPackets, float64(stream.transmitted.n), base, span, attributes)
	}
	if stream.lost.known {
		k.add(MetricPacketsLost, float64(max(stream.lost.n, 0)), base, span, attributes)
	}
	if ratio, ok := stream.lossRatio(); ok && stream.transmitted.n >= minLossPackets {
		k.add(MetricPacketLossRatio, ratio, base, span, attributes)
	}
}

// measureWarnings counts each warning where its event is.
func (c *callMapping) measureWarnings() {
	k := &c.points
	for i := range c.cdr.Warnings {
		id := c.cdr.Warnings[i].ID
		from := k.mark()
		k.str(attrWarningID, warningID(id))
		k.str(attrWarningSeverity, WarningSeverity(id))
		span := c.warnedSpans[i]
		k.add(MetricWarnings, 1, c.baseOf(span), span, k.since(from))
	}
}

// baseOf are the attributes of the turn that a span belongs to, else the call's.
func (c *callMapping) baseOf(span SpanID) []attribute.KeyValue {
	if span == c.rootID {
		return c.callBase
	}
	for i := range c.plan.turns {
		p := &c.plan.turns[i]
		if p.sttID == span {
			return p.base
		}
		for j := range p.audio {
			if p.audio[j].id == span {
				return p.base
			}
		}
	}
	return c.callBase
}
