package mapping

import "time"

// packetRate bounds how many packets a second one direction of a call has: they
// hold 20 ms of speech as a rule, and 5 ms at the least.
const packetRate = 200

// RTCP counts what was lost in a signed number of 24 bits (RFC 3550 §6.4.1).
const (
	lossBits = 1 << 24
	maxLoss  = lossBits/2 - 1
)

// streamFacts is what RTCP reported of one direction, as far as it can be.
type streamFacts struct {
	jitterAvg, jitterMax measure
	transmitted, lost    count
}

// lossRatio is between 0 and 1: duplicates count as found again, so the loss can be
// negative, which is none.
func (s *streamFacts) lossRatio() (ratio float64, ok bool) {
	if !s.lost.known || s.transmitted.n == 0 {
		return 0, false
	}
	return max(float64(s.lost.n)/float64(s.transmitted.n), 0), true
}

// rtpKeys are the attributes of one direction.
type rtpKeys struct {
	jitterAvg, jitterMax, transmitted, lost, lossRatio, tool string
}

// rtp adds what RTCP reported. Without RTCP there is nothing: 0 lost packets
// would be a claim.
func (c *callMapping) rtp() {
	c.facts.inbound = c.stream(c.cdr.Inbound, rtpKeys{
		attrRTPInboundJitterAvg, attrRTPInboundJitterMax, attrRTPInboundTransmitted,
		attrRTPInboundLost, attrRTPInboundLossRatio, attrRTPInboundTool,
	})
	c.facts.outbound = c.stream(c.cdr.Outbound, rtpKeys{
		attrRTPOutboundJitterAvg, attrRTPOutboundJitterMax, attrRTPOutboundTransmitted,
		attrRTPOutboundLost, attrRTPOutboundLossRatio, attrRTPOutboundTool,
	})
}

// stream adds the attributes of one direction.
func (c *callMapping) stream(stream *RTPStream, keys rtpKeys) streamFacts {
	if stream == nil {
		return streamFacts{}
	}
	facts := streamFacts{
		jitterAvg:   c.clock.milliseconds(stream.AverageJitter),
		jitterMax:   c.clock.milliseconds(stream.MaximumJitter),
		transmitted: c.packets(c.clock.count(stream.PacketsTransmitted)),
	}
	facts.lost = c.lost(stream.PacketsLost, facts.transmitted)
	if facts.jitterAvg.known {
		c.double(keys.jitterAvg, facts.jitterAvg.seconds())
	}
	if facts.jitterMax.known {
		c.double(keys.jitterMax, facts.jitterMax.seconds())
	}
	c.count(keys.transmitted, facts.transmitted)
	c.count(keys.lost, facts.lost)
	c.name(keys.tool, labelName, stream.ToolName)
	if ratio, ok := facts.lossRatio(); ok {
		c.double(keys.lossRatio, ratio)
	}
	return facts
}

// lost reads how many packets were lost: with its sign where the source wrote the 24
// bits without one. More than were sent can't be lost.
func (c *callMapping) lost(n Number, transmitted count) count {
	lost := c.clock.signed(n)
	if lost.n > maxLoss && lost.n < lossBits {
		lost.n -= lossBits
	}
	if lost.n > maxLoss || lost.n < -maxLoss-1 || transmitted.known && lost.n > transmitted.n {
		c.clock.anomalies.add(anomalyImplausibleNumber)
		return count{}
	}
	if lost = c.packets(lost); lost.n < 0 {
		c.clock.anomalies.add(anomalyNegativeLoss)
	}
	return lost
}

// packets is a number of packets, as if absent when the call was too short for so
// many. The time of a call that says neither start and stop nor elapsed is unknown.
func (c *callMapping) packets(n count) count {
	plan := &c.plan
	if !(plan.answered.ok && plan.ended.ok) && !plan.elapsed.measured() {
		return n
	}
	longest := time.Duration(max(plan.root.end-plan.root.start, plan.elapsed.nanos))
	if most := int64((longest + time.Second).Seconds() * packetRate); n.n > most || n.n < -most {
		c.clock.anomalies.add(anomalyImplausibleNumber)
		return count{}
	}
	return n
}
