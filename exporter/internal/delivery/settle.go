package delivery

import (
	"context"
	"errors"
	"slices"
	"time"
)

// settle judges answers and ends their claims.
func (d *Delivery) settle(ctx context.Context, all []answered) {
	d.inFlight -= len(all)
	settled := make([]Settlement, 0, len(all))
	for _, a := range all {
		settled = append(settled, d.judge(a))
	}
	d.end(ctx, settled, false)
}

// end ends claims. Those that an outbox that is unavailable did not end are kept, so that
// what was answered is not sent again: until there is an outbox nothing is claimed
// either, so no more are kept than are sent at once (I7).
func (d *Delivery) end(ctx context.Context, settled []Settlement, again bool) {
	err := d.config.Outbox.Settle(ctx, settled)
	var lost *LostError
	switch {
	case err == nil:
		d.told(settled)
	case errors.As(err, &lost):
		d.endLost(settled, lost, again)
	case errors.Is(err, ErrUnavailable):
		d.keep(settled, again)
	case len(settled) == 1:
		d.warnUnsettled(settled[0], err)
	default: // one that can't be stored must not hold up the others
		for i := range settled {
			d.end(ctx, settled[i:i+1], again)
		}
	}
}

// endLost: a claim that is gone when it is ended again was ended the first time.
func (d *Delivery) endLost(settled []Settlement, lost *LostError, again bool) {
	for i, s := range settled {
		if !again && slices.Contains(lost.Requests, s.Request.ID) {
			d.warnUnsettled(s, lost)
			continue
		}
		d.told(settled[i : i+1])
	}
}

func (d *Delivery) keep(settled []Settlement, again bool) {
	if len(d.kept) == 0 && !again {
		d.log.Warn("outcomes can't be stored and are kept until they can")
	}
	d.kept = append(d.kept, settled...)
}

// settleKept ends the claims that were kept, if it can now. In an outage that is longer
// than claims last another replica may have taken, and sent, them again.
func (d *Delivery) settleKept(ctx context.Context) {
	if kept := d.kept; len(kept) > 0 {
		d.kept = nil
		d.end(ctx, kept, true)
	}
}

func (d *Delivery) warnUnsettled(s Settlement, err error) {
	d.log.Warn("outcome could not be stored, the request will be sent again", "request", s.Request.ID, "verdict", s.Verdict, "error", err)
}

func (d *Delivery) told(settled []Settlement) {
	if d.config.OnSettled == nil {
		return
	}
	for _, s := range settled {
		d.config.OnSettled(s)
	}
}

// judge one answer: what becomes of the request, and of the gate.
func (d *Delivery) judge(a answered) Settlement {
	now := time.Now()
	r := a.request
	h := d.history(r)
	h.Passed, h.Suspect = d.refusals.others(r.ID)
	h.Splittable = a.parts != nil
	o := outcomeOf(a.answer, h)
	d.changeGate(func() bool { return d.gate.answered(a.ticket, judged{o, a.answer.Detail}, now) })

	s := Settlement{Request: r, Verdict: o.Verdict, Reason: o.Reason, Detail: a.answer.Detail}
	switch o.Verdict {
	case VerdictDone:
		d.refusals.accepted(r.ID, a.number)
		s.Items = int64(d.config.Count(r.Body))
		s.Rejected = d.partial(r, a.answer.Partial, s.Items)
	case VerdictSplit:
		d.refusals.forget(r.ID)
		s.Parts = a.parts
		d.log.Info("request was split", "request", r.ID, "bytes", len(r.Body), "parts", len(a.parts), "detail", s.Detail)
	case VerdictHold, VerdictRetry:
		s.Aside = d.refused(r, o, s.Detail)
	case VerdictDead:
		d.refusals.forget(r.ID)
		d.log.Warn("request is a dead letter", "request", r.ID, "reason", o.Reason, "detail", s.Detail,
			"page", "/deliveries?state=dead", "hint", "see WxaDeadLetters in docs/runbook.md")
	}
	d.idle = false
	return s
}

// refused says how long the request is set aside.
func (d *Delivery) refused(r Request, o outcome, detail string) (aside time.Duration) {
	times := d.refusals.add(r.ID, o.Aside)
	// Only a row that is passed over needs a new pass: while the gate is held, or in
	// doubt, the next to be sent is another one.
	if d.gate.state.Open && d.gate.doubt == nil {
		d.cursor = 0
	}
	if !o.Aside {
		return 0
	}
	if times == 1 && d.gate.state.Open && !d.closing {
		d.log.Warn("request was refused; others are sent before it is tried again", "request", r.ID, "detail", detail)
	}
	return d.config.Backoff.pause(times, maxPause)
}

// changeGate changes the gate, publishes its state, and logs it once per change that
// means something.
func (d *Delivery) changeGate(change func() bool) {
	before := d.gate.state
	if !change() {
		return
	}
	after := d.gate.state
	d.mu.Lock()
	d.shown = after
	d.mu.Unlock()
	if d.config.OnGate != nil {
		d.config.OnGate(after)
	}
	if after.Open { // what waited goes first
		d.cursor = 0
	}
	if !d.closing {
		d.logGate(before, after)
	}
}

func (d *Delivery) logGate(before, after GateState) {
	switch {
	case after.Open:
		d.log.Info("sending resumed", "held_for", after.Since.Sub(before.Since))
	case before.Reason == after.Reason: // another probe, the same answer
	case after.Alarm:
		d.log.Warn("sending is held until somebody acts, nothing is lost", "reason", after.Reason, "detail", after.Detail)
	default:
		d.log.Warn("sending is held, nothing is lost", "reason", after.Reason, "detail", after.Detail)
	}
}

// partial counts and says what a partial success rejected of the items that were sent. A
// message alone is a warning of the receiver that it repeats with each request: said once.
func (d *Delivery) partial(r Request, p *Partial, items int64) (rejected int64) {
	if p == nil {
		return 0
	}
	rejected = min(max(p.Rejected, 0), items) // the receiver may claim anything
	switch {
	case rejected > 0:
		d.log.Warn("receiver rejected a part of a request", "request", r.ID, "rejected", rejected, "message", p.Message)
	case p.Message != "" && p.Message != d.notice:
		d.notice = p.Message
		d.log.Warn("receiver accepted with a warning", "message", p.Message)
	}
	return rejected
}
