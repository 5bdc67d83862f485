package mapping_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cdr2otel/mapping"
)

// invite is when the calls of these tests begin; all times are milliseconds
// after it.
var invite = time.Date(2024, 3, 5, 15, 0, 0, 0, time.UTC)

func at(ms int) mapping.Instant {
	return mapping.Instant{Time: invite.Add(time.Duration(ms) * time.Millisecond)}
}

func ms(n float64) mapping.Number { return mapping.Number{Value: n, Valid: true} }

var unknown = mapping.Instant{Sentinel: true}

// spoken is a turn's element of audio.
func spoken(start, stop mapping.Instant, response mapping.Number) mapping.TurnResponse {
	return mapping.TurnResponse{Type: "text_to_speech", Streaming: &mapping.Streaming{
		Start: start, Stop: stop, ResponseMilliseconds: response,
	}}
}

func asked(start mapping.Instant, response mapping.Number) *mapping.AssistantStep {
	return &mapping.AssistantStep{LogID: "log", Start: start, ResponseMilliseconds: response}
}

func heard(start, stop mapping.Instant) mapping.TurnRequest {
	return mapping.TurnRequest{Type: "speech_to_text", Streaming: &mapping.Streaming{Start: start, Stop: stop}}
}

// drawn writes spans as "name start…end flags", in milliseconds after the INVITE.
func drawn(trace *mapping.Trace) []string {
	var lines []string
	for _, span := range spansOf(trace) {
		var flags []string
		for _, attribute := range span.GetAttributes() {
			if attribute.GetKey() != "wxa.time.adjusted" {
				continue
			}
			for _, value := range attribute.GetValue().GetArrayValue().GetValues() {
				flags = append(flags, value.GetStringValue())
			}
		}
		offset := func(t uint64) float64 { return float64(int64(t)-invite.UnixNano()) / 1e6 }
		line := fmt.Sprintf("%s %g…%g %s", span.GetName(), offset(span.GetStartTimeUnixNano()),
			offset(span.GetEndTimeUnixNano()), strings.Join(flags, ","))
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}

func TestTheTimesOfATurnFollowTheRules(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		turn    mapping.Turn
		message *mapping.Message
		want    []string // without the root
	}{
		"audio is asked for response time before it is heard": {
			turn: mapping.Turn{Assistant: asked(at(100), ms(200)), Response: []mapping.TurnResponse{spoken(at(700), at(2000), ms(300))}},
			want: []string{"turn _OTHER 100…2000", "invoke_agent 100…300", "text_to_speech 400…2000 inferred"},
		},
		"unless the assistant had not answered then: the start is when the text was sent": {
			turn: mapping.Turn{Assistant: asked(at(100), ms(500)), Response: []mapping.TurnResponse{spoken(at(700), at(2000), ms(300))}},
			want: []string{"turn _OTHER 100…2000", "invoke_agent 100…600", "text_to_speech 700…2000 inferred"},
		},
		"also before the assistant answered": {
			turn: mapping.Turn{Assistant: asked(at(100), ms(500)), Response: []mapping.TurnResponse{spoken(at(50), at(2000), ms(900))}},
			want: []string{"turn _OTHER 50…2000", "text_to_speech 50…2000 inferred", "invoke_agent 100…600"},
		},
		"a cached prompt is literally the source's": {
			turn: mapping.Turn{Assistant: asked(at(100), ms(200)), Response: []mapping.TurnResponse{spoken(at(310), at(2000), ms(0))}},
			want: []string{"turn _OTHER 100…2000", "invoke_agent 100…300", "text_to_speech 310…2000"},
		},
		"playback that stops before it starts ends where it starts": {
			turn: mapping.Turn{Assistant: asked(at(100), ms(200)), Response: []mapping.TurnResponse{spoken(at(700), at(500), ms(300))}},
			want: []string{"turn _OTHER 100…700", "invoke_agent 100…300", "text_to_speech 400…700 clamped,inferred"},
		},
		"a missing assistant start is derived from the first audio": {
			turn: mapping.Turn{Assistant: asked(mapping.Instant{}, ms(200)), Response: []mapping.TurnResponse{spoken(at(700), at(2000), ms(300))}},
			want: []string{"turn _OTHER 200…2000", "invoke_agent 200…400 inferred", "text_to_speech 400…2000 inferred"},
		},
		"else from the end of recognition": {
			turn: mapping.Turn{Request: heard(at(100), at(900)), Assistant: asked(mapping.Instant{}, ms(200))},
			want: []string{"turn speech_to_text 100…1100", "speech_to_text 100…900", "invoke_agent 900…1100 inferred"},
		},
		"else from its start": {
			turn: mapping.Turn{Request: heard(at(100), unknown), Assistant: asked(mapping.Instant{}, ms(200))},
			want: []string{
				"turn speech_to_text 100…300", "invoke_agent 100…300 inferred",
				"speech_to_text 100…100.001 clamped,sentinel,inferred",
			},
		},
		"else from the end of what was before": {
			turn: mapping.Turn{Assistant: asked(unknown, ms(200))},
			want: []string{"turn _OTHER 0…200", "invoke_agent 0…200 inferred"},
		},
		"a recognition without an end ends where the message log says": {
			turn: mapping.Turn{Request: heard(at(100), unknown), Assistant: asked(at(1000), ms(200))},
			message: &mapping.Message{LogID: "log", Speech: &mapping.SpeechResult{
				Start: at(90), Stop: at(950),
			}},
			want: []string{"turn speech_to_text 100…1200", "speech_to_text 100…950 sentinel", "invoke_agent 1000…1200"},
		},
		"else where the assistant was asked": {
			turn: mapping.Turn{Request: heard(at(100), unknown), Assistant: asked(at(1000), ms(200))},
			want: []string{"turn speech_to_text 100…1200", "speech_to_text 100…1000 sentinel,inferred", "invoke_agent 1000…1200"},
		},
		"a recognition without any time takes both from the message log": {
			turn: mapping.Turn{Request: heard(mapping.Instant{}, mapping.Instant{}), Assistant: asked(at(1000), ms(200))},
			message: &mapping.Message{LogID: "log", Speech: &mapping.SpeechResult{
				Start: at(90), Stop: at(950),
			}},
			want: []string{"turn speech_to_text 90…1200", "speech_to_text 90…950 inferred", "invoke_agent 1000…1200"},
		},
		"nothing measured is a microsecond": {
			turn: mapping.Turn{Request: mapping.TurnRequest{Type: "hangup"}, Assistant: asked(at(100), ms(0))},
			want: []string{"turn hangup 100…100.001", "invoke_agent 100…100.001 clamped"},
		},
		"commands have no span": {
			turn: mapping.Turn{Request: mapping.TurnRequest{Type: "dtmf"}, Response: []mapping.TurnResponse{{Type: "sms"}, {Type: "hangup"}}},
			want: []string{"turn dtmf 0…0.001 inferred"},
		},
		"an audio file is played": {
			turn: mapping.Turn{Response: []mapping.TurnResponse{{Type: "url", Streaming: &mapping.Streaming{Start: at(700), Stop: at(2000)}}}},
			want: []string{"turn _OTHER 700…2000", "play_audio 700…2000"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cdr := &mapping.CDR{
				Call:      mapping.CallRecord{Start: at(0), Stop: at(60000)},
				SIP:       mapping.SIPRecord{Invite: at(0)},
				Summaries: []mapping.Summary{{Turns: []mapping.Turn{test.turn}}},
			}
			in := mapping.CallInput{CDR: cdr}
			if test.message != nil {
				in.Messages = []mapping.MessageInput{{Message: test.message}}
			}
			trace := defaultMapper(t).Call(in)
			if err := brokenRule(trace); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(test.want, drawn(trace)[1:]); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheTimesOfACallFollowTheRules(t *testing.T) {
	t.Parallel()
	turn := mapping.Turn{Assistant: asked(at(5000), ms(200))}
	for name, test := range map[string]struct {
		cdr      mapping.CDR
		received time.Time
		want     []string
	}{
		"from the INVITE to the stop": {
			cdr:  mapping.CDR{SIP: mapping.SIPRecord{Invite: at(0), SetupMilliseconds: ms(900)}, Call: mapping.CallRecord{Start: at(900), Stop: at(9000)}},
			want: []string{"call inbound 0…9000", "call setup 0…900"},
		},
		"widened to its turns": {
			cdr: mapping.CDR{
				SIP: mapping.SIPRecord{Invite: at(0)}, Call: mapping.CallRecord{Stop: at(5100)},
				Summaries: []mapping.Summary{{Turns: []mapping.Turn{turn}}},
			},
			want: []string{"call inbound 0…5200 envelope", "turn _OTHER 5000…5200", "invoke_agent 5000…5200"},
		},
		"without a stop it lasts as long as it says": {
			cdr:  mapping.CDR{SIP: mapping.SIPRecord{Invite: at(0)}, Call: mapping.CallRecord{Start: at(900), MillisecondsElapsed: ms(4000)}},
			want: []string{"call inbound 0…4900 inferred"},
		},
		"without a start too": {
			cdr:  mapping.CDR{Call: mapping.CallRecord{Stop: at(9000), MillisecondsElapsed: ms(4000)}},
			want: []string{"call inbound 5000…9000 inferred"},
		},
		"a stop before the start is no stop": {
			cdr:  mapping.CDR{Call: mapping.CallRecord{Start: at(9000), Stop: at(8000)}},
			want: []string{"call inbound 9000…9000.001 clamped"},
		},
		"only turns": {
			cdr:  mapping.CDR{Summaries: []mapping.Summary{{Turns: []mapping.Turn{turn}}}},
			want: []string{"call inbound 5000…5200 inferred", "turn _OTHER 5000…5200", "invoke_agent 5000…5200"},
		},
		"without any instant it ends when it was received": {
			cdr:      mapping.CDR{Call: mapping.CallRecord{MillisecondsElapsed: ms(4000)}},
			received: invite.Add(6 * time.Second),
			want:     []string{"call inbound 2000…6000 inferred"},
		},
		"a day around the INVITE is believed": {
			cdr:  mapping.CDR{SIP: mapping.SIPRecord{Invite: at(0)}, Call: mapping.CallRecord{Stop: at(24 * 3600 * 1000)}},
			want: []string{"call inbound 0…8.64e+07"},
		},
		"more is not": {
			cdr:  mapping.CDR{SIP: mapping.SIPRecord{Invite: at(0)}, Call: mapping.CallRecord{Stop: at(24*3600*1000 + 1)}},
			want: []string{"call inbound 0…0.001 clamped,inferred"},
		},
		"of three instants the one that stands alone is wrong": {
			cdr: mapping.CDR{
				SIP:  mapping.SIPRecord{Invite: mapping.Instant{Time: invite.AddDate(-10, 0, 0)}},
				Call: mapping.CallRecord{Start: at(0), Stop: at(9000)},
			},
			want: []string{"call inbound 0…9000"},
		},
		"what has not happened can't have been reported": {
			cdr: mapping.CDR{
				SIP:       mapping.SIPRecord{Invite: mapping.Instant{Time: invite.AddDate(1, 0, 0)}},
				Summaries: []mapping.Summary{{Turns: []mapping.Turn{turn}}},
			},
			received: invite.Add(time.Minute),
			want:     []string{"call inbound 5000…5200 inferred", "turn _OTHER 5000…5200", "invoke_agent 5000…5200"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			trace := defaultMapper(t).Call(mapping.CallInput{CDR: &test.cdr, ReceivedAt: test.received})
			if err := brokenRule(trace); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(test.want, drawn(trace)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestALateMessageLiesInsideItsParent(t *testing.T) {
	t.Parallel()
	parent := mapping.SpanRef{
		TraceID: mapping.TraceID{1}, SpanID: mapping.SpanID{2},
		Start: uint64(invite.UnixNano()), End: uint64(invite.Add(200 * time.Millisecond).UnixNano()),
	}
	for name, test := range map[string]struct {
		message mapping.Message
		want    string
	}{
		"at its response":              {mapping.Message{RequestAt: at(50), ResponseAt: at(150)}, "message_logged 150…150.001"},
		"else at its request":          {mapping.Message{RequestAt: at(50)}, "message_logged 50…50.001"},
		"else at the end":              {mapping.Message{}, "message_logged 199.999…200 inferred"},
		"not before its parent":        {mapping.Message{ResponseAt: at(-5)}, "message_logged 0…0.001 clamped"},
		"not after it":                 {mapping.Message{ResponseAt: at(205)}, "message_logged 199.999…200 clamped"},
		"an implausible time is as if": {mapping.Message{ResponseAt: at(5 * 24 * 3600 * 1000)}, "message_logged 199.999…200 inferred"},
	} {
		late := defaultMapper(t).Late(mapping.LateInput{
			MessageInput: mapping.MessageInput{Message: &test.message}, Parent: parent, Named: true, CallID: "call",
		})
		if err := brokenRule(late, parent); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff([]string{test.want}, drawn(late)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestAConversationFollowsItsMessages(t *testing.T) {
	t.Parallel()
	message := func(logID string, request, response mapping.Instant) mapping.MessageInput {
		return mapping.MessageInput{Message: &mapping.Message{
			LogID: logID, SessionID: "session", MessageType: "text", RequestAt: request, ResponseAt: response,
		}}
	}
	for name, test := range map[string]struct {
		messages []mapping.MessageInput
		want     []string
	}{
		"in order of their requests": {
			[]mapping.MessageInput{message("b", at(1000), at(1300)), message("c", at(0), at(200))},
			[]string{
				"conversation 0…1300",
				"turn text 0…200", "invoke_agent 0…200",
				"turn text 1000…1300", "invoke_agent 1000…1300",
			},
		},
		"one without times follows the one before": {
			[]mapping.MessageInput{message("b", mapping.Instant{}, mapping.Instant{}), message("c", at(0), at(200))},
			[]string{
				"conversation 0…200.001",
				"turn text 0…200", "invoke_agent 0…200",
				"turn text 200…200.001 clamped,inferred", "invoke_agent 200…200.001 clamped,inferred",
			},
		},
		"one wrong year does not widen it by years": {
			[]mapping.MessageInput{
				message("a", mapping.Instant{Time: invite.AddDate(-20, 0, 0)}, at(100)),
				message("b", at(1000), at(1300)), message("c", at(2000), at(2200)),
			},
			[]string{
				"conversation 100…2200",
				"turn text 100…100.001 clamped,inferred", "invoke_agent 100…100.001 clamped,inferred",
				"turn text 1000…1300", "invoke_agent 1000…1300",
				"turn text 2000…2200", "invoke_agent 2000…2200",
			},
		},
	} {
		trace := defaultMapper(t).Conversation(mapping.ConversationInput{Messages: test.messages})
		if err := brokenRule(trace); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(test.want, drawn(trace)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
