package mapping

// Outcomes of a transfer.
const (
	transferSucceeded = "succeeded"
	transferFailed    = "failed"
	transferUnknown   = "unknown"
)

// measureTransfers counts the attempts to transfer the call. An attempt begins
// with a command; a turn then says that the call is transferred, or that it could
// not be. Where no turn says, a call that ended by its transfer succeeded with the
// last attempt. Nothing else is told: after a transfer by hanging up, or one that
// was replaced by another, the outcome is unknown.
func (c *callMapping) measureTransfers() {
	var open *turnPlan // of the attempt that has no outcome yet
	reported, attempts := false, 0
	done := func(p *turnPlan, outcome string) {
		c.points.add(MetricTransfers, 1, p.base, p.id, c.points.one(attrTransferOutcome, outcome))
		open, reported = nil, false
		attempts++
	}
	settle := func(outcome string) {
		switch {
		case open == nil:
		case reported:
			done(open, transferSucceeded)
		default:
			done(open, outcome)
		}
	}
	for i := range c.plan.turns {
		p := &c.plan.turns[i]
		switch p.turn.Request.Type {
		case typeTransfer:
			if open == nil {
				open = p
			}
			reported = true
		case typeTransferFailed:
			done(p, transferFailed)
		}
		for j := range p.turn.Response {
			if p.turn.Response[j].Type == typeTransfer {
				settle(transferUnknown)
				open = p
			}
		}
	}
	ended := c.facts.endReason == endTransfer
	outcome := transferUnknown
	if ended {
		outcome = transferSucceeded
	}
	settle(outcome)
	if attempts == 0 && (ended || c.cdr.TransferOccurred) {
		c.points.add(MetricTransfers, 1, c.callBase, c.rootID, c.points.one(attrTransferOutcome, outcome))
	}
}
