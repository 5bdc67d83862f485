package mapping

import (
	"cmp"
	"slices"
)

// numbered is a message by its place in its session: turn_count of the response,
// 1 for the first. 0 is a message of which the place is not known.
type numbered struct {
	session string
	number  int
}

// gaps counts the messages that the sessions of the call must have had, by their
// turn_count, and that did not come. Each one whose place is not known fills a
// hole: that of a message without turn_count, or of a turn whose message belongs
// to another call.
func (c *callMapping) gaps() (holes int) {
	if len(c.members) == 0 {
		return 0
	}
	list := make([]numbered, 0, len(c.members)+len(c.plan.turns))
	for i := range c.members {
		if message := c.members[i].Message; message.SessionID != "" {
			list = append(list, numbered{message.SessionID, place(message.TurnCount)})
		}
	}
	for i := range c.plan.turns {
		p := &c.plan.turns[i]
		if p.logID() != "" && !p.owned && p.message == nil && p.summary.SessionID != "" {
			list = append(list, numbered{p.summary.SessionID, 0})
		}
	}
	slices.SortFunc(list, func(a, b numbered) int {
		return cmp.Or(cmp.Compare(a.session, b.session), cmp.Compare(a.number, b.number))
	})
	for len(list) > 0 {
		end := 1
		for end < len(list) && list[end].session == list[0].session {
			end++
		}
		holes += sessionGaps(list[:end], len(c.in.Orphaned) > 0)
		list = list[end:]
	}
	return holes
}

// sessionGaps counts the holes up to the last number: from the first message of
// the session, or from the first seen, where earlier ones left with a
// conversation.
func sessionGaps(session []numbered, fromSeen bool) int {
	unplaced, distinct, previous, before := 0, 0, 0, 0
	for _, message := range session {
		switch message.number {
		case 0:
			unplaced++
		case previous:
		default:
			if distinct == 0 && fromSeen {
				before = message.number - 1
			}
			distinct++
			previous = message.number
		}
	}
	return max(0, previous-before-distinct-unplaced)
}

// place is a turn_count that a call can have; others are as if absent.
func place(n Number) int {
	if !n.Valid || n.Value < 1 || n.Value > maxTurns {
		return 0
	}
	return int(n.Value)
}
