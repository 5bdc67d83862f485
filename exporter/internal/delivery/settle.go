package delivery

import (
	"context"
	"time"
)

// settle judges answers and ends their claims.
func (d *Delivery) settle(ctx context.Context, all []answered) {
	d.inFlight -= len(all)
	settled := make([]Settlement, 0, len(all))
	for _, a := range all {
		settled = append(settled, d.judge(a))
	}
	if err := d.config.Outbox.Settle(ctx, settled); err == nil {
		d.told(settled)
		return
	}
	// One claim that was lost must not undo the others.
	for _, s := range settled {
		if err := d.config.Outbox.Settle(ctx, []Settlement{s}); err != nil {
			d.log.Warn("outcome could not be stored, the request will be sent again",
				"request", s.Request.ID, "verdict", s.Verdict, "error", err)
			continue
		}
		d.told([]Settlement{s})
	}
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
	o := outcomeOf(a.answer, history{
		Attempts:     r.Attempts,
		MaxAttempts:  d.config.MaxAttempts,
		Passed:       !r.FirstFailedAt.IsZero() && d.passedAt.After(r.FirstFailedAt),
		Unsplittable: a.unsplittable,
	})
	d.moveGate(a, o, now)

	s := Settlement{Request: r, Verdict: o.Verdict, Reason: o.Reason, Detail: a.answer.Detail}
	switch o.Verdict {
	case VerdictDone:
		d.passedAt = now
		s.Rejected = d.partial(r, a.answer.Partial)
	case VerdictSplit:
		s.Parts = a.parts
		d.log.Info("request is too large for the receiver and was split", "request", r.ID, "bytes", len(r.Body), "parts", len(a.parts))
	case VerdictHold:
		// Only a row that is passed over needs a new pass: while the gate is
		// held, successive probes go on to other rows.
		if d.gate.state.Open {
			d.cursor = 0
		}
	case VerdictDead:
		d.log.Warn("request is a dead letter", "request", r.ID, "reason", o.Reason, "detail", s.Detail)
	}
	d.idle = false
	return s
}

// moveGate tells the gate, and the log once per change that means something.
func (d *Delivery) moveGate(a answered, o outcome, now time.Time) {
	before := d.gate.state
	if !d.gate.answered(a.ticket, o, now) {
		return
	}
	after := d.gate.state
	d.mu.Lock()
	d.shown = after
	d.mu.Unlock()
	if d.config.OnGate != nil {
		d.config.OnGate(after)
	}
	// Where the next pass begins. After an outage: with the oldest. After a
	// request failed alone: with the next, else it would come first each time.
	if before.Open != after.Open && before.Reason != HeldFailing && after.Reason != HeldFailing {
		d.cursor = 0
	}
	if !d.closing {
		d.logGate(before, after, a.answer.Detail)
	}
}

func (d *Delivery) logGate(before, after GateState, detail string) {
	switch {
	case after.Open:
		d.log.Info("sending resumed", "held_for", after.Since.Sub(before.Since))
	case before.Reason == after.Reason: // another probe, the same answer
	case after.Alarm:
		d.log.Warn("sending is held until somebody acts, nothing is lost", "reason", after.Reason, "detail", detail)
	default:
		d.log.Warn("sending is held, nothing is lost", "reason", after.Reason, "detail", detail)
	}
}

// partial counts and says what a partial success rejected. A message alone is a
// warning of the receiver that it repeats with each request: said once.
func (d *Delivery) partial(r Request, p *Partial) (rejected int64) {
	switch {
	case p == nil:
		return 0
	case p.Rejected > 0:
		d.log.Warn("receiver rejected a part of a request", "request", r.ID, "rejected", p.Rejected, "message", p.Message)
	case p.Message != "" && p.Message != d.notice:
		d.notice = p.Message
		d.log.Warn("receiver accepted with a warning", "message", p.Message)
	}
	return max(p.Rejected, 0)
}
