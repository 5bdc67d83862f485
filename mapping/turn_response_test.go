package mapping_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"cdr2otel/mapping"
)

// attribute returns the value of an attribute as Go has it; nil if it is absent.
func attribute(span *tracepb.Span, key string) any {
	for _, kv := range span.GetAttributes() {
		if kv.GetKey() != key {
			continue
		}
		switch value := kv.GetValue().GetValue().(type) {
		case *commonpb.AnyValue_StringValue:
			return value.StringValue
		case *commonpb.AnyValue_DoubleValue:
			return value.DoubleValue
		case *commonpb.AnyValue_IntValue:
			return value.IntValue
		case *commonpb.AnyValue_BoolValue:
			return value.BoolValue
		}
	}
	return nil
}

func TestWhatACallerWaitedForIsSummedOnlyWhenAllOfItIsKnown(t *testing.T) {
	t.Parallel()
	silent := mapping.TurnResponse{Type: "disable_speech_barge_in"}
	untimed := mapping.TurnResponse{Type: "url"}
	voice := func(response float64) mapping.TurnResponse { return spoken(at(700), at(2000), ms(response)) }
	speech := func(response mapping.Number) mapping.TurnRequest {
		return mapping.TurnRequest{Type: "speech_to_text", Streaming: &mapping.Streaming{
			Start: at(0), Stop: at(90), ResponseMilliseconds: response,
		}}
	}
	keys := mapping.TurnRequest{Type: "dtmf"}
	for name, test := range map[string]struct {
		turn  mapping.Turn
		class any
		sum   any
	}{
		"keys":                     {mapping.Turn{Request: keys, Assistant: asked(at(100), ms(200)), Response: []mapping.TurnResponse{silent, voice(300), voice(900)}}, "ok", 0.5},
		"speech":                   {mapping.Turn{Request: speech(ms(700)), Assistant: asked(at(100), ms(200)), Response: []mapping.TurnResponse{voice(300)}}, "ok", 1.2},
		"cached prompt":            {mapping.Turn{Request: keys, Assistant: asked(at(100), ms(200)), Response: []mapping.TurnResponse{voice(0)}}, "ok", 0.2},
		"slow":                     {mapping.Turn{Request: keys, Assistant: asked(at(100), ms(1700)), Response: []mapping.TurnResponse{voice(300)}}, "slow", 2.0},
		"dead air":                 {mapping.Turn{Request: keys, Assistant: asked(at(100), ms(3700)), Response: []mapping.TurnResponse{voice(300)}}, "dead_air", 4.0},
		"speech not measured":      {mapping.Turn{Request: speech(ms(0)), Assistant: asked(at(100), ms(200)), Response: []mapping.TurnResponse{voice(300)}}, nil, nil},
		"assistant unknown":        {mapping.Turn{Request: keys, Assistant: asked(at(100), mapping.Number{}), Response: []mapping.TurnResponse{voice(300)}}, nil, nil},
		"audio before, unmeasured": {mapping.Turn{Request: keys, Assistant: asked(at(100), ms(200)), Response: []mapping.TurnResponse{untimed, voice(300)}}, nil, nil},
		"no audio after keys":      {mapping.Turn{Request: keys, Assistant: asked(at(100), ms(200)), Response: []mapping.TurnResponse{silent}}, "none", nil},
		"untimed after keys":       {mapping.Turn{Request: keys, Assistant: asked(at(100), ms(200)), Response: []mapping.TurnResponse{untimed}}, nil, nil},
		"hang-up":                  {mapping.Turn{Request: mapping.TurnRequest{Type: "hangup"}, Assistant: asked(at(100), ms(0))}, nil, nil},
	} {
		cdr := &mapping.CDR{SIP: mapping.SIPRecord{Invite: at(0)}, Summaries: []mapping.Summary{{Turns: []mapping.Turn{test.turn}}}}
		turn := spansOf(defaultMapper(t).Call(mapping.CallInput{CDR: cdr}))[1]
		if diff := cmp.Diff([]any{test.class, test.sum}, []any{
			attribute(turn, "wxa.turn.response.class"), attribute(turn, "wxa.turn.response.duration"),
		}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestHowACallEnded(t *testing.T) {
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
		failure   bool
		turns     []mapping.Turn
		result    string
		errorType any
	}{
		"hung up":                       {"caller_hangup", false, nil, "completed", nil},
		"an older schema":               {"callerHangup", false, nil, "completed", nil},
		"failed":                        {"failed", false, nil, "failed", "call_failed"},
		"a failure and no reason":       {"", true, nil, "failed", "call_failed"},
		"a failure, completed all same": {"assistant_hangup", true, nil, "completed", "call_failed"},
		"transferred":                   {"assistant_transfer", false, []mapping.Turn{turn("dtmf", "transfer")}, "transferred", nil},
		"transfer failed":               {"assistant_transfer", false, []mapping.Turn{turn("dtmf", "transfer"), turn("transfer_failed")}, "completed", nil},
		"failed, then transferred": {
			"assistant_transfer", false,
			[]mapping.Turn{turn("dtmf", "transfer"), turn("transfer_failed", "transfer")}, "transferred", nil,
		},
	} {
		cdr := &mapping.CDR{FailureOccurred: test.failure, Summaries: []mapping.Summary{{Turns: test.turns}}}
		cdr.Call.EndReason = test.endReason
		root := spansOf(defaultMapper(t).Call(mapping.CallInput{CDR: cdr}))[0]
		if diff := cmp.Diff([]any{test.result, test.errorType}, []any{attribute(root, "wxa.call.result"), attribute(root, "error.type")}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if failed := root.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR; failed != (test.errorType != nil) {
			t.Errorf("%s: status %v", name, root.GetStatus())
		}
	}
}
