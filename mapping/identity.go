package mapping

// TraceID and SpanID are OTLP ids.
type (
	TraceID [16]byte
	SpanID  [8]byte
)

// Identity is what the intake needs to know of a payload before it is mapped:
// who it is and what it joins with.
type Identity struct {
	GlobalSessionID string   // CDR only
	SIPCallID       string   // CDR and message
	SessionIDs      []string // distinct, non-empty, in document order; a message has at most one
	LogIDs          []string // distinct, non-empty, in document order; a message has at most one
	Phone           bool     // message: it belongs to a telephone call
}
