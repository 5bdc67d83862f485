package mapping

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func at(t *testing.T, s string) Instant {
	t.Helper()
	parsed, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return Instant{Time: parsed.UTC()}
}

func num(v float64) Number { return Number{Value: v, Valid: true} }

func mustDecodeCDR(t testing.TB, payload string) *CDR {
	t.Helper()
	c, err := DecodeCDR([]byte(payload))
	if err != nil {
		t.Fatalf("%.200s: %v", payload, err)
	}
	return c
}

func TestThePublishedExampleIsDecodedWhole(t *testing.T) {
	t.Parallel()
	no := false
	tts := func(id, start, stop string, ms float64) *Streaming {
		return &Streaming{TransactionID: id, Start: at(t, start), Stop: at(t, stop), ResponseMilliseconds: num(ms)}
	}
	want := &CDR{
		PrimaryPhoneNumber: "+18005550123",
		GlobalSessionID:    "9caa8bad-aaa8-4a5a-a4b5-62bccc703d15",
		ActiveCalls:        num(0),
		Call: CallRecord{
			Start: at(t, "2021-10-12T20:54:02.591Z"), Stop: at(t, "2021-10-12T20:54:20.375Z"),
			MillisecondsElapsed: num(17784), EndReason: "assistant_hangup",
			Outbound: &no, MediaEncrypted: &no, SignalingEncrypted: &no, SIPAuthenticated: &no,
		},
		SIP: SIPRecord{
			Invite: at(t, "2021-10-12T20:54:00.565Z"), SetupMilliseconds: num(2026), CallID: "17465345_115257202@10.90.150.99",
			FromURI: "sip:+18885550456@pstn.twilio.com",
			ToURI:   "sip:+18005550123@public.voip.us-south.assistant.test.watson.cloud.ibm.com",
		},
		MaxResponse: MaxResponse{Assistant: num(339), TextToSpeech: num(535), SpeechToText: num(0)},
		Summaries: []Summary{{
			AssistantID: "97f16ba4-ad94-41af-aa6c-33cd56ad5e7e", SessionID: "7874ec3a-1330-4180-afe1-46bfb220af5b",
			Turns: []Turn{{
				Assistant: &AssistantStep{LogID: "58bebfd1-0118-419b-a555-b152a1efbbe8", Start: at(t, "2021-10-12T20:54:00.722Z"), ResponseMilliseconds: num(339)},
				Request:   TurnRequest{Type: "start"},
				Response: []TurnResponse{{Type: "text_to_speech", BargeIn: true, Streaming: tts("3dce431c-fb2f-4b62-9fce-585f4e06fe00",
					"2021-10-12T20:54:00.722Z", "2021-10-12T20:54:01.023Z", 301)}},
			}, {
				Assistant: &AssistantStep{LogID: "38f36bfb-c2aa-4600-9418-6ab422664e31", Start: at(t, "2021-10-12T20:54:05.621Z"), ResponseMilliseconds: num(158)},
				Request:   TurnRequest{Type: "dtmf"},
				Response: []TurnResponse{
					{Type: "disable_speech_barge_in"},
					{Type: "text_to_speech", Streaming: tts("af4c47c3-5cc4-43c8-9b9c-81d6f997c52f", "2021-10-12T20:54:06.321Z", "2021-10-12T20:54:14.338Z", 535)},
					{Type: "enable_speech_barge_in"},
					{Type: "text_to_speech", BargeIn: true, Streaming: tts("eafdd846-2829-4e1a-8068-b1035510b1e1", "2021-10-12T20:54:14.795Z", "2021-10-12T20:54:20.388Z", 447)},
				},
			}, {
				Assistant: &AssistantStep{LogID: "07d74b35-0205-43e4-923c-1e43e1cb429c", Start: at(t, "2021-10-12T20:54:20.377Z"), ResponseMilliseconds: num(0)},
				Request:   TurnRequest{Type: "hangup"},
			}},
		}},
		Inbound:  &RTPStream{AverageJitter: num(4), MaximumJitter: num(18), PacketsLost: num(0), PacketsTransmitted: num(952)},
		Outbound: &RTPStream{AverageJitter: num(0), MaximumJitter: num(0), PacketsLost: num(0), PacketsTransmitted: num(838), ToolName: "IBM Voice Gateway/1.0.7.0"},
	}
	got, err := DecodeCDR(samplePayloads(t)["dtmf_call.cdr.json"])
	if err != nil {
		t.Fatal(err)
	}
	warnings := got.Warnings
	got.Warnings = nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(warnings) != 2 || warnings[0].ID != "CWSMR0033W" || warnings[1].ID != "CWSMR0070W" {
		t.Errorf("warnings %+v", warnings)
	}
}

func TestEverySampleDecodesWithoutOneMistypedValue(t *testing.T) {
	t.Parallel()
	for name, payload := range samplePayloads(t) {
		mistyped, truncated := 0, false
		if strings.Contains(name, ".cdr.") {
			c := mustDecodeCDR(t, string(payload))
			mistyped, truncated = c.Mistyped, c.Truncated
		} else {
			m := mustDecodeMessage(t, string(payload))
			mistyped, truncated = m.Mistyped, m.Truncated
		}
		if mistyped != 0 || truncated {
			t.Errorf("%s: %d mistyped values, truncated %t", name, mistyped, truncated)
		}
	}
}

func TestVariantsOfTheCDR(t *testing.T) {
	t.Parallel()
	instant := at(t, "2024-03-05T15:00:00.5Z")
	const time1 = `"2024-03-05T15:00:00.500Z"`
	for _, v := range []struct {
		name, payload string
		want          CDR
	}{
		{"the examples say invite_arrival_time", `{"session_initiation_protocol":{"invite_arrival_time":` + time1 + `}}`, CDR{SIP: SIPRecord{Invite: instant}}},
		{"the tables say invite_arrival_timestamp", `{"session_initiation_protocol":{"invite_arrival_timestamp":` + time1 + `}}`, CDR{SIP: SIPRecord{Invite: instant}}},
		{"of both spellings the one with a time counts", `{"session_initiation_protocol":{"invite_arrival_timestamp":"1970-01-01T00:00:00Z","invite_arrival_time":` + time1 + `}}`, CDR{SIP: SIPRecord{Invite: instant}}},
		{"a sentinel beside nothing stays a sentinel", `{"session_initiation_protocol":{"invite_arrival_timestamp":"1970-01-01T00:00:00Z","invite_arrival_time":null}}`, CDR{SIP: SIPRecord{Invite: Instant{Sentinel: true}}}},
		{"a warning has an id", `{"warnings_and_errors":[{"id":"CWSMR0031W","message":"m"}]}`, CDR{Warnings: []Warning{{"CWSMR0031W", "m"}}}},
		{"a warning has a code", `{"warnings_and_errors":[{"code":"CWSGW0001E","message":"m"}]}`, CDR{Warnings: []Warning{{"CWSGW0001E", "m"}}}},
		{"a warning has both", `{"warnings_and_errors":[{"code":"c","id":"i"}]}`, CDR{Warnings: []Warning{{ID: "i"}}}},
		{"a warning has its code only in the text", `{"warnings_and_errors":[{"message":"CWSTA0007I: m"},{"message":"see CWSTA0007I"}]}`, CDR{Warnings: []Warning{{"CWSTA0007I", "CWSTA0007I: m"}, {"", "see CWSTA0007I"}}}},
		{"no warnings", `{"warnings_and_errors":[]}`, CDR{}},
		{"numbers in strings", `{"active_calls":" 12 ","call":{"milliseconds_elapsed":"1.5e3"},"max_response_milliseconds":{"assistant":"","text_to_speech":"abc","speech_to_text":"0x10"}}`,
			CDR{ActiveCalls: num(12), Call: CallRecord{MillisecondsElapsed: num(1500)}, Mistyped: 2}},
		{"numbers that are none", `{"active_calls":1e999,"call":{"milliseconds_elapsed":"NaN"},"session_initiation_protocol":{"setup_milliseconds":true}}`, CDR{Mistyped: 3}},
		{"negative numbers are left to the mapping", `{"call":{"milliseconds_elapsed":-5}}`, CDR{Call: CallRecord{MillisecondsElapsed: num(-5)}}},
		{"the reason of the older schema stays as sent", `{"call":{"end_reason":"callerHangup"}}`, CDR{Call: CallRecord{EndReason: "callerHangup"}}},
		{"custom data is any JSON object, kept raw", `{"injected_custom_data": {"a": {"b": [1, ""]}} }`, CDR{CustomData: []byte(`{"a": {"b": [1, ""]}}`)}},
		{"custom data that is no object", `{"injected_custom_data":"x"}`, CDR{Mistyped: 1}},
		{"RTCP is off", `{"realtime_transport_network_summary":null}`, CDR{}},
		{"only one stream", `{"realtime_transport_network_summary":{"inbound_stream":{}}}`, CDR{Inbound: &RTPStream{}}},
		{"no response", `{"assistant_interaction_summaries":[{"turns":[{"response":null},{"response":[]},{}]}]}`, CDR{Summaries: []Summary{{Turns: make([]Turn, 3)}}}},
		{"null among turns and summaries is none", `{"assistant_interaction_summaries":[null,{"turns":[null,{"request":{"type":"start"}},7]}]}`,
			CDR{Summaries: []Summary{{Turns: []Turn{{Request: TurnRequest{Type: "start"}}}}}, Mistyped: 1}},
		{"the older summary's own times are skipped", `{"assistant_interaction_summaries":[{"start_timestamp":` + time1 + `,"turns":null}]}`, CDR{Summaries: []Summary{{}}}},
		{"the trunk's call id", `{"x-global-sip-trunk-call-id":"CA1"}`, CDR{TrunkCallID: "CA1"}},
		{"escaped keys and values", `{"global\u005fsession_id":"a\u0062\n\ud83d\ude00"}`, CDR{GlobalSessionID: "ab\n\U0001F600"}},
		{"the last of equal members counts", `{"global_session_id":"a","call":{"outbound":true},"global_session_id":"b","call":{"end_reason":"failed"}}`, CDR{GlobalSessionID: "b", Call: CallRecord{EndReason: "failed"}}},
		{"even when it is null", `{"failure_details":"x","failure_details":null,"call":{"outbound":true},"call":null}`, CDR{}},
		{"invalid UTF-8 is replaced", "{\"global_session_id\":\"a\xffb\",\"\xfe\":1}", CDR{GlobalSessionID: "a\uFFFDb"}},
		{"white space around", " \n{ }\t", CDR{}},
	} {
		if diff := cmp.Diff(&v.want, mustDecodeCDR(t, v.payload)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", v.name, diff)
		}
	}
}

func TestTimestamps(t *testing.T) {
	t.Parallel()
	want := at(t, "2024-03-05T15:00:00.5Z")
	sentinel := Instant{Sentinel: true}
	for _, v := range []struct {
		name, json string
		want       Instant
		mistyped   int
	}{
		{"milliseconds", `"2024-03-05T15:00:00.500Z"`, want, 0},
		{"nanoseconds", `"2024-03-05T15:00:00.500000000Z"`, want, 0},
		{"an offset", `"2024-03-05T17:00:00.5+02:00"`, want, 0},
		{"an offset without colon", `"2024-03-05T17:00:00.5+0200"`, want, 0},
		{"lower-case letters", `"2024-03-05t15:00:00.5z"`, want, 0},
		{"no zone is UTC", `"2024-03-05T15:00:00.5"`, want, 0},
		{"space around", `" 2024-03-05T15:00:00.5Z "`, want, 0},
		{"escapes", `"2024\u002d03-05T15:00:00.5Z"`, want, 0},
		{"a comma before the fraction", `"2024-03-05T15:00:00,5Z"`, want, 0},
		{"a blank for the T", `"2024-03-05 15:00:00.5Z"`, want, 0},
		{"a blank before the zone too", `"2024-03-05 17:00:00.5 +0200"`, want, 0},
		{"an offset of hours", `"2024-03-05T17:00:00.5+02"`, want, 0},
		{"an offset behind UTC", `"2024-03-05T11:30:00.5-03:30"`, want, 0},
		{"a blank and no zone", `"2024-03-05 15:00:00.5"`, want, 0},
		{"the name of the zone", `"2024-03-05T16:00:00.5+01:00[Europe/Paris]"`, want, 0},
		{"UTC and its name", `"2024-03-05T15:00:00.5Z[UTC]"`, want, 0},
		{"without separators", `"20240305T150000.5Z"`, want, 0},
		{"a fraction of more than nanoseconds", `"2024-03-05T15:00:00.5000000001234567Z"`, want, 0},
		{"no seconds", `"2024-03-05T15:02Z"`, at(t, "2024-03-05T15:02:00Z"), 0},
		{"no seconds, with an offset", `"2024-03-05T16:02+01:00"`, at(t, "2024-03-05T15:02:00Z"), 0},
		{"no seconds and no zone", `"2024-03-05 15:02"`, at(t, "2024-03-05T15:02:00Z"), 0},
		{"no seconds and no separators", `"20240305T1502Z"`, at(t, "2024-03-05T15:02:00Z"), 0},
		{"a leap second", `"2016-12-31T23:59:60Z"`, at(t, "2017-01-01T00:00:00Z"), 0},
		{"within a leap second", `"2016-12-31T23:59:60.25Z"`, at(t, "2017-01-01T00:00:00.25Z"), 0},
		{"a leap second elsewhere", `"2017-01-01T00:59:60+01:00"`, at(t, "2017-01-01T00:00:00Z"), 0},
		{"the end of a day", `"2024-02-29T24:00:00Z"`, at(t, "2024-03-01T00:00:00Z"), 0},
		{"the sentinel with a blank and no seconds", `"1970-01-01 00:00Z"`, sentinel, 0},
		{"second 61", `"2024-03-05T15:00:61Z"`, Instant{}, 1},
		{"after the end of a day", `"2024-03-05T24:00:00.5Z"`, Instant{}, 1},
		{"hour 25", `"2024-03-05T25:00Z"`, Instant{}, 1},
		{"minute 60", `"2024-03-05T15:60Z"`, Instant{}, 1},
		{"no day of February, without seconds", `"2023-02-29T15:00Z"`, Instant{}, 1},
		{"month 0", `"2024-00-05T15:00Z"`, Instant{}, 1},
		{"an offset of a day", `"2024-03-05T15:00+24:00"`, Instant{}, 1},
		{"only a day", `"2024-03-05"`, Instant{}, 1},
		{"only a number of digits", `"20240305"`, Instant{}, 1},
		{"a name that is no zone", `"2024-03-05T15:00Z[<b>]"`, Instant{}, 1},
		{"other digits", `"２０２４-03-05T15:00Z"`, Instant{}, 1},
		{"something behind", `"2024-03-05T15:00:00.5Z, or so"`, Instant{}, 1},
		{"a fraction without end", `"2024-03-05T15:00:00.` + strings.Repeat("5", 1000) + `Z"`, Instant{}, 1},
		{"blanks without end", `"2024-03-05T15:00:00.5Z` + strings.Repeat(" ", 1000) + `"`, Instant{}, 1},
		{"the sentinel without fraction", `"1970-01-01T00:00:00Z"`, sentinel, 0},
		{"the sentinel with fraction", `"1970-01-01T00:00:00.000Z"`, sentinel, 0},
		{"the sentinel in a zone", `"1971-01-01T00:30:00+01:00"`, sentinel, 0},
		{"the year 1", `"0001-01-01T00:00:00Z"`, sentinel, 0},
		{"a year that nanoseconds can't hold", `"9999-12-31T23:59:59Z"`, Instant{}, 1},
		{"empty", `""`, Instant{}, 0},
		{"null", `null`, Instant{}, 0},
		{"words", `"yesterday"`, Instant{}, 1},
		{"no day", `"2024-13-45T00:00:00Z"`, Instant{}, 1},
		{"a number", `1709650800500`, Instant{}, 1},
		{"an object", `{"seconds":1}`, Instant{}, 1},
	} {
		got := mustDecodeCDR(t, `{"call":{"start_timestamp":`+v.json+`}}`)
		if diff := cmp.Diff(v.want, got.Call.Start); diff != "" || got.Mistyped != v.mistyped {
			t.Errorf("%s: %d mistyped, -want +got:\n%s", v.name, got.Mistyped, diff)
		}
	}
}
