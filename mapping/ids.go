package mapping

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
)

// TraceID and SpanID are OTLP ids. They are pure functions of the payload
// (docs/mapping.md, "Ids"), so that a redelivery, a replay, a second replica or an
// outside system computes the same ones.
type (
	TraceID [16]byte
	SpanID  [8]byte
)

// String is lower-case hexadecimal.
func (t TraceID) String() string { return hex.EncodeToString(t[:]) }

// String is lower-case hexadecimal.
func (s SpanID) String() string { return hex.EncodeToString(s[:]) }

// IsZero reports whether the id is the invalid one of OTLP.
func (t TraceID) IsZero() bool { return t == TraceID{} }

// IsZero reports whether the id is the invalid one of OTLP.
func (s SpanID) IsZero() bool { return s == SpanID{} }

// Kinds of seed: the name of the field that seeds a trace id.
const (
	SeedSIPCallID       = "sip_call_id"
	SeedGlobalSessionID = "global_session_id"
	SeedSessionID       = "session_id"
	SeedContentHash     = "content_hash"
)

// Seed returns what seeds the trace id of an event: its SIP Call-ID, the only id
// in every event of a telephone call, else what comes next.
func Seed(id Identity, contentHash [32]byte) (kind, seed string) {
	switch {
	case id.SIPCallID != "":
		return SeedSIPCallID, id.SIPCallID
	case id.GlobalSessionID != "":
		return SeedGlobalSessionID, id.GlobalSessionID
	case len(id.SessionIDs) > 0:
		return SeedSessionID, id.SessionIDs[0]
	}
	return SeedContentHash, hex.EncodeToString(contentHash[:])
}

// NewTraceID derives the trace id from the configured source name and what Seed
// returned.
func NewTraceID(source, kind, seed string) (t TraceID) {
	b := make([]byte, 0, 128)
	b = append(b, "cdr2otel/v1/trace\x00"...)
	b = appendPrefixed(appendPrefixed(appendPrefixed(b, source), kind), seed)
	for t.IsZero() {
		sum := sha256.Sum256(b)
		t = TraceID(sum[:16])
		b = append(b, 0x01) // only hashed if the result was all zero
	}
	return t
}

// Span derives the id of the span at a path in the trace.
func (t TraceID) Span(path string) (s SpanID) {
	b := make([]byte, 0, 192)
	b = append(b, "cdr2otel/v1/span\x00"...)
	b = appendPrefixed(append(b, t[:]...), path)
	for s.IsZero() {
		sum := sha256.Sum256(b)
		s = SpanID(sum[:8])
		b = append(b, 0x01) // only hashed if the result was all zero
	}
	return s
}

// appendPrefixed appends LP(s): without the length, run 1 attempt 23 would be
// run 12 attempt 3.
func appendPrefixed(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}

// CallID is what stands for the global_session_id of a CDR in span paths: the id
// itself, else the SIP Call-ID, else the content hash in hexadecimal.
func CallID(id Identity, contentHash [32]byte) string {
	return PathID(first(id.GlobalSessionID, id.SIPCallID), contentHash)
}

// PathID is what stands for a session_id or log_id in span paths: the id itself,
// else the content hash of its event in hexadecimal.
func PathID(id string, contentHash [32]byte) string {
	if id != "" {
		return id
	}
	return hex.EncodeToString(contentHash[:])
}

// Span paths. All of them are spelled here and nowhere else. An id in a path has
// its % and / escaped, so that no two spans of a trace can share a path (I4):
// without that, log ids "a" and "a/assistant" would.

// CallPath is the path of a call's root span. callID is what CallID returned.
func CallPath(callID string) string { return "call/" + segment(callID) }

// SetupPath is the path of the call setup span.
func SetupPath(callID string) string { return CallPath(callID) + "/setup" }

// TurnPath is the path of the first turn, in document order, of the call that
// owns the log id.
func TurnPath(logID string) string { return "turn/" + segment(logID) }

// IndexedTurnPath is the path of any other turn. Indexes count from 0.
func IndexedTurnPath(callID string, summary, turn int) string {
	return CallPath(callID) + "/turn/" + strconv.Itoa(summary) + "/" + strconv.Itoa(turn)
}

// SpeechPath is the path of a turn's speech_to_text span.
func SpeechPath(turnPath string) string { return turnPath + "/speech_to_text" }

// AssistantPath is the path of a turn's invoke_agent span.
func AssistantPath(turnPath string) string { return turnPath + "/assistant" }

// ResponsePath is the path of the audio span of a turn's response[index].
func ResponsePath(turnPath string, index int) string {
	return turnPath + "/response/" + strconv.Itoa(index)
}

// ConversationPath is the path of the root of a segment of messages without a
// call. logID is that of its earliest message, by request_timestamp, then log_id.
func ConversationPath(sessionID, logID string) string {
	return "conversation/" + segment(sessionID) + "/" + segment(logID)
}

// ConversationTurnPath is the path of one message's turn in a conversation.
func ConversationTurnPath(conversationPath, logID string) string {
	return conversationPath + "/turn/" + segment(logID)
}

// LatePath is the path of a message that came after its turn was exported.
func LatePath(turnPath, logID string) string {
	return AssistantPath(turnPath) + "/late/" + segment(logID)
}

// UnnamedMessagePath is the path of a message of the call that no turn names.
func UnnamedMessagePath(callID, logID string) string {
	return CallPath(callID) + "/message/" + segment(logID)
}

func segment(id string) string {
	if !strings.ContainsAny(id, "%/") {
		return id
	}
	return strings.NewReplacer("%", "%25", "/", "%2F").Replace(id)
}
