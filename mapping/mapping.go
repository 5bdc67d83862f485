// Package mapping says what a telephone call means in OpenTelemetry: it decodes
// the bodies that IBM watsonx Assistant posts and returns the trace they stand
// for. It is pure: no I/O, clock, goroutine or logger, and the same input always
// gives the same bytes.
package mapping

import (
	"time"

	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
)

// Config of the mapping of one source.
type Config struct {
	// Source is the configured source name. It seeds every trace id. Not empty.
	Source string
	// Resource holds the attributes of the observed service. Without service.name
	// it is watsonx-assistant. No attribute of an instance belongs here (PerInstance):
	// Jaeger de-duplicates by resource.
	Resource map[string]string
	// HeaderAttributes turn a kept request header (lower-case name) into a
	// resource attribute, when its value is one of those listed.
	HeaderAttributes map[string]HeaderAttribute
	// Agents name an assistant by its assistant or environment id.
	Agents map[string]string
	// Version of the exporter, the version of the instrumentation scope.
	Version string

	// Slow and DeadAir part the classes of a turn's response. 0 is the default: 2 s
	// and 4 s.
	Slow, DeadAir time.Duration
	// UpstreamLink is the key of injected_custom_data (or, with a leading slash, the
	// JSON pointer into it) that holds a W3C traceparent. Empty: no link.
	UpstreamLink string
	// CustomData is the allow-list of injected_custom_data.
	CustomData []CustomData
	// Personal data that may leave, all off by default (I5).
	CallerNumber, CalleeNumber, SIPURIs bool
	// CallerHashKey, when set, adds wxa.caller.hash, and hashes the ids that HashIDs names.
	CallerHashKey []byte
	// HashIDs are the ids that do not leave as they are.
	HashIDs HashIDs

	// Events is where events go, on their spans by default.
	Events Events
	// Content lets what users and assistants said leave, as gen_ai.input.messages
	// and gen_ai.output.messages.
	Content bool
	// Digits lets what was keyed in leave as content; without it only the number of
	// keys does.
	Digits bool
	// Redact is applied, in order, to every text that leaves, before it is cut
	// (docs/mapping.md, "Redaction").
	Redact []Redaction
}

// HeaderAttribute maps a request header to a resource attribute.
type HeaderAttribute struct {
	Attribute string
	Values    []string
}

// CustomData allows one value of injected_custom_data to leave.
type CustomData struct {
	Key       string // JSON pointer
	Attribute string // wxa.custom.<key>
	// Metric makes it an attribute of the call's metrics too.
	Metric bool
}

// CallInput is everything a call's trace is made from.
type CallInput struct {
	CDR *CDR
	// ContentHash of the CDR's canonical payload stands in for ids it lacks.
	ContentHash [32]byte
	// ReceivedAt is when the CDR was first received.
	ReceivedAt time.Time
	// Headers are the kept request headers, names in lower case.
	Headers map[string]string
	// Messages are the members, in any order.
	Messages []MessageInput
	// Owns says whether the call owns a log id that its CDR names; nil means all.
	Owns func(logID string) bool
	// Orphaned are roots of conversations in which messages of this call left
	// before its CDR came; each becomes a link.
	Orphaned []SpanRef
	// Observations are what the synchronous webhooks saw of the call's sessions, in
	// any order.
	Observations []ObservationInput
}

// MessageInput is one message log and what is known of its receipt.
type MessageInput struct {
	Message     *Message
	ContentHash [32]byte
	ReceivedAt  time.Time
}

// ConversationInput is a segment of messages that belong to no call.
type ConversationInput struct {
	Messages []MessageInput // at least one, in any order
	Headers  map[string]string
	// CDRMissing marks phone messages whose CDR did not come.
	CDRMissing bool
	// Observations are what the synchronous webhooks saw of the session, in any order.
	Observations []ObservationInput
}

// LateInput is a message whose call was exported before it came.
type LateInput struct {
	MessageInput
	Headers map[string]string
	// Parent is the span it hangs from: the invoke_agent span of its turn, or
	// the call's root when no turn names it (Named is false then).
	Parent SpanRef
	Named  bool
	// CallID is the call's id as Identity gave it, the path of an unnamed message.
	CallID string
}

// SpanRef names a span and its bounds in Unix nanoseconds.
type SpanRef struct {
	TraceID TraceID
	SpanID  SpanID
	Start   uint64
	End     uint64
}

// Trace is the outcome of mapping one subject.
type Trace struct {
	TraceID TraceID
	// Root is the call, conversation or late span.
	Root SpanRef
	// Turns gives, for each log id that has an invoke_agent span here, that span:
	// later messages hang from it.
	Turns map[string]SpanRef
	// Request is one resource, one scope, spans in their fixed order.
	Request *coltracepb.ExportTraceServiceRequest
	// Logs holds the log records of the subject's own events, made like Request; nil
	// when there are none. Those of messages and observations are not here: Record
	// and ObservationRecord make them.
	Logs *collogspb.ExportLogsServiceRequest
	// Observed lists, in order, the indexes of the input's observations that belong
	// here. One that is not listed found no turn and may find it in a later segment.
	Observed []int
	// Overview is what a list of calls shows.
	Overview Overview
	// Anomalies counts what the input had wrong, by one of AnomalyNames.
	Anomalies map[string]int
	// PromptReadings counts the prompts of a call by how their start was read, by one
	// of PromptReadingNames.
	PromptReadings map[string]int
	// Measured is what a call contributes to the metrics. Conversations and late
	// messages contribute when each message is accepted, see Mapper.Message.
	Measured Measurements
	// Joins says how the messages of a call found their turns.
	Joins Joins
}
