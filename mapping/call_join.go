package mapping

import (
	"bytes"
	"cmp"
	"slices"
)

// newTurns lists the turns in document order with their paths and the elements
// that were heard.
func (c *callMapping) newTurns() []turnPlan {
	turns, audio := countTurns(c.cdr)
	plans := make([]turnPlan, 0, turns)
	heard := make([]audioPlan, 0, audio)
	seen := make(map[string]bool, turns)
	for s := range c.cdr.Summaries {
		summary := &c.cdr.Summaries[s]
		for t := range summary.Turns {
			plan := turnPlan{turn: &summary.Turns[t], summary: summary, number: len(plans) + 1}
			plan.path = c.turnPath(&plan, s, t, seen)
			from := len(heard)
			heard = appendHeard(heard, plan.turn.Response)
			plan.audio = heard[from:len(heard):len(heard)]
			plans = append(plans, plan)
		}
	}
	return plans
}

// turnPath says where a turn's ids come from: its log id for the first turn, in
// document order, of the call that owns it, else its place in the document.
func (c *callMapping) turnPath(plan *turnPlan, summary, turn int, seen map[string]bool) string {
	logID := plan.logID()
	if logID == "" {
		return IndexedTurnPath(c.id, summary, turn)
	}
	if seen[logID] {
		c.clock.anomalies.add(anomalyDuplicateLogID)
		return IndexedTurnPath(c.id, summary, turn)
	}
	seen[logID] = true
	if c.in.Owns != nil && !c.in.Owns(logID) {
		return IndexedTurnPath(c.id, summary, turn)
	}
	plan.owned = true
	return TurnPath(logID)
}

// logID of the turn; empty if it has none.
func (p *turnPlan) logID() string {
	if p.turn.Assistant == nil {
		return ""
	}
	return p.turn.Assistant.LogID
}

func appendHeard(heard []audioPlan, responses []TurnResponse) []audioPlan {
	for i := range responses {
		if responses[i].Streaming != nil {
			heard = append(heard, audioPlan{element: &responses[i], index: i})
		}
	}
	return heard
}

func countTurns(cdr *CDR) (turns, audio int) {
	for s := range cdr.Summaries {
		turns += len(cdr.Summaries[s].Turns)
		for t := range cdr.Summaries[s].Turns {
			for _, response := range cdr.Summaries[s].Turns[t].Response {
				if response.Streaming != nil {
					audio++
				}
			}
		}
	}
	return turns, audio
}

// join gives each message to the first turn that names its log id.
func (c *callMapping) join(turns []turnPlan) {
	if len(c.in.Messages) == 0 {
		return
	}
	byLogID := make(map[string]int, len(turns))
	for i := range turns {
		if logID := turns[i].logID(); logID != "" {
			if _, taken := byLogID[logID]; !taken {
				byLogID[logID] = i
			}
		}
	}
	c.members = c.clock.distinct(c.in.Messages)
	for i := range c.members {
		if turn, named := byLogID[c.members[i].Message.LogID]; named {
			turns[turn].message = &c.members[i]
		} else {
			c.unnamed = append(c.unnamed, c.members[i])
		}
	}
}

// joins says how the messages of the call found their turns. Missing are those of
// turns that this call owns: others came, or will come, with another call.
func (c *callMapping) joins() Joins {
	joins := Joins{
		Joined:  len(c.members) - len(c.unnamed),
		Unnamed: len(c.unnamed),
		Gaps:    c.gaps(),
	}
	for i := range c.plan.turns {
		if c.plan.turns[i].owned && c.plan.turns[i].message == nil {
			joins.Missing++
		}
	}
	return joins
}

// distinct puts messages in an order of their own (log id, then content) and
// leaves one of each log id: the first received.
func (c *clock) distinct(messages []MessageInput) []MessageInput {
	sorted := slices.Clone(messages)
	slices.SortFunc(sorted, func(a, b MessageInput) int {
		order := cmp.Compare(a.Message.LogID, b.Message.LogID)
		if order == 0 && a.Message.LogID != "" {
			order = a.ReceivedAt.Compare(b.ReceivedAt)
		}
		return cmp.Or(order, bytes.Compare(a.ContentHash[:], b.ContentHash[:]), a.ReceivedAt.Compare(b.ReceivedAt))
	})
	kept := slices.CompactFunc(sorted, func(a, b MessageInput) bool {
		if a.Message.LogID == "" && b.Message.LogID == "" {
			return a.ContentHash == b.ContentHash
		}
		return a.Message.LogID == b.Message.LogID
	})
	c.anomalies.addN(anomalyDuplicateMessage, len(messages)-len(kept))
	return kept
}

// nameSpans derives the ids of all spans and returns how many there are.
func (c *callMapping) nameSpans(trace TraceID) (spans int) {
	c.rootID = trace.Span(CallPath(c.id))
	spans = 2
	for i := range c.plan.turns {
		p := &c.plan.turns[i]
		p.id = trace.Span(p.path)
		if p.stt.ok {
			p.sttPath = SpeechPath(p.path)
			p.sttID = trace.Span(p.sttPath)
		}
		if p.assistant.ok {
			p.agentPath = AssistantPath(p.path)
			p.agentID = trace.Span(p.agentPath)
		}
		for j := range p.audio {
			p.audio[j].path = ResponsePath(p.path, p.audio[j].index)
			p.audio[j].id = trace.Span(p.audio[j].path)
		}
		spans += 3 + len(p.audio)
	}
	return spans
}

// judge computes what needs more than one turn.
func (c *callMapping) judge() {
	c.plan.waits(&c.clock, c.m.config.Slow, c.m.config.DeadAir)
	playbackStop := instant{}
	for i := range c.plan.turns {
		p := &c.plan.turns[i]
		p.silence = p.silentSince(playbackStop)
		for j := range p.audio {
			if stop := p.audio[j].stop; stop.ok && (!playbackStop.ok || stop.nanos > playbackStop.nanos) {
				playbackStop = stop
			}
		}
	}
}
