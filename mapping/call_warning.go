package mapping

import (
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// assignWarnings gives each warning to the span whose transaction id its text
// names. A recognition's transaction is one connection for the whole call: where
// an id names several spans the warning stays with the call.
func (c *callMapping) assignWarnings() {
	if len(c.cdr.Warnings) == 0 {
		return
	}
	c.warned = make(map[SpanID][]int, len(c.cdr.Warnings))
	c.warnedSpans = make([]SpanID, len(c.cdr.Warnings))
	var transactions map[string]SpanID
	for i := range c.cdr.Warnings {
		owner := c.rootID
		for _, id := range WarningTransactionIDs(c.cdr.Warnings[i].Message) {
			if transactions == nil {
				transactions = c.transactions()
			}
			if span := transactions[id]; !span.IsZero() {
				owner = span
				break
			}
		}
		c.warned[owner] = append(c.warned[owner], i)
		c.warnedSpans[i] = owner
	}
}

// transactions maps each transaction id to its span, or to none if it has more
// than one.
func (c *callMapping) transactions() map[string]SpanID {
	spans := make(map[string]SpanID, 2*len(c.plan.turns))
	put := func(id string, span SpanID) {
		if _, taken := spans[id]; taken {
			span = SpanID{}
		}
		spans[id] = span
	}
	for i := range c.plan.turns {
		p := &c.plan.turns[i]
		if p.stt.ok {
			put(p.turn.Request.Streaming.TransactionID, p.sttID)
		}
		for j := range p.audio {
			put(p.audio[j].element.Streaming.TransactionID, p.audio[j].id)
		}
	}
	return spans
}

// warnings adds the events of the warnings that belong to a span, at its end:
// warnings carry no time, only their order.
func (c *callMapping) warnings(span *tracepb.Span, id SpanID, at int64) {
	for _, i := range c.warned[id] {
		warning := &c.cdr.Warnings[i]
		from := c.mark()
		c.str(attrWarningID, warningID(warning.ID))
		c.str(attrWarningSeverity, WarningSeverity(warning.ID))
		c.int(attrWarningIndex, int64(i))
		c.str(attrWarningMessage, c.policy.reason(warning.Message))
		c.event(span, eventWarning, at, from)
	}
}

// warningID lets only codes of the platform's form through: the field is free
// text at its source (I5).
func warningID(id string) string {
	if id == "" || WarningSeverity(id) != "" {
		return id
	}
	return other
}
