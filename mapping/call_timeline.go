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

// callClock believes a call whose facts agree. Else it takes the INVITE as anchor,
// else the call's start or stop, else the receipt. Without a receipt the first instant of a turn stands in for it.
func callClock(cdr *CDR, received time.Time) clock {
	if call := agreedCall(cdr, received); call.ok {
		return clock{anchor: call.start, anchored: true, reach: call.end - call.start + int64(reach), call: call}
	}
	anchor := anchorOf(received, cdr.SIP.Invite, cdr.Call.Start, cdr.Call.Stop)
	if !anchor.ok {
		anchor = firstOfTurns(cdr, func(i Instant) instant { return unixNano(i.Time) })
	}
	return clock{anchor: anchor.nanos, anchored: anchor.ok, reach: int64(reach)}
}

// longestCall is how long a call may be that lasted longer than a day.
const longestCall = 30 * 24 * time.Hour

// agreedCall returns the time of a call whose start, stop and elapsed time agree, from
// its INVITE on as far as the setup time tells: no other instant that lies far
// outside of it is believed.
func agreedCall(cdr *CDR, received time.Time) bounds {
	start, stop, receipt := unixNano(cdr.Call.Start.Time), unixNano(cdr.Call.Stop.Time), unixNano(received)
	elapsed, setup := cdr.Call.MillisecondsElapsed, cdr.SIP.SetupMilliseconds
	if !start.ok || !stop.ok || receipt.ok && stop.nanos > receipt.nanos+int64(reach) ||
		!elapsed.Valid || !(elapsed.Value > 0 && elapsed.Value <= float64(longestCall.Milliseconds())) ||
		!agree(stop.nanos-start.nanos, int64(elapsed.Value*float64(time.Millisecond))) {
		return bounds{}
	}
	if setup.Valid && setup.Value > 0 && setup.Value <= float64(reach.Milliseconds()) {
		start.nanos -= int64(setup.Value * float64(time.Millisecond))
	}
	return bounds{start: start.nanos, end: stop.nanos, ok: true}
}

// agree compares two accounts of one duration, in nanoseconds: timestamps may be cut
// to seconds, and two clocks drift.
func agree(a, b int64) bool { return distance(a, b) <= int64(2*time.Second)+b/1000 }

// planCall decides every bound of a call (docs/mapping.md, "Times"). Parents are
// widened to their children, so children lie within them for any input (I4).
func planCall(cdr *CDR, received time.Time, clock *clock, turns []turnPlan) callPlan {
	plan := callPlan{
		turns:     turns,
		answered:  clock.at(cdr.Call.Start),
		ended:     clock.at(cdr.Call.Stop),
		elapsed:   clock.milliseconds(cdr.Call.MillisecondsElapsed),
		setupTime: clock.milliseconds(cdr.SIP.SetupMilliseconds),
	}
	invite := plan.invite(clock, cdr.SIP.Invite)
	plan.setup = plan.placeSetup(clock, invite)
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

// invite reads when the INVITE came: not after the answer of a call whose facts
// agree.
func (p *callPlan) invite(clock *clock, i Instant) instant {
	invite := clock.at(i)
	if invite.ok && clock.call.ok && invite.nanos > p.answered.nanos && !agree(invite.nanos-p.answered.nanos, 0) {
		clock.anomalies.add(anomalyImplausibleTime)
		return instant{}
	}
	return invite
}

// placeSetup puts the setup before the answer. It begins with the INVITE or, when that
// is not known or came later, where it must have begun.
func (p *callPlan) placeSetup(clock *clock, invite instant) bounds {
	end := invite.nanos + p.setupTime.nanos
	switch {
	case !p.setupTime.measured() || !invite.ok && !p.answered.ok:
		return bounds{}
	case p.answered.ok && (!invite.ok || invite.nanos > p.answered.nanos):
		return clock.span(max(0, p.answered.nanos-p.setupTime.nanos), p.answered.nanos, inferred)
	case p.answered.ok && p.answered.nanos < end:
		return clock.span(invite.nanos, p.answered.nanos, clamped)
	}
	return clock.span(invite.nanos, end, 0)
}

// own returns the bounds that the CDR itself gives to the call; they are not ok
// when it gives neither a start nor a stop.
func (p *callPlan) own(clock *clock, invite instant) bounds {
	start, flags := invite, adjusted(0)
	if !invite.ok && p.setup.ok {
		start, flags = instant{p.setup.start, true}, inferred
	}
	if p.answered.ok && (!start.ok || p.answered.nanos < start.nanos) {
		start = p.answered
	}
	switch {
	case start.ok && p.ended.ok:
		return clock.span(start.nanos, p.ended.nanos, flags|p.contradiction(clock))
	case p.answered.ok:
		return clock.span(start.nanos, p.answered.nanos+p.elapsed.nanos, inferred)
	case start.ok:
		return clock.span(start.nanos, start.nanos+p.setupTime.nanos+p.elapsed.nanos, inferred)
	case p.ended.ok:
		return clock.span(p.ended.nanos-p.elapsed.nanos, p.ended.nanos, inferred)
	}
	return bounds{}
}

// contradiction flags and counts an elapsed time that is not the time between start
// and stop.
func (p *callPlan) contradiction(clock *clock) adjusted {
	if !p.answered.ok || !p.ended.ok || !p.elapsed.measured() || agree(p.ended.nanos-p.answered.nanos, p.elapsed.nanos) {
		return 0
	}
	clock.anomalies.add(anomalyContradictoryDuration)
	return contradicted
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
