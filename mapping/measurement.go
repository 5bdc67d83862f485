package mapping

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
)

// Names of the metrics that calls and messages contribute to (docs/metrics.md has
// their units, buckets and attributes).
const (
	MetricCalls               = Prefix + "calls"
	MetricCallDuration        = Prefix + "call.duration"
	MetricCallSetupDuration   = Prefix + "call.setup.duration"
	MetricCallFirstAudioDelay = Prefix + "call.first_audio.delay"
	MetricCallTurns           = Prefix + "call.turns_per_call"
	MetricCallConcurrency     = Prefix + "call.concurrency"
	MetricTurns               = Prefix + "turns"
	MetricTurnResponse        = Prefix + "turn.response.duration"
	MetricAssistantResponse   = Prefix + "assistant.response.duration"
	MetricAssistantProcessing = Prefix + "assistant.processing.duration"
	MetricSTTResponse         = Prefix + "stt.response.duration"
	MetricSTTConfidence       = Prefix + "stt.confidence"
	MetricSTTEchoes           = Prefix + "stt.echoes"
	MetricTTSResponse         = Prefix + "tts.response.duration"
	MetricBargeIns            = Prefix + "barge_ins"
	MetricTransfers           = Prefix + "transfers"
	MetricCommands            = Prefix + "commands"
	MetricWarnings            = Prefix + "warnings"
	MetricJitterAvg           = Prefix + "rtp.jitter.avg"
	MetricJitterMax           = Prefix + "rtp.jitter.max"
	MetricPackets             = Prefix + "rtp.packets"
	MetricPacketsLost         = Prefix + "rtp.packets.lost"
	MetricPacketLossRatio     = Prefix + "rtp.packet_loss.ratio"
	MetricMessages            = Prefix + "messages"
	MetricExtensionCalls      = Prefix + "extension.calls"
	MetricTokenUsage          = "gen_ai.client.token.usage"
	MetricOperationDuration   = "gen_ai.client.operation.duration"
)

// Measurement is one value of one metric: what a histogram records, or what a
// counter grows by.
type Measurement struct {
	Metric string // one of the Metric… constants
	// Value is in seconds, a ratio, or a number of things.
	Value float64
	// Base are the attributes that measurements of one call and agent share, and
	// Attributes those of this metric alone. Values of open sets are not capped
	// here: whoever records them bounds them.
	Base, Attributes []attribute.KeyValue
	// SpanID is the span that was measured; zero when it can't be known.
	SpanID SpanID
}

// Measurements is what one call or one message contributes to the metrics.
type Measurements struct {
	// TraceID is the trace of the spans measured.
	TraceID TraceID
	// EndedAt is when the call ended, or the message was answered; zero when the
	// source does not say. Metrics carry the time of their arrival, so what ended
	// long ago is better not recorded.
	EndedAt time.Time
	Values  []Measurement
}

// Joins counts how the messages of one call found their turns.
type Joins struct {
	Joined  int // named by a turn of the call
	Unnamed int // of the call, but no turn names them
	Missing int // named by a turn and not a member
	// Gaps are holes in turn_count: messages that the platform never sent.
	Gaps int
}
