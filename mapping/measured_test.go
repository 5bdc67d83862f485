package mapping_test

import (
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	otelattribute "go.opentelemetry.io/otel/attribute"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"cdr2otel/mapping"
)

// onSpan are the metrics whose value is also an attribute of the span that was
// measured: name for name, and point for span.
var onSpan = map[string]string{
	mapping.MetricCallDuration:        "wxa.call.duration",
	mapping.MetricCallSetupDuration:   "wxa.call.setup.duration",
	mapping.MetricCallFirstAudioDelay: "wxa.call.first_audio.delay",
	mapping.MetricCallTurns:           "wxa.call.turn_count",
	mapping.MetricCallConcurrency:     "wxa.call.active_calls",
	mapping.MetricTurnResponse:        "wxa.turn.response.duration",
	mapping.MetricAssistantResponse:   "wxa.assistant.response.duration",
	mapping.MetricSTTResponse:         "wxa.stt.response.duration",
	mapping.MetricSTTConfidence:       "wxa.stt.confidence",
	mapping.MetricTTSResponse:         "wxa.tts.response.duration",
}

// ofTurns are counters that the root counts too.
var ofTurns = map[string]string{
	mapping.MetricTurns:    "wxa.call.turn_count",
	mapping.MetricBargeIns: "wxa.call.barge_in_count",
	mapping.MetricWarnings: "wxa.call.warning_count",
}

// sets are the attributes of metrics with the values they may have; nil for what
// is bounded where it is recorded.
var sets = map[string][]string{
	"wxa.source": nil, "deployment.environment.name": nil, "gen_ai.agent.id": nil, "gen_ai.agent.name": nil,
	"gen_ai.agent.version": nil, "gen_ai.request.model": nil, "wxa.sip.trunk.host": nil, "wxa.warning.id": nil,
	"error.type": nil, "http.response.status_code": nil,
	"wxa.call.direction": {"inbound", "outbound"},
	"wxa.call.result":    {"completed", "transferred", "failed"},
	"wxa.call.end_reason": {
		"assistant_transfer", "assistant_hangup", "caller_hangup", "failed", "_OTHER",
	},
	"wxa.call.failure_occurred": {"true", "false"},
	"wxa.turn.request.type": {
		"start", "speech_to_text", "dtmf", "sms", "post_response_timeout", "redirect", "transfer", "transfer_failed",
		"final_utterance_timeout", "no_input_turn", "sms_failure", "speech_to_text_result_filtered",
		"mrcp_recognition_unsuccessful", "network_warning", "media_capability_change", "hangup", "_OTHER",
	},
	"wxa.turn.response.class": {"ok", "slow", "dead_air", "none"},
	"wxa.command.type": {
		"text_to_speech", "sms", "url", "transfer", "text_to_speech_config", "speech_to_text_config",
		"pause_speech_to_text", "unpause_speech_to_text", "pause_dtmf", "unpause_dtmf", "enable_speech_barge_in",
		"disable_speech_barge_in", "enable_dtmf_barge_in", "disable_dtmf_barge_in", "dtmf", "hangup", "_OTHER",
	},
	"wxa.transfer.outcome":   {"succeeded", "failed", "unknown"},
	"wxa.warning.severity":   {"I", "W", "E"},
	"wxa.rtp.direction":      {"inbound", "outbound"},
	"wxa.message.channel":    {"Phone", "Web chat", "SMS", "Whatsapp", "Slack", "Facebook Messenger", "teams", "_OTHER"},
	"wxa.message.recognized": {"true", "false"},
	"gen_ai.operation.name":  {"text_completion"},
	"gen_ai.provider.name":   {"ibm.watsonx.ai", "ibm.watsonx.assistant"},
	"gen_ai.token.type":      {"input", "output"},
}

// zeros are the metrics of which 0 is a measurement.
var zeros = []string{
	mapping.MetricCallFirstAudioDelay, mapping.MetricCallTurns, mapping.MetricCallConcurrency, mapping.MetricSTTConfidence,
	mapping.MetricTurnResponse,
	mapping.MetricJitterAvg, mapping.MetricJitterMax, mapping.MetricPackets, mapping.MetricPacketsLost,
	mapping.MetricPacketLossRatio, mapping.MetricTokenUsage,
}

// brokenValue returns what is wrong with a measurement, whatever its input was.
func brokenValue(value mapping.Measurement) error {
	fail := func(format string, a ...any) error {
		return fmt.Errorf("%s: %s", value.Metric, fmt.Sprintf(format, a...))
	}
	switch v := value.Value; {
	case math.IsNaN(v) || math.IsInf(v, 0) || v < 0:
		return fail("value %v", v)
	case v == 0 && !slices.Contains(zeros, value.Metric):
		return fail("0 is not measured")
	case strings.HasSuffix(value.Metric, ".duration") && v > 3*24*60*60:
		return fail("%v is longer than three parts of a day each", v)
	case v > 1 && (value.Metric == mapping.MetricPacketLossRatio || value.Metric == mapping.MetricSTTConfidence):
		return fail("ratio %v", v)
	}
	seen := make(map[otelattribute.Key]bool)
	for _, kv := range slices.Concat(value.Base, value.Attributes) {
		if seen[kv.Key] {
			return fail("%s twice", kv.Key)
		}
		seen[kv.Key] = true
		text := kv.Value.String()
		if text == "" || !utf8.ValidString(text) || strings.ContainsRune(text, 0) || len(text) > mapping.MaxString {
			return fail("%s = %q", kv.Key, text)
		}
		set, known := sets[string(kv.Key)]
		if !known && !strings.HasPrefix(string(kv.Key), "wxa.custom.") {
			return fail("attribute %s is not one of its", kv.Key)
		}
		if set != nil && !slices.Contains(set, text) {
			return fail("%s = %q is outside of its set", kv.Key, text)
		}
	}
	if !seen["wxa.source"] {
		return fail("no wxa.source")
	}
	return nil
}

// brokenMeasurements returns what is wrong with what a call contributes: each
// value belongs to a span of the trace, says what that span says, and no span
// that was measured is left out.
func brokenMeasurements(trace *mapping.Trace) error {
	spans := make(map[mapping.SpanID]*tracepb.Span)
	want := make(map[string]float64) // number of points of a metric
	for _, span := range spansOf(trace) {
		spans[mapping.SpanID(span.GetSpanId())] = span
		for metric, key := range onSpan {
			if metric == mapping.MetricTTSResponse && span.GetName() == "play_audio" {
				continue // an audio file is no synthesis
			}
			if attribute(span, key) != nil {
				want[metric]++
			}
		}
	}
	for metric, key := range ofTurns {
		want[metric] = number(attribute(spansOf(trace)[0], key))
	}
	want[mapping.MetricCalls] = 1
	got := make(map[string]float64)
	warnings := make(map[mapping.SpanID]int)
	if trace.Measured.TraceID != trace.TraceID {
		return fmt.Errorf("measured in trace %v", trace.Measured.TraceID)
	}
	for _, value := range trace.Measured.Values {
		if err := brokenValue(value); err != nil {
			return err
		}
		span := spans[value.SpanID]
		if span == nil {
			return fmt.Errorf("%s: span %v is not in the trace", value.Metric, value.SpanID)
		}
		key, said := onSpan[value.Metric]
		if said && number(attribute(span, key)) != value.Value {
			return fmt.Errorf("%s: %v, and the span has %v", value.Metric, value.Value, attribute(span, key))
		}
		if err := otherError(value, span); err != nil {
			return err
		}
		if _, counted := ofTurns[value.Metric]; said || counted || value.Metric == mapping.MetricCalls {
			got[value.Metric]++
		}
		if value.Metric == mapping.MetricWarnings {
			warnings[value.SpanID]++
		}
	}
	maps.DeleteFunc(want, func(_ string, n float64) bool { return n == 0 })
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("points (-want +got):\n%s", diff)
	}
	for id, span := range spans {
		events := max(eventsNamed(span, "wxa.warning"), recordsNamed(trace, id, "wxa.warning"))
		if events != warnings[id] {
			return fmt.Errorf("span %q has %d warnings, measured %d", span.GetName(), events, warnings[id])
		}
	}
	return nil
}

// otherError compares error.type on the metric with the one on the span.
func otherError(value mapping.Measurement, span *tracepb.Span) error {
	switch value.Metric {
	case mapping.MetricCalls, mapping.MetricTurns, mapping.MetricAssistantResponse, mapping.MetricSTTResponse, mapping.MetricTTSResponse:
	default:
		return nil
	}
	if onMetric, onSpan := attributesOf(value)["error.type"], attribute(span, "error.type"); onMetric != onSpan {
		return fmt.Errorf("%s: error.type %v, and the span has %v", value.Metric, onMetric, onSpan)
	}
	return nil
}

func eventsNamed(span *tracepb.Span, name string) (n int) {
	for _, event := range span.GetEvents() {
		if event.GetName() == name {
			n++
		}
	}
	return n
}

func recordsNamed(trace *mapping.Trace, id mapping.SpanID, name string) (n int) {
	for _, record := range recordsOf(trace.Logs) {
		if record.GetEventName() == name && string(record.GetSpanId()) == string(id[:]) {
			n++
		}
	}
	return n
}

func number(value any) float64 {
	switch value := value.(type) {
	case float64:
		return value
	case int64:
		return float64(value)
	}
	return math.NaN()
}

// brokenMessage returns what is wrong with what a message contributes.
func brokenMessage(live mapping.Measurements) error {
	messages := 0
	for _, value := range live.Values {
		if err := brokenValue(value); err != nil {
			return err
		}
		if value.Metric == mapping.MetricMessages {
			messages++
		}
	}
	if messages != 1 || live.TraceID.IsZero() {
		return fmt.Errorf("%d messages in trace %v", messages, live.TraceID)
	}
	return nil
}

func TestOrderAndDuplicatesOfMessagesDoNotChangeWhatIsMeasured(t *testing.T) {
	t.Parallel()
	for _, dir := range scenarios(t) {
		s := loadScenario(t, dir)
		in, isCall := s.call(t)
		if !isCall {
			continue
		}
		want := s.mapper.Call(in)
		messages := in.Messages
		for range messages {
			messages = append(slices.Clone(messages[1:]), messages[0])
			in.Messages = append(slices.Clone(messages), messages...)
			got := s.mapper.Call(in)
			if !reflect.DeepEqual(want.Measured, got.Measured) || want.Joins != got.Joins {
				t.Fatalf("%s: %v, joins %+v; want %v, joins %+v", filepath.Base(dir), got.Measured, got.Joins, want.Measured, want.Joins)
			}
		}
	}
}

func TestOnlyCallsAreMeasuredByTheirTrace(t *testing.T) {
	t.Parallel()
	for _, dir := range scenarios(t) {
		for _, trace := range loadScenario(t, dir).traces(t) {
			isCall := strings.HasPrefix(spansOf(trace)[0].GetName(), "call ")
			if measured := len(trace.Measured.Values) > 0; measured != isCall {
				t.Errorf("%s: %s: measured %t", filepath.Base(dir), spansOf(trace)[0].GetName(), measured)
			}
		}
	}
}

func TestACallHasEndedWhenItSaysSo(t *testing.T) {
	t.Parallel()
	received := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	started := mapping.CDR{Call: mapping.CallRecord{Start: at(1000), MillisecondsElapsed: ms(2000)}}
	stopped := started
	stopped.Call.Stop = at(2500)
	for name, test := range map[string]struct {
		in   mapping.CallInput
		want time.Time
	}{
		"its stop":            {mapping.CallInput{CDR: &stopped, ReceivedAt: received}, at(2500).Time},
		"start and elapsed":   {mapping.CallInput{CDR: &started, ReceivedAt: received}, at(3000).Time},
		"only its receipt":    {mapping.CallInput{CDR: &mapping.CDR{}, ReceivedAt: received}, received.Add(time.Microsecond)},
		"nothing to go after": {mapping.CallInput{CDR: &mapping.CDR{}}, time.Time{}},
	} {
		if got := defaultMapper(t).Call(test.in).Measured.EndedAt; !got.Equal(test.want) {
			t.Errorf("%s: ended at %v, want %v", name, got, test.want)
		}
	}
}

func TestTransfersAreCountedByWhatBecameOfThem(t *testing.T) {
	t.Parallel()
	turn := func(request string, responses ...string) mapping.Turn {
		turn := mapping.Turn{Request: mapping.TurnRequest{Type: request}}
		for _, response := range responses {
			turn.Response = append(turn.Response, mapping.TurnResponse{Type: response})
		}
		return turn
	}
	for name, test := range map[string]struct {
		endReason string
		occurred  bool
		turns     []mapping.Turn
		want      []string // outcome and turn, 0 is the call
	}{
		"no transfer":                     {"caller_hangup", false, []mapping.Turn{turn("start", "text_to_speech")}, nil},
		"a call that ends by it":          {"assistant_transfer", true, []mapping.Turn{turn("start"), turn("dtmf", "transfer")}, []string{"succeeded 2"}},
		"a turn that says so":             {"assistant_hangup", true, []mapping.Turn{turn("dtmf", "transfer"), turn("transfer")}, []string{"succeeded 1"}},
		"a turn that says so, no command": {"caller_hangup", true, []mapping.Turn{turn("dtmf"), turn("transfer")}, []string{"succeeded 2"}},
		"a turn that says it failed":      {"caller_hangup", true, []mapping.Turn{turn("dtmf", "transfer"), turn("transfer_failed")}, []string{"failed 2"}},
		"failed after it was reported":    {"caller_hangup", true, []mapping.Turn{turn("dtmf", "transfer"), turn("transfer"), turn("transfer_failed")}, []string{"failed 3"}},
		"failed, then by the next":        {"assistant_transfer", true, []mapping.Turn{turn("dtmf", "transfer"), turn("transfer_failed", "transfer")}, []string{"failed 2", "succeeded 2"}},
		"failed twice":                    {"assistant_transfer", true, []mapping.Turn{turn("dtmf", "transfer"), turn("transfer_failed", "transfer"), turn("transfer_failed")}, []string{"failed 2", "failed 3"}},
		"by hanging up":                   {"assistant_hangup", true, []mapping.Turn{turn("dtmf", "transfer")}, []string{"unknown 1"}},
		"a call that failed meanwhile":    {"failed", true, []mapping.Turn{turn("dtmf", "transfer")}, []string{"unknown 1"}},
		"replaced by another":             {"assistant_transfer", true, []mapping.Turn{turn("dtmf", "transfer"), turn("dtmf", "transfer")}, []string{"unknown 1", "succeeded 2"}},
		"only the call tells, and how":    {"assistant_transfer", true, nil, []string{"succeeded 0"}},
		"only the call tells of a try":    {"caller_hangup", true, []mapping.Turn{turn("start")}, []string{"unknown 0"}},
	} {
		cdr := &mapping.CDR{TransferOccurred: test.occurred, Summaries: []mapping.Summary{{Turns: test.turns}}}
		cdr.Call.EndReason = test.endReason
		trace := defaultMapper(t).Call(mapping.CallInput{CDR: cdr})
		turns := map[mapping.SpanID]int{}
		for i, span := range spansOf(trace) {
			turns[mapping.SpanID(span.GetSpanId())] = i
		}
		var got []string
		for _, value := range trace.Measured.Values {
			if value.Metric == mapping.MetricTransfers {
				got = append(got, fmt.Sprintf("%v %d", attributesOf(value)["wxa.transfer.outcome"], turns[value.SpanID]))
			}
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
