package mapping

import (
	"cmp"
	"slices"
	"time"
)

// callPlan is a call with its times decided, before any span is built.
type callPlan struct {
	root, setup bounds
	turns       []turnPlan
	// order lists the turns as their spans come out: by start, then path.
	order []int

	answered, ended    instant
	elapsed, setupTime measure
}

// callClock takes the INVITE as anchor, else the call's start or stop, else the
// receipt. Without a receipt the first instant of a turn stands in for it.
func callClock(cdr *CDR, received time.Time) clock {
	anchor := anchorOf(received, cdr.SIP.Invite, cdr.Call.Start, cdr.Call.Stop)
	if !anchor.ok {
		anchor = firstOfTurns(cdr, func(i Instant) instant { return unixNano(i.Time) })
	}
	return clock{anchor: anchor.nanos, anchored: anchor.ok, reach: int64(reach)}
}

// planCall decides every bound of a call (docs/mapping.md, "Times"). Parents are
// widened to their children, so children lie within them for any input (I4).
func planCall(cdr *CDR, received time.Time, clock *clock, turns []turnPlan) callPlan {
	invite := clock.at(cdr.SIP.Invite)
	plan := callPlan{
		turns:     turns,
		answered:  clock.at(cdr.Call.Start),
		ended:     clock.at(cdr.Call.Stop),
		elapsed:   clock.milliseconds(cdr.Call.MillisecondsElapsed),
		setupTime: clock.milliseconds(cdr.SIP.SetupMilliseconds),
	}
	if invite.ok && plan.setupTime.measured() {
		plan.setup = clock.span(invite.nanos, invite.nanos+plan.setupTime.nanos, 0)
	}
	plan.root = plan.own(clock, invite)
	first := firstOfTurns(cdr, clock.plausible)
	if !plan.root.ok && !first.ok {
		plan.root = plan.beforeReceipt(clock, received)
	}
	previousEnd := first.nanos
	if plan.root.ok {
		previousEnd = plan.root.start
	}
	for i := range turns {
		turns[i].decide(clock, previousEnd)
		previousEnd = turns[i].whole.end
	}
	widen := plan.root.widen
	if !plan.root.ok {
		plan.root.flags = inferred
		widen = plan.root.cover
	}
	widen(plan.setup)
	for i := range turns {
		widen(turns[i].whole)
	}
	plan.sort()
	return plan
}

// own returns the bounds that the CDR itself gives to the call; they are not ok
// when it gives neither a start nor a stop.
func (p *callPlan) own(clock *clock, invite instant) bounds {
	start := invite
	if p.answered.ok && (!invite.ok || p.answered.nanos < invite.nanos) {
		start = p.answered
	}
	switch {
	case start.ok && p.ended.ok:
		return clock.span(start.nanos, p.ended.nanos, 0)
	case p.answered.ok:
		return clock.span(start.nanos, p.answered.nanos+p.elapsed.nanos, inferred)
	case start.ok:
		return clock.span(start.nanos, start.nanos+p.setupTime.nanos+p.elapsed.nanos, inferred)
	case p.ended.ok:
		return clock.span(p.ended.nanos-p.elapsed.nanos, p.ended.nanos, inferred)
	}
	return bounds{}
}

// beforeReceipt is where a call without any usable instant lies: it ends when
// its CDR was first received.
func (p *callPlan) beforeReceipt(clock *clock, received time.Time) bounds {
	end := unixNano(received)
	start := max(0, end.nanos-p.elapsed.nanos)
	return clock.span(start, start+p.elapsed.nanos, inferred)
}

// sort decides the order in which the turns come out.
func (p *callPlan) sort() {
	p.order = make([]int, len(p.turns))
	for i := range p.order {
		p.order[i] = i
	}
	slices.SortFunc(p.order, func(i, j int) int {
		a, b := &p.turns[i], &p.turns[j]
		return cmp.Or(cmp.Compare(a.whole.start, b.whole.start), cmp.Compare(a.path, b.path))
	})
}

// firstOfTurns returns the first instant in document order that read accepts.
func firstOfTurns(cdr *CDR, read func(Instant) instant) instant {
	for s := range cdr.Summaries {
		for t := range cdr.Summaries[s].Turns {
			if first := firstOfTurn(&cdr.Summaries[s].Turns[t], read); first.ok {
				return first
			}
		}
	}
	return instant{}
}

func firstOfTurn(turn *Turn, read func(Instant) instant) instant {
	if turn.Request.Streaming != nil {
		if first := read(turn.Request.Streaming.Start); first.ok {
			return first
		}
	}
	if turn.Assistant != nil {
		if first := read(turn.Assistant.Start); first.ok {
			return first
		}
	}
	for i := range turn.Response {
		if streaming := turn.Response[i].Streaming; streaming != nil {
			if first := read(streaming.Start); first.ok {
				return first
			}
		}
	}
	return instant{}
}
