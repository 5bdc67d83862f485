package mapping

import (
	"bytes"
	"fmt"
	"testing"
	"time"
)

// sampleCall builds the payloads of a call of n speech turns and their message
// logs, with the contexts, events and sizes of real ones.
func sampleCall(n int) (cdr []byte, messages [][]byte) {
	start := time.Date(2024, 3, 5, 15, 0, 0, 0, time.UTC)
	at := func(turn, ms int) string {
		return start.Add(time.Duration(turn)*9*time.Second + time.Duration(ms)*time.Millisecond).Format("2006-01-02T15:04:05.000Z")
	}
	var turns bytes.Buffer
	for i := range n {
		if i > 0 {
			turns.WriteByte(',')
		}
		logID := fmt.Sprintf("b1f7a7a0-0000-4000-8000-%012d", i)
		fmt.Fprintf(&turns, sampleTurn, logID, at(i, 2400), at(i, 20), at(i, 1640), i, at(i, 3200), at(i, 7000))
		messages = append(messages, fmt.Appendf(nil, sampleMessage, logID, at(i, 20), at(i, 1640), i, i, i+1, at(i, 2410), at(i, 2800)))
	}
	end := n * 9000
	return fmt.Appendf(nil, sampleCDR, at(0, -2000), at(0, -500), at(0, end), end+500, turns.Bytes()), messages
}

const sampleCDR = `{
 "primary_phone_number": "+18885557777", "global_session_id": "0d1f7b0e-54ad-4b0a-8c67-9b2f5f5d9a01",
 "failure_occurred": false, "transfer_occurred": false, "active_calls": 3,
 "x-global-sip-trunk-call-id": "CA0123456789abcdef", "injected_custom_data": {"queue": "billing", "nested": {"a": [1, 2]}},
 "warnings_and_errors": [{"id": "CWSMR0033W", "message": "CWSMR0033W: The inbound RTP audio stream jitter of 43 ms exceeds the maximum jitter threshold of 30 ms."}],
 "realtime_transport_network_summary": {
  "inbound_stream": {"average_jitter": 4, "canonical_name": "x", "maximum_jitter": 18, "packets_lost": 2, "packets_transmitted": 9520, "tool_name": ""},
  "outbound_stream": {"average_jitter": 0, "canonical_name": "voice.gateway", "maximum_jitter": 0, "packets_lost": 0, "packets_transmitted": 8380, "tool_name": "IBM Voice Gateway/1.0.7.0"}},
 "session_initiation_protocol": {"invite_arrival_timestamp": %q, "setup_milliseconds": 1500,
  "headers": {"call_id": "8f1c2d3e-call-7741@203.0.113.10", "from_uri": "sip:+18885550456@pstn.example.net", "to_uri": "sip:+18885557777@voice.example.com"}},
 "call": {"start_timestamp": %q, "stop_timestamp": %q, "milliseconds_elapsed": %d, "outbound": false, "end_reason": "caller_hangup",
  "security": {"media_encrypted": true, "signaling_encrypted": true, "sip_authenticated": false}},
 "max_response_milliseconds": {"assistant": 400, "text_to_speech": 310, "speech_to_text": 620},
 "assistant_interaction_summaries": [{"session_id": "c0a7a5a2-5c39-4f0e-9a3d-0a4c3d0f8b11", "assistant_id": "5e2a0d1c-1d7b-4a0f-a6b0-7c1f5a3b9d20", "turns": [%s]}]}`

const sampleTurn = `{
 "assistant": {"log_id": %q, "response_milliseconds": 400, "start_timestamp": %q},
 "request": {"type": "speech_to_text", "streaming_statistics": {"transaction_id": "stt-0001", "start_timestamp": %q, "stop_timestamp": %q,
  "response_milliseconds": 620, "echo_detected": false, "confidence": 0.93}},
 "response": [{"type": "disable_speech_barge_in"}, {"type": "text_to_speech", "barge_in_occurred": false, "streaming_statistics": {
  "transaction_id": "tts-%04d", "start_timestamp": %q, "stop_timestamp": %q, "response_milliseconds": 310}}]}`

const sampleMessage = `{
 "log_id": %q,
 "request": {
  "input": {"message_type": "text", "text": "I want to pay my bill ", "options": {"return_context": true},
   "integrations": {"voice_telephony": {"is_dtmf": false, "barge_in_occurred": false, "speech_to_text_result": {
    "result_index": 0, "startTimestamp": %q, "stopTimestamp": %q, "transactionID": "stt-0001",
    "transaction_ids": {"x-global-transaction-id": "stt-0001", "x-dp-watson-tran-id": "6e60695e-fed7-4efe-a376-0888b027d30f"},
    "results": [{"final": true, "alternatives": [{"transcript": "I want to pay my bill ", "confidence": 0.93}]}]}}}},
  "context": ` + sampleContext + `,
  "user_id": "3a5f1c0e9d8b7a6f5e4d3c2b1a098877"},
 "response": {
  "output": {
   "intents": [{"intent": "action_202_intent_1", "confidence": 0.97, "skill": "actions skill"}],
   "entities": [{"entity": "sys-number", "value": "123", "location": [3, 16], "confidence": 0.8}],
   "generic": [{"response_type": "text_to_speech", "command_info": {"type": "configure", "parameters": {}}}, {"response_type": "text", "text": "Sure. What is your account number (%d)?"}],
   "debug": {
    "turn_events": [
     {"event": "action_visited", "source": {"type": "action", "action": "action_202", "action_title": "I want to pay my bill", "condition": "intent"},
      "action_start_time": "2024-03-05T15:00:11.700Z", "condition_type": "user_defined", "reason": "intent"},
     {"event": "callout", "source": {"type": "action", "action": "action_202", "action_title": "I want to pay my bill"},
      "callout": {"type": "integration_interaction", "request": {"method": "get", "url": "https://billing.example.com", "path": "/accounts/123", "headers": {"accept": "application/json"}, "body": {}},
       "response": {"body": "{\"error\":\"not found\"}", "status_code": 404}}, "error": {"message": "Request failed with status code 404"}},
     {"event": "step_visited", "source": {"type": "step", "action": "action_202", "action_title": "I want to pay my bill", "step": "step_001"}, "condition_type": "user_defined", "has_question": true}],
    "output_generic_mapping": [{"source": {"action": "action_202", "step": "step_001", "handler": ""}}],
    "log_messages": [{"level": "warn", "message": "Extension call returned 404", "code": "extension_error", "source": {"type": "step", "action": "action_202"}}]}},
  "context": ` + sampleContext + `,
  "user_id": "3a5f1c0e9d8b7a6f5e4d3c2b1a098877"},
 "assistant_id": "5e2a0d1c-1d7b-4a0f-a6b0-7c1f5a3b9d20", "session_id": "c0a7a5a2-5c39-4f0e-9a3d-0a4c3d0f8b11", "skill_id": "a9d5b2f0-77c4-4f2f-8f0e-6d2f7b1c9e33",
 "snapshot": "draft", "request_timestamp": %q, "response_timestamp": %q, "language": "en"}`

const sampleContext = `{
   "global": {"system": {"user_id": "3a5f1c0e9d8b7a6f5e4d3c2b1a098877", "turn_count": %d, "timezone": "UTC", "session_start_time": "2024-03-05T15:00:00.110Z",
     "state": "eyJzIjoiLi4uIn0="}, "session_id": "c0a7a5a2-5c39-4f0e-9a3d-0a4c3d0f8b11"},
   "skills": {"actions skill": {"system": {"state": "eyJzIjoiLi4uIn0="}, "action_variables": {"step_001_result_1": "one two three"}, "skill_variables": {"customer": {"name": "n", "plan": "p"}}}},
   "integrations": {"voice_telephony": {"sip_call_id": "8f1c2d3e-call-7741@203.0.113.10", "assistant_phone_number": "+18885557777",
     "sip_custom_invite_headers": {"X-customer-name": "my_name", "X-account-number": "12345"}}, "channel": {"name": "Phone"}}}`

// BenchmarkDecode decodes a CDR of ten turns and its ten message logs.
func BenchmarkDecode(b *testing.B) {
	cdr, messages := sampleCall(10)
	size := len(cdr)
	for _, m := range messages {
		size += len(m)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeCDR(cdr); err != nil {
			b.Fatal(err)
		}
		for _, m := range messages {
			if _, err := DecodeMessage(m); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkIdentify is what accepting the same eleven events costs here: a message
// is decoded whole, for its metrics.
func BenchmarkIdentify(b *testing.B) {
	cdr, messages := sampleCall(10)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := IdentifyCDR(cdr); err != nil {
			b.Fatal(err)
		}
		for _, m := range messages {
			if _, err := DecodeMessage(m); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkContentHash hashes the same eleven payloads.
func BenchmarkContentHash(b *testing.B) {
	cdr, messages := sampleCall(10)
	b.ReportAllocs()
	for b.Loop() {
		for _, m := range append(messages, cdr) {
			if _, err := ContentHash(m); err != nil {
				b.Fatal(err)
			}
		}
	}
}
