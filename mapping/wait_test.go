package mapping_test

import (
	"fmt"
	"strings"
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

// waited is a call of the given turns that was answered at 2 s and ended at 60 s,
// the turns' waits as "duration class unexplained", a ~ before what is estimated.
func waited(t *testing.T, change func(*mapping.CDR), turns ...mapping.Turn) []string {
	t.Helper()
	cdr := &mapping.CDR{
		SIP:       mapping.SIPRecord{Invite: at(0), SetupMilliseconds: ms(2000)},
		Call:      mapping.CallRecord{Start: at(2000), Stop: at(60000), MillisecondsElapsed: ms(58000)},
		Summaries: []mapping.Summary{{Turns: turns}},
	}
	if change != nil {
		change(cdr)
	}
	trace := defaultMapper(t).Call(mapping.CallInput{CDR: cdr})
	if err := brokenRule(trace); err != nil {
		t.Error(err)
	}
	var waits []string
	for _, span := range spansOf(trace) {
		if !strings.HasPrefix(span.GetName(), "turn ") {
			continue
		}
		var words []string
		if duration := attribute(span, "wxa.turn.response.duration"); duration != nil {
			words = append(words, fmt.Sprint(duration))
		}
		if attribute(span, "wxa.turn.response.estimated") == true {
			words[0] = "~" + words[0]
		}
		for _, key := range []string{"wxa.turn.response.class", "wxa.turn.response.unexplained.duration"} {
			if value := attribute(span, key); value != nil {
				words = append(words, fmt.Sprint(value))
			}
		}
		waits = append(waits, strings.Join(words, " "))
	}
	return waits
}

func TestTheCallerWaitsFromTheEndOfTheirTurnOrTheAnswerToTheFirstAudio(t *testing.T) {
	t.Parallel()
	voice := func(start int, response float64) mapping.TurnResponse {
		return spoken(at(start), at(59000), ms(response))
	}
	silent := mapping.TurnResponse{Type: "disable_speech_barge_in"}
	untimed := mapping.TurnResponse{Type: "url"}
	start, keys := mapping.TurnRequest{Type: "start"}, mapping.TurnRequest{Type: "dtmf"}
	speech := func(begin, end mapping.Instant, response mapping.Number) mapping.TurnRequest {
		return mapping.TurnRequest{Type: "speech_to_text", Streaming: &mapping.Streaming{Start: begin, Stop: end, ResponseMilliseconds: response}}
	}
	for name, test := range map[string]struct {
		turn   mapping.Turn
		change func(*mapping.CDR)
		want   string
	}{
		"keys wait for assistant and voice": {
			turn: mapping.Turn{Request: keys, Assistant: asked(at(5000), ms(200)), Response: []mapping.TurnResponse{silent, voice(5500, 300), voice(9000, 900)}},
			want: "0.5 ok 0",
		},
		"speech waits from the end of what was said": {
			turn: mapping.Turn{Request: speech(at(4000), at(5700), ms(700)), Assistant: asked(at(5710), ms(200)), Response: []mapping.TurnResponse{voice(6300, 300)}},
			want: "1.3 ok 0.1",
		},
		"what no part explains is waited for too": {
			turn: mapping.Turn{Request: keys, Assistant: asked(at(5000), ms(1000)), Response: []mapping.TurnResponse{voice(11500, 500)}},
			want: "6.5 dead_air 5",
		},
		"slow": {
			turn: mapping.Turn{Request: keys, Assistant: asked(at(5000), ms(1700)), Response: []mapping.TurnResponse{voice(7000, 300)}},
			want: "2 slow 0",
		},
		"dead air": {
			turn: mapping.Turn{Request: keys, Assistant: asked(at(5000), ms(3700)), Response: []mapping.TurnResponse{voice(9000, 300)}},
			want: "4 dead_air 0",
		},
		"a cached prompt is there at once": {
			turn: mapping.Turn{Request: keys, Assistant: asked(at(5000), ms(200)), Response: []mapping.TurnResponse{voice(5200, 0)}},
			want: "0.2 ok 0",
		},
		"while it rings nobody waits": {
			turn: mapping.Turn{Request: start, Assistant: asked(at(100), ms(1500)), Response: []mapping.TurnResponse{voice(2100, 300)}},
			want: "0.1 ok 0",
		},
		"a greeting that plays when the call is answered is not waited for": {
			turn: mapping.Turn{Request: start, Assistant: asked(at(100), ms(500)), Response: []mapping.TurnResponse{voice(1500, 300)}},
			want: "0 ok 0",
		},
		"a greeting after the answer is waited for": {
			turn: mapping.Turn{Request: start, Assistant: asked(at(1000), ms(2000)), Response: []mapping.TurnResponse{voice(8500, 500)}},
			want: "6.5 dead_air 5",
		},
		"without a time of the answer the setup says when that was": {
			turn:   mapping.Turn{Request: start, Assistant: asked(at(100), ms(1500)), Response: []mapping.TurnResponse{voice(2100, 300)}},
			change: func(cdr *mapping.CDR) { cdr.Call.Start = mapping.Instant{} },
			want:   "0.1 ok 0",
		},
		"and without both the greeting's wait is not known": {
			turn: mapping.Turn{Request: start, Assistant: asked(at(100), ms(1500)), Response: []mapping.TurnResponse{voice(2100, 300)}},
			change: func(cdr *mapping.CDR) {
				cdr.Call.Start, cdr.SIP.SetupMilliseconds = mapping.Instant{}, mapping.Number{}
			},
		},
		"nobody waits after the end of the call": {
			turn:   mapping.Turn{Request: keys, Assistant: asked(at(5000), ms(200)), Response: []mapping.TurnResponse{voice(9000, 300)}},
			change: func(cdr *mapping.CDR) { cdr.Call.Stop, cdr.Call.MillisecondsElapsed = at(7000), ms(5000) },
			want:   "2 slow 1.8",
		},
		"an end before the answer is not believed": {
			turn:   mapping.Turn{Request: keys, Assistant: asked(at(5000), ms(200)), Response: []mapping.TurnResponse{voice(5500, 300)}},
			change: func(cdr *mapping.CDR) { cdr.Call.Stop = at(1000) },
			want:   "0.5 ok 0",
		},
		"without an end of speech it ended before the assistant was asked": {
			turn: mapping.Turn{Request: speech(at(4000), unknown, ms(700)), Assistant: asked(at(5710), ms(200)), Response: []mapping.TurnResponse{voice(6300, 300)}},
			want: "~1.29 ok",
		},
		"but not before it began": {
			turn: mapping.Turn{Request: speech(at(5500), unknown, ms(700)), Assistant: asked(at(5710), ms(200)), Response: []mapping.TurnResponse{voice(6300, 300)}},
			want: "~0.8 ok",
		},
		"the parts stand in for when the caller had asked": {
			turn: mapping.Turn{Request: speech(at(4000), unknown, ms(700)), Assistant: asked(mapping.Instant{}, ms(200)), Response: []mapping.TurnResponse{voice(6300, 300)}},
			want: "~1.2 ok",
		},
		"and for when it was heard": {
			turn: mapping.Turn{Request: keys, Assistant: asked(at(5000), ms(200)), Response: []mapping.TurnResponse{spoken(unknown, unknown, ms(300))}},
			want: "~0.5 ok",
		},
		"and for both": {
			turn: mapping.Turn{Request: keys, Assistant: asked(unknown, ms(200)), Response: []mapping.TurnResponse{spoken(unknown, unknown, ms(300))}},
			want: "~0.5 ok",
		},
		"of a greeting only where its ringing is known": {
			turn: mapping.Turn{Request: start, Assistant: asked(unknown, ms(200)), Response: []mapping.TurnResponse{spoken(unknown, unknown, ms(300))}},
		},
		"parts do not stand in before the answer": {
			turn: mapping.Turn{Request: start, Assistant: asked(unknown, ms(2000)), Response: []mapping.TurnResponse{voice(2100, 300)}},
			want: "~0.1 ok",
		},
		"parts longer than the call are not believed": {
			turn: mapping.Turn{Request: keys, Assistant: asked(unknown, ms(59000)), Response: []mapping.TurnResponse{spoken(unknown, unknown, ms(300))}},
		},
		"a recognition that is not measured leaves the end of speech unknown": {
			turn: mapping.Turn{Request: speech(at(4000), at(5700), ms(0)), Assistant: asked(at(5710), ms(200)), Response: []mapping.TurnResponse{voice(6300, 300)}},
		},
		"speech without statistics too": {
			turn: mapping.Turn{Request: mapping.TurnRequest{Type: "speech_to_text"}, Assistant: asked(at(5710), ms(200)), Response: []mapping.TurnResponse{voice(6300, 300)}},
		},
		"an assistant that is not measured is waited for all the same": {
			turn: mapping.Turn{Request: keys, Assistant: asked(at(5000), mapping.Number{}), Response: []mapping.TurnResponse{voice(5500, 300)}},
			want: "0.5 ok 0.2",
		},
		"a clock that runs backwards makes no negative wait": {
			turn: mapping.Turn{Request: keys, Assistant: asked(at(5000), ms(200)), Response: []mapping.TurnResponse{voice(4000, 0)}},
			want: "0 ok 0",
		},
		"audio before that is not timed": {
			turn: mapping.Turn{Request: keys, Assistant: asked(at(5000), ms(200)), Response: []mapping.TurnResponse{untimed, voice(5500, 300)}},
		},
		"no audio after keys": {
			turn: mapping.Turn{Request: keys, Assistant: asked(at(5000), ms(200)), Response: []mapping.TurnResponse{silent}},
			want: "none",
		},
		"audio after keys that is not timed": {
			turn: mapping.Turn{Request: keys, Assistant: asked(at(5000), ms(200)), Response: []mapping.TurnResponse{untimed}},
		},
		"a hang-up waits for nothing": {
			turn: mapping.Turn{Request: mapping.TurnRequest{Type: "hangup"}, Assistant: asked(at(5000), ms(0))},
		},
	} {
		if diff := cmp.Diff([]string{test.want}, waited(t, test.change, test.turn)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestWaitsOfACallDoNotOverlap(t *testing.T) {
	t.Parallel()
	turn := func(start, heard int) mapping.Turn {
		return mapping.Turn{
			Request: mapping.TurnRequest{Type: "dtmf"}, Assistant: asked(at(start), ms(100)),
			Response: []mapping.TurnResponse{spoken(at(heard), at(heard+1000), ms(100))},
		}
	}
	want := []string{"4 dead_air 3.8", "1 ok 0.9", "0 ok 0"}
	if diff := cmp.Diff(want, waited(t, nil, turn(5000, 9000), turn(6000, 10000), turn(7000, 9500))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheStartOfAPromptIsItsFirstAudioUnlessTheAnswerWasNotThereYet(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		assistant *mapping.AssistantStep
		prompt    mapping.TurnResponse
		reading   any
		heard     float64 // milliseconds
	}{
		"as known records mean it":          {asked(at(5000), ms(500)), spoken(at(5900), at(8000), ms(400)), "first_audio", 5900},
		"within rounding":                   {asked(at(5000), ms(500)), spoken(at(5898), at(8000), ms(400)), "first_audio", 5898},
		"literally":                         {asked(at(5000), ms(500)), spoken(at(5505), at(8000), ms(400)), "text_sent", 5905},
		"cut short before it was heard":     {asked(at(5000), ms(500)), spoken(at(5505), at(5600), ms(400)), "text_sent", 5600},
		"a cached prompt has one reading":   {asked(at(5000), ms(500)), spoken(at(5505), at(8000), ms(0)), nil, 5505},
		"an answer that is not timed":       {asked(unknown, ms(500)), spoken(at(5505), at(8000), ms(400)), "first_audio", 5505},
		"an assistant that is not measured": {asked(at(5000), ms(0)), spoken(at(5105), at(8000), ms(400)), "first_audio", 5105},
	} {
		cdr := &mapping.CDR{
			SIP: mapping.SIPRecord{Invite: at(0)}, Call: mapping.CallRecord{Start: at(2000), Stop: at(60000)},
			Summaries: []mapping.Summary{{Turns: []mapping.Turn{{Request: mapping.TurnRequest{Type: "dtmf"}, Assistant: test.assistant, Response: []mapping.TurnResponse{test.prompt}}}}},
		}
		trace := defaultMapper(t).Call(mapping.CallInput{CDR: cdr})
		for _, span := range spansOf(trace) {
			if span.GetName() != "text_to_speech" {
				continue
			}
			if got := attribute(span, "wxa.tts.start_reading"); got != test.reading {
				t.Errorf("%s: read as %v, want %v", name, got, test.reading)
			}
			if got := float64(int64(span.GetEvents()[0].GetTimeUnixNano())-invite.UnixNano()) / 1e6; got != test.heard {
				t.Errorf("%s: first heard at %v ms, want %v", name, got, test.heard)
			}
		}
		if err := brokenRule(trace); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
