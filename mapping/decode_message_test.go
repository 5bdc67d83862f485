package mapping

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func mustDecodeMessage(t testing.TB, payload string) *Message {
	t.Helper()
	m, err := DecodeMessage([]byte(payload))
	if err != nil {
		t.Fatalf("%.200s: %v", payload, err)
	}
	return m
}

func TestASpeechMessageWithACalloutIsDecodedWhole(t *testing.T) {
	t.Parallel()
	want := &Message{
		LogID: "b1f7a7a0-0000-4000-8000-000000000002", AssistantID: "5e2a0d1c-1d7b-4a0f-a6b0-7c1f5a3b9d20",
		SessionID: "c0a7a5a2-5c39-4f0e-9a3d-0a4c3d0f8b11", SIPCallID: "8f1c2d3e-call-7741@203.0.113.10",
		SkillID: "a9d5b2f0-77c4-4f2f-8f0e-6d2f7b1c9e33", Snapshot: "draft", Language: "en", Channel: "Phone", TurnCount: num(3), TurnsBefore: num(2), Phone: true,
		RequestAt: at(t, "2024-03-05T15:00:18.460Z"), ResponseAt: at(t, "2024-03-05T15:00:20.690Z"),
		MessageType: "text", Input: "uh one two three ",
		Speech:        &SpeechResult{Start: at(t, "2024-03-05T15:00:16.020Z"), Stop: at(t, "2024-03-05T15:00:18.410Z"), TransactionID: "stt-0001", Confidence: num(0.41)},
		ResponseTypes: []string{"text_to_speech", "text"}, Replies: []string{"I did not find that account. Please key it in."},
		TurnEvents: []TurnEvent{
			{Event: "step_answered", Action: "action_202", ActionTitle: "I want to pay my bill"},
			{Event: "callout", Action: "action_202", ActionTitle: "I want to pay my bill", Method: "get", StatusCode: num(404), Failed: true},
			{Event: "handler_visited", Action: "action_202", Handler: "validation_not_found_handler"},
		},
		MappedAction: "action_202", MappedHandler: "validation_not_found_handler",
		LogMessages: []LogMessage{{Level: "warn", Code: "extension_error"}},
		UserID:      "3a5f1c0e9d8b7a6f5e4d3c2b1a098877",
	}
	got := mustDecodeMessage(t, string(samplePayloads(t)["speech_call.message-3-speech_callout.json"]))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestAGenerativeAnswerIsDecoded(t *testing.T) {
	t.Parallel()
	m := mustDecodeMessage(t, string(samplePayloads(t)["webchat_conversational_search.message.json"]))
	want := TurnEvent{
		Event: "generative_ai_called", Model: "ibm/granite-3-8b-instruct", ModelType: "watsonx.ai", InputTokens: num(1834), OutputTokens: num(96),
		SearchMilliseconds: num(412.5), GenerationMilliseconds: num(3890.1), Total: num(4460.3),
	}
	if len(m.TurnEvents) != 3 {
		t.Fatalf("%d turn events", len(m.TurnEvents))
	}
	if diff := cmp.Diff(want, m.TurnEvents[1]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if m.TurnEvents[0].Reason != "no_action_matches" || m.Channel != "Web chat" || m.Phone {
		t.Errorf("reason %q, channel %q, phone %t", m.TurnEvents[0].Reason, m.Channel, m.Phone)
	}
}

func TestVariantsOfTheMessageLog(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		name, payload string
		want          Message
	}{
		{"the session is only in the request's context", `{"request":{"context":{"global":{"session_id":"s"}}}}`, Message{SessionID: "s"}},
		{"the session is only in the response's context", `{"response":{"context":{"global":{"session_id":"s"}}}}`, Message{SessionID: "s"}},
		{"session_id comes before the contexts", `{"request":{"context":{"global":{"session_id":"x"}}},"session_id":"s"}`, Message{SessionID: "s"}},
		{"the Call-ID is only in the response", `{"response":{"context":{"integrations":{"voice_telephony":{"sip_call_id":"c"}}}}}`, Message{SIPCallID: "c", Phone: true}},
		{"a call whose Call-ID is missing", `{"request":{"context":{"integrations":{"voice_telephony":{}}}}}`, Message{Phone: true}},
		{"only the input tells of a call", `{"request":{"input":{"integrations":{"voice_telephony":{"is_dtmf":true}}}}}`, Message{Phone: true, IsDTMF: true}},
		{"only the channel tells of a call", `{"request":{"context":{"integrations":{"channel":{"name":"PHONE"}}}}}`, Message{Phone: true, Channel: "PHONE"}},
		{"another channel is no call", `{"request":{"context":{"integrations":{"channel":{"name":"Slack"},"voice_telephony":null}}}}`, Message{Channel: "Slack"}},
		{"the turn count is the response's, the request's is before", `{"response":{"context":{"global":{"system":{"turn_count":"3"}}}},"request":{"context":{"global":{"system":{"turn_count":2}}}}}`, Message{TurnCount: num(3), TurnsBefore: num(2)}},
		{"the confidence is that of the last final result", `{"request":{"input":{"integrations":{"voice_telephony":{"speech_to_text_result":{"transaction_ids":{"x-global-transaction-id":"g"},` +
			`"results":[{"final":true,"alternatives":[{"confidence":0.1}]},{"alternatives":[{"confidence":0.5},{"confidence":0.4}],"final":true},{"final":false,"alternatives":[{"confidence":0.9}]}]}}}}}}`,
			Message{Phone: true, Speech: &SpeechResult{TransactionID: "g", Confidence: num(0.5)}}},
		{"recognition without a result", `{"request":{"input":{"integrations":{"voice_telephony":{"speech_to_text_result":{"results":[null,{"alternatives":[]},{"final":true}]}}}}}}`,
			Message{Phone: true, Speech: &SpeechResult{}}},
		{"a choice is told by its title", `{"response":{"output":{"generic":[{"response_type":"option","title":"Which?"},{"response_type":"image","title":"no text"},{"response_type":"pause"}]}}}`,
			Message{ResponseTypes: []string{"option", "image", "pause"}, Replies: []string{"Which?"}}},
		{"not recognised, in a dialog skill", `{"response":{"output":{"internal":{"fallback":true}}}}`, Message{Fallback: true}},
		{"not recognised, in an actions skill", `{"response":{"output":{"debug":{"output_generic_mapping":[{"source":{"action":"anything_else"}},{"source":{"action":"x"}}]}}}}`, Message{MappedAction: "anything_else"}},
		{"a call-out that succeeded", `{"response":{"output":{"debug":{"turn_events":[{"event":"callout","callout":{"request":{"method":"GET"},"response":{"status_code":"200"}},"error":null}]}}}}`,
			Message{TurnEvents: []TurnEvent{{Event: "callout", Method: "GET", StatusCode: num(200)}}}},
		{"a language model that failed", `{"response":{"output":{"debug":{"turn_events":[{"event":"generative_ai_called","callout":{"llm":{"model_id":"m","success":false}}}]}}}}`,
			Message{TurnEvents: []TurnEvent{{Event: "generative_ai_called", Model: "m", ModelFailed: true}}}},
		{"the last of equal members counts", `{"response":{"output":{"intents":[{"intent":"a"}],"debug":{"turn_events":[{}],"log_messages":[{}]}},"output":{"intents":[{"intent":"b","confidence":1}],"debug":null}}}`,
			Message{Intents: []Intent{{"b", num(1)}}}},
		{"wrong types everywhere", `{"log_id":1,"session_id":{},"request":[],"response":{"output":{"intents":{},"generic":[1,"x",null],"debug":{"turn_events":[[]],"log_messages":true}},"context":7},"language":false}`,
			Message{Mistyped: 10}},
	} {
		if diff := cmp.Diff(&v.want, mustDecodeMessage(t, v.payload)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", v.name, diff)
		}
	}
}
