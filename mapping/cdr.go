package mapping

import "time"

// Number is a JSON number, or a string that holds one. Valid is false when the
// field is absent, null, not finite or of another type.
type Number struct {
	Value float64
	Valid bool
}

// Instant is a timestamp of a payload. It is zero when the field is absent,
// empty, unparsable or lies in 1970 or before; Sentinel then tells the last case
// (the platform writes 1970-01-01T00:00:00Z for "unknown").
type Instant struct {
	Time     time.Time
	Sentinel bool
}

// CDR is a decoded call detail record (payload of cdr_logged). Field comments
// name the field of the payload where it differs. Both spellings of a field end
// up in one; unknown keys are ignored; a value of the wrong type is as if absent.
type CDR struct {
	PrimaryPhoneNumber string
	GlobalSessionID    string
	FailureOccurred    bool
	FailureDetails     string
	TransferOccurred   bool
	ActiveCalls        Number
	TrunkCallID        string // x-global-sip-trunk-call-id
	Call               CallRecord
	SIP                SIPRecord // session_initiation_protocol
	MaxResponse        MaxResponse
	Summaries          []Summary // assistant_interaction_summaries
	CustomData         []byte    // injected_custom_data, raw JSON object; nil if absent
	Warnings           []Warning // warnings_and_errors
	Inbound, Outbound  *RTPStream
	// Truncated: turns, responses, warnings or bytes of a text above the decoder's
	// caps were left out.
	Truncated bool
	// Mistyped counts values of the wrong type that were read as absent.
	Mistyped int
}

// CallRecord is the CDR's call object.
type CallRecord struct {
	Start, Stop         Instant // start_timestamp, stop_timestamp
	MillisecondsElapsed Number
	EndReason           string // as sent; see EndReason for its normal form
	// Nil when the payload doesn't say, or not in a way that is understood.
	Outbound                                             *bool
	MediaEncrypted, SignalingEncrypted, SIPAuthenticated *bool
}

// isOutbound: the record says that the assistant called.
func (c *CallRecord) isOutbound() bool { return c.Outbound != nil && *c.Outbound }

// isInbound: the record says that the assistant was called. A record that does not
// say is neither.
func (c *CallRecord) isInbound() bool { return c.Outbound != nil && !*c.Outbound }

// SIPRecord is the CDR's session_initiation_protocol object.
type SIPRecord struct {
	Invite            Instant // invite_arrival_time or invite_arrival_timestamp
	SetupMilliseconds Number
	CallID            string // headers.call_id
	FromURI, ToURI    string
}

// MaxResponse is max_response_milliseconds.
type MaxResponse struct {
	Assistant, TextToSpeech, SpeechToText Number
}

// Summary is one element of assistant_interaction_summaries.
type Summary struct {
	AssistantID string
	SessionID   string
	Turns       []Turn
}

// Turn is one request of the caller and what the assistant did about it.
type Turn struct {
	Assistant *AssistantStep // nil when the block is absent
	Request   TurnRequest
	Response  []TurnResponse
}

// AssistantStep is a turn's assistant object.
type AssistantStep struct {
	LogID                string
	Start                Instant
	ResponseMilliseconds Number
}

// TurnRequest is what began the turn.
type TurnRequest struct {
	Type      string
	Streaming *Streaming // speech to text
}

// TurnResponse is one element of a turn's response.
type TurnResponse struct {
	Type      string
	BargeIn   bool
	Streaming *Streaming // text to speech
}

// Streaming is streaming_statistics.
type Streaming struct {
	TransactionID        string
	Start, Stop          Instant
	ResponseMilliseconds Number
	EchoDetected         *bool
	Confidence           Number
}

// Warning is one element of warnings_and_errors.
type Warning struct {
	ID      string // id, else code, else the code at the head of the text
	Message string
}

// RTPStream is one stream of realtime_transport_network_summary. Jitter is in
// milliseconds.
type RTPStream struct {
	AverageJitter, MaximumJitter    Number
	PacketsLost, PacketsTransmitted Number
	ToolName                        string
}
