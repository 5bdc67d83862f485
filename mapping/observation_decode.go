package mapping

import (
	"fmt"
	"strings"
)

// DecodeObservation decodes the payload of a synchronous webhook, whose name is
// ObservedReceived or ObservedProcessed. Texts are kept only when the caller says
// so: what may not leave is better not stored. Its leniency is that of
// DecodeMessage; the only errors are another name and a payload that is not one
// JSON object.
func DecodeObservation(name string, payload []byte, keepTexts bool) (*Observation, error) {
	if name != ObservedReceived && name != ObservedProcessed {
		return nil, fmt.Errorf("decode observation: the event is neither %s nor %s", ObservedReceived, ObservedProcessed)
	}
	o := &Observation{Name: name, Size: len(payload)}
	r := newReader(payload)
	r.observation(o)
	if err := r.end(); err != nil {
		return nil, decodeError("observation", err)
	}
	o.Truncated = r.truncated && keepTexts
	if !keepTexts {
		o.Input, o.SMS, o.Replies = "", "", nil
	}
	return o, nil
}

// observation walks the payload: a request body has input, a response body output.
func (r *reader) observation(o *Observation) {
	if !r.begin('{') {
		return
	}
	var input messageInput
	var context messageContext
	for r.more() {
		switch key := r.key(); {
		case string(key) == "context":
			context = r.messageContext()
		case string(key) == "input" && o.Name == ObservedReceived:
			input = r.messageInput()
		case string(key) == "output" && o.Name == ObservedProcessed:
			r.observedOutput(o)
		default:
			r.skip()
		}
	}
	o.SessionID, o.SIPCallID = shortID(context.sessionID), shortID(context.sipCallID)
	o.Channel, o.TurnCount = context.channel, context.turnCount
	o.Phone = o.SIPCallID != "" || input.there || context.telephony || strings.EqualFold(o.Channel, "phone")
	o.MessageType, o.Input = input.messageType, input.text
	o.IsDTMF, o.SMS, o.Spoken = input.isDTMF, input.sms, input.speech != nil
}

// shortID leaves out an id that no platform sends: an observation is small, and a
// part of an id joins with nothing.
func shortID(id string) string {
	if len(id) > maxNameBytes {
		return ""
	}
	return id
}

// observedOutput reads the answer; the last one counts.
func (r *reader) observedOutput(o *Observation) {
	o.IntentCount, o.ResponseCount, o.ResponseTypes, o.Replies = 0, 0, nil, nil
	if !r.begin('{') {
		return
	}
	for r.more() {
		switch string(r.key()) {
		case "intents":
			o.IntentCount = r.observedIntents()
		case "generic":
			r.observedGeneric(o)
		default:
			r.skip()
		}
	}
}

func (r *reader) observedIntents() (n int) {
	if !r.begin('[') {
		return 0
	}
	for ; r.more(); n++ {
		r.skip()
	}
	return n
}

func (r *reader) observedGeneric(o *Observation) {
	o.ResponseCount, o.ResponseTypes, o.Replies, r.replies = 0, nil, nil, 0
	if !r.begin('[') {
		return
	}
	for ; r.more(); o.ResponseCount++ {
		if o.ResponseCount >= maxListed {
			r.truncated = true
			r.skip()
			continue
		}
		if !r.begin('{') {
			continue
		}
		e := r.genericElement()
		if e.kind != "" {
			o.ResponseTypes = append(o.ResponseTypes, e.kind)
		}
		if e.text != "" {
			o.Replies = append(o.Replies, e.text)
		}
	}
}
