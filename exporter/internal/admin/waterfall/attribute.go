package waterfall

import (
	"math"
	"strconv"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"

	"cdr2otel/mapping"
)

// Attributes that the picture is made from (docs/mapping.md).
const (
	attrLogID           = mapping.Prefix + "log_id"
	attrTurnNumber      = mapping.Prefix + "turn.number"
	attrTurnResponse    = mapping.Prefix + "turn.response.duration"
	attrTurnUnexplained = mapping.Prefix + "turn.response.unexplained.duration"
	attrTurnEstimated   = mapping.Prefix + "turn.response.estimated"
	attrTurnClass       = mapping.Prefix + "turn.response.class"
	attrTurnSilence     = mapping.Prefix + "turn.caller_silence.duration"
	attrTurnRequest     = mapping.Prefix + "turn.request.type"
	attrSTTResponse     = mapping.Prefix + "stt.response.duration"
	attrSTTConfidence   = mapping.Prefix + "stt.confidence"
	attrSTTEcho         = mapping.Prefix + "stt.echo_detected"
	attrTTSResponse     = mapping.Prefix + "tts.response.duration"
	attrTTSCached       = mapping.Prefix + "tts.cached"
	attrAssistant       = mapping.Prefix + "assistant.response.duration"
	attrProcessing      = mapping.Prefix + "assistant.processing.duration"
	attrModel           = "gen_ai.request.model"
	attrWarningID       = mapping.Prefix + "warning.id"
	attrSeverity        = mapping.Prefix + "warning.severity"
	attrWarningText     = mapping.Prefix + "warning.message"
	attrIntents         = mapping.Prefix + "message.intents"
	attrActions         = mapping.Prefix + "message.actions"
	attrMessageError    = mapping.Prefix + "message.error"
	attrAdjusted        = mapping.Prefix + "time.adjusted"
	attrErrorType       = "error.type"
	attrAgentName       = "gen_ai.agent.name"
	attrHTTPMethod      = "http.request.method"
	attrHTTPStatus      = "http.response.status_code"
)

// Events that the picture marks.
const (
	eventMessage    = mapping.Prefix + "message"
	eventWarning    = mapping.Prefix + "warning"
	eventAudioStart = mapping.Prefix + "audio.start"
	eventBargeIn    = mapping.Prefix + "barge_in"
	eventExtension  = mapping.Prefix + "extension.call"
	eventModel      = mapping.Prefix + "model.call"
	eventAnswered   = mapping.Prefix + "call.answered"
	eventReceived   = mapping.Prefix + "message.received"
	eventProcessed  = mapping.Prefix + "message.processed"
	eventEnded      = mapping.Prefix + "call.ended"
)

// Attributes of a span or event.
type Attributes []*commonpb.KeyValue

func (a Attributes) value(key string) *commonpb.AnyValue {
	for _, kv := range a {
		if kv.GetKey() == key {
			return kv.GetValue()
		}
	}
	return nil
}

// Text is a string attribute, empty when it is absent.
func (a Attributes) Text(key string) string { return a.value(key).GetStringValue() }

// True is whether a boolean attribute is there and true.
func (a Attributes) True(key string) bool { return a.value(key).GetBoolValue() }

// Bool is a boolean attribute.
func (a Attributes) Bool(key string) (value, ok bool) {
	v, ok := a.value(key).GetValue().(*commonpb.AnyValue_BoolValue)
	return ok && v.BoolValue, ok
}

// Texts is an array of strings.
func (a Attributes) Texts(key string) []string {
	var list []string
	for _, v := range a.value(key).GetArrayValue().GetValues() {
		list = append(list, v.GetStringValue())
	}
	return list
}

// Int is an integer attribute.
func (a Attributes) Int(key string) (int64, bool) {
	v, ok := a.value(key).GetValue().(*commonpb.AnyValue_IntValue)
	if !ok {
		return 0, false
	}
	return v.IntValue, true
}

// Seconds is a double attribute.
func (a Attributes) Seconds(key string) (float64, bool) {
	v, ok := a.value(key).GetValue().(*commonpb.AnyValue_DoubleValue)
	if !ok {
		return 0, false
	}
	return v.DoubleValue, true
}

// duration is Seconds as a duration that is not negative and believable.
func (a Attributes) duration(key string) (time.Duration, bool) {
	s, ok := a.Seconds(key)
	if !ok || !(s >= 0 && s < 1e6) {
		return 0, false
	}
	return time.Duration(math.Round(s * 1e9)), true
}

// Scalar is any attribute that is one value, as text.
func (a Attributes) Scalar(key string) string {
	switch v := a.value(key).GetValue().(type) {
	case *commonpb.AnyValue_StringValue:
		return v.StringValue
	case *commonpb.AnyValue_IntValue:
		return strconv.FormatInt(v.IntValue, 10)
	case *commonpb.AnyValue_DoubleValue:
		return strconv.FormatFloat(v.DoubleValue, 'g', -1, 64)
	case *commonpb.AnyValue_BoolValue:
		return strconv.FormatBool(v.BoolValue)
	}
	return ""
}
