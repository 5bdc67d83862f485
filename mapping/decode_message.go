package mapping

import (
	"math"
	"strings"
)

// message walks the payload of message_logged. A member that comes twice counts
// as it came last.
func (r *reader) message(m *Message) {
	if !r.begin('{') {
		return
	}
	var input messageInput
	var request, response messageContext
	var asked, answered bool
	for r.more() {
		switch string(r.key()) {
		case "log_id":
			m.LogID = r.id()
		case "session_id":
			m.SessionID = r.id()
		case "customer_id":
			m.CustomerID = r.person(math.MaxInt)
		case "assistant_id":
			m.AssistantID = r.name()
		case "skill_id":
			m.SkillID = r.name()
		case "snapshot":
			m.Snapshot = r.name()
		case "language":
			m.Language = r.name()
		case "request_timestamp":
			m.RequestAt = r.instant()
		case "response_timestamp":
			m.ResponseAt = r.instant()
		case "request":
			input, request, asked = r.messageRequest()
		case "response":
			response, answered = r.messageResponse(m)
		default:
			r.skip()
		}
	}
	m.Nothing = m.LogID == "" && !asked && !answered
	m.MessageType, m.Input = input.messageType, input.text
	m.IsDTMF, m.SMS, m.Speech = input.isDTMF, input.sms, input.speech
	m.SessionID = first(m.SessionID, request.sessionID, response.sessionID)
	m.SIPCallID = first(request.sipCallID, response.sipCallID)
	m.Channel = first(request.channel, response.channel)
	m.TurnCount, m.TurnsBefore = response.turnCount, request.turnCount
	m.UserID = first(request.userID, response.userID, request.systemUserID, response.systemUserID)
	m.CallerNumber = first(request.caller, response.caller)
	m.Phone = m.SIPCallID != "" || input.there || request.telephony || response.telephony ||
		strings.EqualFold(m.Channel, "phone")
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// messageRequest also tells whether anything is in it.
func (r *reader) messageRequest() (in messageInput, c messageContext, there bool) {
	if !r.begin('{') {
		return in, c, false
	}
	for r.more() {
		there = true
		switch string(r.key()) {
		case "input":
			in = r.messageInput()
		case "context":
			c.contextOf(r)
		case "user_id":
			c.userID = r.person(math.MaxInt)
		default:
			r.skip()
		}
	}
	return in, c, there
}

// messageResponse also tells whether anything is in it.
func (r *reader) messageResponse(m *Message) (c messageContext, there bool) {
	if !r.begin('{') {
		return c, false
	}
	for r.more() {
		there = true
		switch string(r.key()) {
		case "output":
			r.output(m)
		case "context":
			c.contextOf(r)
		case "user_id":
			c.userID = r.person(math.MaxInt)
		default:
			r.skip()
		}
	}
	return c, there
}

// messageContext is what is read of request.context and response.context. The
// rest is state and variables of the customer's, up to 100 kB, and never read.
type messageContext struct {
	sessionID string
	sipCallID string
	channel   string
	turnCount Number
	telephony bool
	// Who speaks, see Message.
	userID, systemUserID, caller string
}

// contextOf reads a context and keeps the user_id beside it.
func (c *messageContext) contextOf(r *reader) {
	userID := c.userID
	*c = r.messageContext()
	c.userID = userID
}

func (r *reader) messageContext() (c messageContext) {
	if !r.begin('{') {
		return c
	}
	for r.more() {
		switch string(r.key()) {
		case "global":
			c.sessionID, c.systemUserID, c.turnCount = r.globalContext()
		case "integrations":
			c.sipCallID, c.caller, c.channel, c.telephony = r.contextIntegrations()
		default:
			r.skip()
		}
	}
	return c
}

func (r *reader) globalContext() (sessionID, userID string, turnCount Number) {
	if !r.begin('{') {
		return "", "", Number{}
	}
	for r.more() {
		switch string(r.key()) {
		case "session_id":
			sessionID = r.id()
		case "system":
			userID, turnCount = r.systemContext()
		default:
			r.skip()
		}
	}
	return sessionID, userID, turnCount
}

func (r *reader) systemContext() (userID string, turnCount Number) {
	if !r.begin('{') {
		return "", Number{}
	}
	for r.more() {
		switch string(r.key()) {
		case "user_id":
			userID = r.person(math.MaxInt)
		case "turn_count":
			turnCount = r.number()
		default:
			r.skip()
		}
	}
	return userID, turnCount
}

func (r *reader) contextIntegrations() (sipCallID, caller, channel string, telephony bool) {
	if !r.begin('{') {
		return "", "", "", false
	}
	for r.more() {
		switch string(r.key()) {
		case "voice_telephony":
			sipCallID, caller, telephony = r.voiceContext()
		case "channel":
			channel = member(r, "name", (*reader).name)
		default:
			r.skip()
		}
	}
	return sipCallID, caller, channel, telephony
}

func (r *reader) voiceContext() (sipCallID, caller string, telephony bool) {
	if !r.begin('{') {
		return "", "", false
	}
	for r.more() {
		switch string(r.key()) {
		case "sip_call_id":
			sipCallID = r.id()
		case "private", "$private":
			caller = first(r.privateCaller(), caller)
		default:
			r.skip()
		}
	}
	return sipCallID, caller, true
}

// privateCaller reads the PhoneNumber of the caller, which the platform has left out of its
// logs since 2023.
func (r *reader) privateCaller() string {
	if !r.begin('{') {
		return ""
	}
	var number, uri string
	for r.more() {
		switch string(r.key()) {
		case "user_phone_number":
			number = PhoneNumber(r.person(maxURIBytes))
		case "sip_from_uri":
			uri = PhoneNumber(r.person(maxURIBytes))
		default:
			r.skip()
		}
	}
	return first(number, uri)
}
