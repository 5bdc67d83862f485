package mapping

import "time"

// Overview is what a list of calls and conversations shows of one. What is not known
// is zero, but for WorstTurn.
type Overview struct {
	StartedAt time.Time
	// Duration of a call is its answered part, of a conversation all of it.
	Duration  time.Duration
	Direction string // inbound, outbound; of a call
	Result    string // completed, transferred, failed; of a call
	Channel   string // as the messages name it; of a call Phone
	Turns     int
	Warnings  int

	// WorstTurn is the longest wait for a turn's first audio. Waited: it is known, so
	// that 0 is a wait too.
	WorstTurn time.Duration
	Waited    bool
	// RTP: the call reported on its packets. JitterMax and Loss (a ratio) are those of
	// the worse direction.
	RTP       bool
	JitterMax time.Duration
	Loss      float64

	Failed, Transferred bool
	// Slow: a turn was slow or dead air.
	Slow bool
}

// overview is made of what the root says.
func (c *callMapping) overview() Overview {
	facts := &c.facts
	o := Overview{
		StartedAt:   time.Unix(0, c.plan.root.start).UTC(),
		Duration:    time.Duration(c.plan.elapsed.nanos),
		Direction:   c.direction(),
		Result:      facts.result,
		Channel:     channelPhone,
		Turns:       len(c.plan.turns),
		Warnings:    len(c.cdr.Warnings),
		WorstTurn:   time.Duration(facts.worstTurn.nanos),
		Waited:      facts.worstTurn.known,
		Failed:      facts.result == resultFailed,
		Transferred: facts.result == resultTransferred,
		Slow:        facts.slowTurns > 0,
	}
	for _, stream := range [...]*streamFacts{&facts.inbound, &facts.outbound} {
		o.RTP = o.RTP || *stream != streamFacts{}
		o.JitterMax = max(o.JitterMax, time.Duration(stream.jitterMax.nanos))
		if ratio, ok := stream.lossRatio(); ok {
			o.Loss = max(o.Loss, ratio)
		}
	}
	return o
}

func (c *conversationMapping) overview() Overview {
	return Overview{
		StartedAt: time.Unix(0, c.root.start).UTC(),
		Duration:  time.Duration(c.root.end - c.root.start),
		Channel:   c.policy.name(labelName, c.channel()),
		Turns:     len(c.exchange),
	}
}
