package mapping

import (
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// Values of error.type. They are the same on spans and on metrics.
const (
	errorCallFailed = "call_failed"
	errorExtension  = "extension_call_failed"
	errorModel      = "model_call_failed"
	errorHandler    = "handler_failed"
	errorAssistant  = "assistant_error"
)

// Results of a call.
const (
	resultCompleted   = "completed"
	resultTransferred = "transferred"
	resultFailed      = "failed"
)

// End reasons that decide the result.
const (
	endFailed   = "failed"
	endTransfer = "assistant_transfer"
)

// callResult is how the call ended. A failure during a call that ended otherwise
// leaves it completed or transferred.
func callResult(cdr *CDR, endReason string) string {
	switch {
	case endReason == endFailed, endReason == "" && cdr.FailureOccurred:
		return resultFailed
	case endReason == endTransfer && !lastTransferFailed(cdr):
		return resultTransferred
	}
	return resultCompleted
}

// lastTransferFailed looks at the last transfer that was asked for: the turn
// after a failed one has the type transfer_failed.
func lastTransferFailed(cdr *CDR) bool {
	failed := false
	for s := range cdr.Summaries {
		for t := range cdr.Summaries[s].Turns {
			turn := &cdr.Summaries[s].Turns[t]
			switch turn.Request.Type {
			case typeTransfer:
				failed = false
			case typeTransferFailed:
				failed = true
			}
			for i := range turn.Response {
				if turn.Response[i].Type == typeTransfer {
					failed = false
				}
			}
		}
	}
	return failed
}

// callStatus marks a call that failed. A failure that was handled, so that the call
// ended otherwise, is an attribute and no error (semantic conventions, Recording
// errors).
func (c *callMapping) callStatus(span *tracepb.Span, result, failure string) {
	if result == resultFailed {
		c.facts.errorType = callErrorType(c.cdr)
		c.str(attrErrorType, c.facts.errorType)
		c.fail(span, failure)
	}
}

// callErrorType is the first warning that is an error.
func callErrorType(cdr *CDR) string {
	for i := range cdr.Warnings {
		if WarningSeverity(cdr.Warnings[i].ID) == "E" {
			return cdr.Warnings[i].ID
		}
	}
	return errorCallFailed
}

// status marks a span as failed, unless the type is empty.
func (b *builder) status(span *tracepb.Span, errorType string) {
	if errorType != "" {
		b.str(attrErrorType, errorType)
		b.fail(span, "")
	}
}

// errorType of a turn that reports a failure. Time-outs, turns without input and
// filtered results are not errors: callers are silent, and mumble.
func (p *turnPlan) errorType() string {
	switch request := p.turn.Request.Type; request {
	case typeTransferFailed, typeSMSFailure:
		return request
	case typeMRCPUnsuccessful:
		if !p.stt.ok {
			return request
		}
	}
	return ""
}

// speechErrorType is that of a recognition which the recogniser reported as
// unsuccessful.
func (p *turnPlan) speechErrorType() string {
	if p.turn.Request.Type == typeMRCPUnsuccessful {
		return typeMRCPUnsuccessful
	}
	return ""
}

// errorType is that of the message log, if it came.
func (in *MessageInput) errorType() string {
	if in == nil {
		return ""
	}
	return in.Message.errorType()
}

// errorType of a message: what failed while the assistant answered. An answer
// that a handler rejected as invalid is the user's, not an error.
func (m *Message) errorType() string {
	errorType := ""
	for i := range m.TurnEvents {
		switch event := &m.TurnEvents[i]; {
		case event.Event == turnEventCallout && event.errorType() != "":
			return errorExtension
		case event.Event == turnEventGenerativeAI && event.modelErrorType() != "":
			errorType = errorModel
		case event.Event == turnEventHandler && event.Failed && errorType == "":
			errorType = errorHandler
		}
	}
	if errorType != "" {
		return errorType
	}
	for i := range m.LogMessages {
		if m.LogMessages[i].Level == "error" {
			return errorAssistant
		}
	}
	return ""
}

// endReasonKnown lists the documented reasons; absent is not unknown.
func endReasonKnown(reason string) bool {
	switch reason {
	case "", endTransfer, "assistant_hangup", "caller_hangup", endFailed:
		return true
	}
	return false
}
