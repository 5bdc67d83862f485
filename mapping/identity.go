package mapping

// Identity is what the intake needs to know of a payload before it is mapped:
// who it is and what it joins with.
type Identity struct {
	GlobalSessionID string   // CDR only
	SIPCallID       string   // CDR and message
	SessionIDs      []string // distinct, non-empty, in document order; a message has at most one
	LogIDs          []string // distinct, non-empty, in document order; a message has at most one
	Phone           bool     // message: it belongs to a telephone call

	// Who it is about, "" when the payload does not say. Both are personal data: for
	// finding what a person wants deleted, and never exported (I5).
	Customer string // message: customer_id, else user_id
	Caller   string // PhoneNumber of the person on the line
}

// IdentifyCDR reads only the ids of the payload of a cdr_logged event. It agrees
// with DecodeCDR(payload).Identity() and fails on the same payloads; log ids of
// turns above the decoder's caps are in neither.
func IdentifyCDR(payload []byte) (Identity, error) {
	var c CDR
	r := newReader(payload)
	r.idsOnly = true
	r.cdr(&c)
	if err := r.end(); err != nil {
		return Identity{}, decodeError("cdr", err)
	}
	return c.Identity(), nil
}

// Identity of the call.
func (c *CDR) Identity() Identity {
	id := Identity{GlobalSessionID: c.GlobalSessionID, SIPCallID: c.SIP.CallID, Caller: c.person()}
	sessions, logs := map[string]bool{"": true}, map[string]bool{"": true}
	for _, s := range c.Summaries {
		id.SessionIDs = appendNew(id.SessionIDs, s.SessionID, sessions)
		for _, t := range s.Turns {
			if t.Assistant != nil {
				id.LogIDs = appendNew(id.LogIDs, t.Assistant.LogID, logs)
			}
		}
	}
	return id
}

// person is the PhoneNumber of who is not the assistant.
func (c *CDR) person() string {
	if c.Call.isOutbound() {
		return first(PhoneNumber(c.PrimaryPhoneNumber), PhoneNumber(c.SIP.ToURI))
	}
	return PhoneNumber(c.SIP.FromURI)
}

// Identity of the message.
func (m *Message) Identity() Identity {
	id := Identity{
		SIPCallID: m.SIPCallID, Phone: m.Phone,
		Customer: first(m.CustomerID, m.UserID), Caller: m.CallerNumber,
	}
	if m.SessionID != "" {
		id.SessionIDs = []string{m.SessionID}
	}
	if m.LogID != "" {
		id.LogIDs = []string{m.LogID}
	}
	return id
}

func appendNew(ids []string, id string, seen map[string]bool) []string {
	if seen[id] {
		return ids
	}
	seen[id] = true
	return append(ids, id)
}
