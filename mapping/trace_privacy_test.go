package mapping_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"cdr2otel/mapping"
)

// canaries are what must not leave by default, as the samples are made to say it.
var canaries = []string{"5558675309", "canary"}

// poison plants a canary in every place of a payload that holds something
// personal or something said.
func poison(value any) any {
	personal := map[string]string{
		"from_uri": "sip:+15558675309@example.net", "to_uri": "sip:+15558675309@example.net",
		"canonical_name": "canary@example.net", "user_id": "canary", "customer_id": "canary",
		"text": "canary", "transcript": "canary", "title": "canary", "citations": "canary",
		"failure_details": "asked sip:+15558675309@example.net for +1 (555) 867-5309, response body = {\"a\":\"canary\"}",
		"message":         "CWSMR0070W: told sip:+15558675309@example.net and +15558675309, response headers = {\"x\":\"canary\"}",
		"queue":           "canary", "X-account-number": "canary", "url": "https://canary.example/", "path": "/canary",
		"client_ip_address": "canary", "body": "canary", "state": "canary", "query": "canary", "page_url": "canary",
		"user_agent": "canary", "entity": "canary", "value": "canary", "step_001_result_1": "canary",
	}
	switch value := value.(type) {
	case map[string]any:
		for key, inner := range value {
			if planted, is := personal[key]; is {
				value[key] = planted
			} else {
				value[key] = poison(inner)
			}
		}
	case []any:
		for i := range value {
			value[i] = poison(value[i])
		}
	}
	return value
}

func TestNothingPersonalAndNothingSaidLeavesByDefault(t *testing.T) {
	t.Parallel()
	mapper := defaultMapper(t)
	cdrs, messages := samples(t, "cdr.json"), samples(t, "message-*.json")
	for i, payload := range cdrs {
		cdr, err := mapping.DecodeCDR(poisonedBytes(t, payload, true))
		if err != nil {
			t.Fatal(err)
		}
		message, err := mapping.DecodeMessage(poisonedBytes(t, messages[i%len(messages)], false))
		if err != nil {
			t.Fatal(err)
		}
		logged := mapping.MessageInput{Message: message, ContentHash: [32]byte{2}}
		call := mapper.Call(mapping.CallInput{CDR: cdr, Messages: []mapping.MessageInput{logged}})
		noCanary(t, call)
		noCanaryMeasured(t, call.Measured)
		noCanaryMeasured(t, mapper.Message(logged, nil))
		noCanary(t, mapper.Late(mapping.LateInput{MessageInput: logged, Parent: call.Root, CallID: "call"}))
		noCanary(t, mapper.Conversation(mapping.ConversationInput{Messages: []mapping.MessageInput{logged}}))
	}
}

func TestNothingPersonalAndNothingSaidLeavesInLogRecords(t *testing.T) {
	t.Parallel()
	mapper, err := mapping.New(mapping.Config{Source: "default", UpstreamLink: "traceparent", Events: mapping.EventsBoth})
	if err != nil {
		t.Fatal(err)
	}
	for _, payload := range samples(t, "cdr.json") {
		cdr, err := mapping.DecodeCDR(poisonedBytes(t, payload, true))
		if err != nil {
			t.Fatal(err)
		}
		noCanaryIn(t, mapper.Call(mapping.CallInput{CDR: cdr}).Logs.String())
	}
	for _, payload := range samples(t, "message-*.json") {
		poisoned := poisonedBytes(t, payload, false)
		message, err := mapping.DecodeMessage(poisoned)
		if err != nil {
			t.Fatal(err)
		}
		logged := mapping.MessageInput{Message: message}
		noCanaryIn(t, mapper.Record(mapping.RecordInput{MessageInput: logged}).Request.String())
		var sides struct{ Request, Response json.RawMessage }
		if err := json.Unmarshal(poisoned, &sides); err != nil {
			t.Fatal(err)
		}
		for name, body := range map[string][]byte{mapping.ObservedReceived: sides.Request, mapping.ObservedProcessed: sides.Response} {
			for _, keepTexts := range []bool{false, true} {
				o, err := mapping.DecodeObservation(name, body, keepTexts)
				if err != nil {
					continue // a payload without that side
				}
				if kept, _ := json.Marshal(o); !keepTexts {
					noCanaryIn(t, string(kept))
				}
				in := mapping.ObservationInput{Observation: o}
				noCanaryIn(t, mapper.ObservationRecord(in, nil).Request.String())
				noCanary(t, mapper.Conversation(mapping.ConversationInput{
					Messages: []mapping.MessageInput{logged}, Observations: []mapping.ObservationInput{in},
				}))
			}
		}
	}
}

func poisonedBytes(t *testing.T, payload []byte, cdr bool) []byte {
	t.Helper()
	var value map[string]any
	if err := json.Unmarshal(payload, &value); err != nil {
		t.Fatal(err)
	}
	poison(value)
	if call, isObject := value["call"].(map[string]any); cdr && isObject && call["outbound"] == true {
		value["primary_phone_number"] = "+15558675309"
	}
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func noCanaryMeasured(t *testing.T, measured mapping.Measurements) {
	t.Helper()
	for _, value := range measured.Values {
		text := fmt.Sprint(attributesOf(value))
		for _, canary := range canaries {
			if strings.Contains(text, canary) {
				t.Errorf("%s left: %s with %s", canary, value.Metric, text)
			}
		}
	}
}

func noCanary(t *testing.T, trace *mapping.Trace) {
	t.Helper()
	noCanaryIn(t, trace.Request.String())
}

func noCanaryIn(t *testing.T, text string) {
	t.Helper()
	for _, canary := range canaries {
		if at := strings.Index(text, canary); at >= 0 {
			t.Errorf("%s left: %s", canary, text[max(0, at-200):min(len(text), at+100)])
		}
	}
}
