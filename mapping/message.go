package mapping

// Message is a decoded message log (payload of message_logged): one
// request/response pair. Context variables, entities and call-out bodies are
// never read into it.
type Message struct {
	LogID       string
	AssistantID string
	SessionID   string // session_id, else context.global.session_id
	SIPCallID   string // request|response.context.integrations.voice_telephony.sip_call_id
	SkillID     string
	Snapshot    string
	Language    string
	Channel     string // context.integrations.channel.name
	// TurnCount is context.global.system.turn_count of the response: 1 is the first
	// turn of the session. TurnsBefore is that of the request: how many there were
	// before.
	TurnCount, TurnsBefore Number
	// Phone: the message belongs to a telephone call, because it carries a SIP
	// Call-ID, a voice_telephony block or the channel name Phone.
	Phone bool

	RequestAt, ResponseAt Instant // request_timestamp, response_timestamp

	MessageType string // request.input.message_type
	Input       string // request.input.text
	IsDTMF      bool
	SMS         string        // request.input.integrations.voice_telephony.sms_message
	Speech      *SpeechResult // request.input.integrations.voice_telephony.speech_to_text_result

	Intents       []Intent // response.output.intents
	ResponseTypes []string // response.output.generic[].response_type
	Replies       []string // the texts of response.output.generic
	Fallback      bool     // output.internal.fallback
	TurnEvents    []TurnEvent
	// MappedAction and MappedHandler are debug.output_generic_mapping[0].source:
	// which action and handler answered.
	MappedAction, MappedHandler string
	LogMessages                 []LogMessage // debug.log_messages
	// Who it is about. For Identity only: no mapping reads them (I5).
	CustomerID   string // customer_id
	UserID       string // user_id of the request or response, else context.global.system.user_id
	CallerNumber string // PhoneNumber of context.integrations.voice_telephony.private: user_phone_number, else sip_from_uri

	// Nothing: none of log_id, request and response is in it, see Collection.
	Nothing bool
	// Truncated: list elements or bytes of a text above the decoder's caps were left
	// out.
	Truncated bool
	// Mistyped counts values of the wrong type that were read as absent.
	Mistyped int
}

// SpeechResult holds the good speech-to-text times when the CDR's are sentinels.
type SpeechResult struct {
	Start, Stop   Instant // startTimestamp, stopTimestamp
	TransactionID string
	Confidence    Number // of the first alternative of the last final result
}

// Intent is one recognised intent.
type Intent struct {
	Name       string
	Confidence Number
}

// TurnEvent is one element of debug.turn_events.
type TurnEvent struct {
	Event       string
	Reason      string
	ActionTitle string
	Action      string
	Handler     string
	// Call-outs (event callout): method and status only, never URL, headers, bodies.
	Method     string
	StatusCode Number
	Failed     bool // an error message was present
	// generative_ai_called.
	Model, ModelType                                  string // callout.llm.model_id, type
	ModelFailed                                       bool   // callout.llm.success is false
	InputTokens, OutputTokens                         Number
	SearchMilliseconds, GenerationMilliseconds, Total Number
}

// LogMessage is one element of debug.log_messages, without its text.
type LogMessage struct {
	Level string
	Code  string
}
