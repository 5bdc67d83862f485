package mapping

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Names of the synchronous webhooks, the values of Observation.Name.
const (
	ObservedReceived  = "message_received"
	ObservedProcessed = "message_processed"
)

// Observation is what is kept of the body of a synchronous webhook: ids, sizes and
// counts, and texts only where content may leave. It is small, at most some 100 kB
// with texts and 40 kB without, and goes through JSON unchanged.
type Observation struct {
	Name      string `json:"name"`                 // ObservedReceived or ObservedProcessed
	SessionID string `json:"session_id,omitempty"` // context.global.session_id
	SIPCallID string `json:"sip_call_id,omitempty"`
	Channel   string `json:"channel,omitempty"`
	// TurnCount is context.global.system.turn_count: before the turn of what was
	// received, with the turn of what was processed.
	TurnCount Number `json:"turn_count,omitzero"`
	Phone     bool   `json:"phone,omitempty"` // as Message.Phone
	Size      int    `json:"size"`            // of the payload, in bytes

	// What was received.
	MessageType string `json:"message_type,omitempty"`
	Input       string `json:"input,omitempty"`
	SMS         string `json:"sms,omitempty"`
	IsDTMF      bool   `json:"dtmf,omitempty"`
	Spoken      bool   `json:"spoken,omitempty"` // recognised from speech

	// What was processed. The counts are of all, the lists of the first 64.
	ResponseCount int      `json:"responses,omitempty"`
	IntentCount   int      `json:"intents,omitempty"`
	ResponseTypes []string `json:"response_types,omitempty"`
	Replies       []string `json:"replies,omitempty"`

	Truncated bool `json:"truncated,omitempty"`
}

// ObservationInput is an observation and when it was made.
type ObservationInput struct {
	Observation *Observation
	ReceivedAt  time.Time
}

// Identity of the observation: what it joins with.
func (o *Observation) Identity() Identity {
	id := Identity{SIPCallID: o.SIPCallID, Phone: o.Phone}
	if o.SessionID != "" {
		id.SessionIDs = []string{o.SessionID}
	}
	return id
}

// turn is which turn of its session the observation is of, 1 for the first; ok is
// false when it does not say. What is received before the first turn has no count.
func (o *Observation) turn() (number int, ok bool) {
	switch {
	case o.Name == ObservedReceived && !o.TurnCount.Valid:
		return 1, true
	case o.Name == ObservedReceived && o.TurnCount.Value >= 0 && o.TurnCount.Value < maxPlace:
		return int(o.TurnCount.Value) + 1, true
	case o.TurnCount.Valid && o.TurnCount.Value >= 1 && o.TurnCount.Value <= maxPlace:
		return int(o.TurnCount.Value), true
	}
	return 0, false
}

// maxPlace bounds the turn counts that are believed: a session speaks for days.
const maxPlace = 1 << 31

// event is the name of the observation's event.
func (o *Observation) event() string {
	if o.Name == ObservedReceived {
		return eventMessageReceived
	}
	return eventMessageProcessed
}

// said is the observation as a message log would have it.
func (o *Observation) said(digits bool) *Message {
	m := &Message{
		Input: o.Input, SMS: o.SMS, IsDTMF: o.IsDTMF, Phone: o.Phone,
		ResponseTypes: o.ResponseTypes, Replies: o.Replies, Truncated: o.Truncated,
	}
	if o.Spoken {
		m.Speech = new(SpeechResult)
	}
	if !digits && (o.Phone || o.Channel == "") {
		m.Replies = make([]string, len(o.Replies))
		for i, reply := range o.Replies {
			m.Replies[i] = withoutKeys(reply)
		}
	}
	return m
}

// withoutKeys puts the count for every run of echoDigits keys and more: what was
// processed does not say what was keyed in, and may read it back.
func withoutKeys(text string) string {
	isKey := func(c byte) bool { return c >= '0' && c <= '9' }
	var b strings.Builder
	for len(text) > 0 {
		n := 0
		for n < len(text) && isKey(text[n]) {
			n++
		}
		switch {
		case n >= echoDigits:
			b.WriteString(keys(text[:n]))
		case n > 0:
			b.WriteString(text[:n])
		default:
			for n < len(text) && !isKey(text[n]) {
				n++
			}
			b.WriteString(text[:n])
		}
		text = text[n:]
	}
	return b.String()
}

// observation writes the attributes of the event of an observation. It keeps the
// time of the receipt: on a span the event is moved into it.
func (b *builder) observation(in ObservationInput) {
	o := in.Observation
	b.time(attrMessageObservedAt, unixNano(in.ReceivedAt))
	b.name(attrMessageChannel, labelName, o.Channel)
	b.addID(attrSessionID, o.SessionID)
	if o.TurnCount.Valid && o.TurnCount.Value >= 0 && o.TurnCount.Value <= maxPlace {
		b.int(attrMessageTurnCount, int64(o.TurnCount.Value))
	}
	b.int(attrMessageSize, int64(o.Size))
	if o.Name == ObservedReceived {
		b.str(attrMessageType, messageType(o.MessageType))
	} else {
		b.int(attrMessageReplyCount, int64(o.ResponseCount))
		b.int(attrMessageIntentCount, int64(o.IntentCount))
		b.strs(attrMessageResponses, each(o.ResponseTypes, b.policy.typeName))
	}
	cut := b.policy.content && b.said(o.said(b.policy.digits), false)
	b.flagCut(o.Truncated || cut)
}

// ordered lists the indexes of the observations in an order of their own: by
// receipt, what is received before what is processed, then by all else.
func ordered(observations []ObservationInput) []int {
	order := make([]int, len(observations))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		a, b := &observations[i], &observations[j]
		if c := a.ReceivedAt.Compare(b.ReceivedAt); c != 0 {
			return c
		}
		if c := -strings.Compare(a.Observation.Name, b.Observation.Name); c != 0 {
			return c
		}
		return bytes.Compare(a.Observation.encoded(), b.Observation.encoded())
	})
	return order
}

func (o *Observation) encoded() []byte {
	encoded, _ := json.Marshal(o) // of strings, finite numbers and booleans: no error
	return encoded
}
