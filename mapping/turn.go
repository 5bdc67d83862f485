package mapping

import (
	"cmp"
	"slices"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// Types of a turn's request and response that mean something to the mapping.
const (
	typeStart            = "start"
	typeSpeech           = "speech_to_text"
	typeDTMF             = "dtmf"
	typeTransfer         = "transfer"
	typeTransferFailed   = "transfer_failed"
	typeSMSFailure       = "sms_failure"
	typeMRCPUnsuccessful = "mrcp_recognition_unsuccessful"
	typeSpoken           = "text_to_speech"
	typeURL              = "url"
)

// requestTypeKnown lists the documented types, and hangup, which is in every
// example. The set is open at its source, so a span's name takes no other.
func requestTypeKnown(name string) bool {
	switch name {
	case typeStart, typeSpeech, typeDTMF, "sms", "post_response_timeout", "redirect",
		typeTransfer, typeTransferFailed, "final_utterance_timeout", "no_input_turn",
		typeSMSFailure, "speech_to_text_result_filtered", typeMRCPUnsuccessful,
		"network_warning", "media_capability_change", "hangup":
		return true
	}
	return false
}

func responseTypeKnown(name string) bool {
	switch name {
	case typeSpoken, "sms", typeURL, typeTransfer, "text_to_speech_config",
		"speech_to_text_config", "pause_speech_to_text", "unpause_speech_to_text",
		"pause_dtmf", "unpause_dtmf", "enable_speech_barge_in", "disable_speech_barge_in",
		"enable_dtmf_barge_in", "disable_dtmf_barge_in", typeDTMF, "hangup":
		return true
	}
	return false
}

// turn builds a turn's span and those under it.
func (c *callMapping) turn(p *turnPlan) {
	request := p.turn.Request.Type
	if !requestTypeKnown(request) {
		c.clock.anomalies.add(anomalyUnknownEnum)
	}
	span := c.begin(turnName(request), tracepb.Span_SPAN_KIND_INTERNAL, p.id, c.rootID, p.whole)
	c.int(attrTurnNumber, int64(p.number))
	c.str(attrTurnRequestType, c.unlessKnown(requestType(request), requestTypeKnown(request)))
	c.strs(attrTurnResponseTypes, c.responseTypes(p.turn.Response))
	c.bool(attrTurnBargeIn, slices.ContainsFunc(p.turn.Response, func(r TurnResponse) bool { return r.BargeIn }))
	c.known(attrTurnResponse, p.wait.duration)
	c.known(attrTurnUnexplained, p.wait.unexplained)
	if p.wait.estimated && p.wait.duration.known {
		c.bool(attrTurnEstimated, true)
	}
	c.str(attrTurnResponseClass, p.wait.class)
	c.known(attrTurnCallerSilence, p.silence)
	c.addID(attrLogID, p.logID())
	c.status(span, p.errorType())
	c.finish(span)
	for i := range p.turn.Response {
		// Of a prompt without statistics nothing but the interruption is known.
		if response := &p.turn.Response[i]; response.BargeIn && response.Streaming == nil {
			c.event(span, eventBargeIn, p.whole.end, c.mark())
		}
	}
	c.observations(span, &c.observed, c.observed.turns[p.number-1], p.whole)
	c.children(p)
}

// turnName is of low cardinality: the type's own set is open.
func turnName(request string) string {
	if requestTypeKnown(request) {
		return turnNamePrefix + request
	}
	return turnNamePrefix + other
}

// child is a span under a turn: an element of audio, or one of the others.
type child struct {
	start int64
	path  string
	audio int
}

const (
	assistantChild = -1
	speechChild    = -2
)

// children builds the spans under a turn in order of start, then path.
func (c *callMapping) children(p *turnPlan) {
	var room [8]child
	list := room[:0]
	if p.assistant.ok {
		list = append(list, child{p.assistant.start, p.agentPath, assistantChild})
	}
	if p.stt.ok {
		list = append(list, child{p.stt.start, p.sttPath, speechChild})
	}
	for i := range p.audio {
		list = append(list, child{p.audio[i].at.start, p.audio[i].path, i})
	}
	slices.SortFunc(list, func(a, b child) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.path, b.path))
	})
	for _, child := range list {
		switch child.audio {
		case assistantChild:
			c.assistant(p)
		case speechChild:
			c.speechToText(p)
		default:
			c.audio(p, &p.audio[child.audio])
		}
	}
}

// requestType is the type as an attribute; one that is not documented keeps its
// words.
func requestType(name string) string {
	if requestTypeKnown(name) {
		return name
	}
	return EndReason(name)
}

// responseTypes lists the types in the order of the response. Commands without
// times have no span: no instant is invented for them.
func (c *callMapping) responseTypes(responses []TurnResponse) []string {
	c.words = c.words[:0]
	for i := range responses {
		name := responses[i].Type
		if !responseTypeKnown(name) {
			c.clock.anomalies.add(anomalyUnknownEnum)
			name = c.unlessKnown(EndReason(name), false)
		}
		if name != "" {
			c.words = append(c.words, name)
		}
	}
	return c.words
}
