package mapping

import (
	"fmt"
	"testing"
)

func TestABooleanThatComesAsTextOrANumberIsThatBoolean(t *testing.T) {
	t.Parallel()
	yes, no := new(true), new(false)
	for _, c := range []struct {
		json     string
		want     *bool
		mistyped int
	}{
		{`true`, yes, 0}, {`"true"`, yes, 0}, {`"TRUE"`, yes, 0}, {`" True "`, yes, 0}, {`"Yes"`, yes, 0}, {`"yes"`, yes, 0},
		{`1`, yes, 0}, {`1.0`, yes, 0}, {`"1"`, yes, 0}, {`"t\u0072ue"`, yes, 0},
		{`false`, no, 0}, {`"false"`, no, 0}, {`"FALSE"`, no, 0}, {`"No"`, no, 0}, {`"NO"`, no, 0}, {`0`, no, 0}, {`-0`, no, 0}, {`"0"`, no, 0},
		{`null`, nil, 0}, {`""`, nil, 0}, {`"  "`, nil, 0},
		{`"maybe"`, nil, 1}, {`2`, nil, 1}, {`-1`, nil, 1}, {`0.5`, nil, 1}, {`"10"`, nil, 1}, {`"NaN"`, nil, 1}, {`1e999`, nil, 1}, {`[]`, nil, 1}, {`{"true":true}`, nil, 1},
	} {
		r := newReader([]byte(`{"flag":` + c.json + `}`))
		got := member(r, "flag", (*reader).flag)
		if err := r.end(); err != nil || (got == nil) != (c.want == nil) || got != nil && *got != *c.want || r.mistyped != c.mistyped {
			t.Errorf("%s: %v, %d mistyped, %v", c.json, got, r.mistyped, err)
		}
	}
}

// Each boolean that is read, said with text.
func TestEveryBooleanIsReadFromText(t *testing.T) {
	t.Parallel()
	cdr := mustDecodeCDR(t, `{"failure_occurred":"true","transfer_occurred":"Yes","call":{"outbound":"TRUE",
		"security":{"media_encrypted":"true","signaling_encrypted":"1","sip_authenticated":1}},
		"assistant_interaction_summaries":[{"turns":[{"request":{"streaming_statistics":{"echo_detected":"yes"}},
		"response":[{"barge_in_occurred":"True"}]}]}]}`)
	message := mustDecodeMessage(t, `{"request":{"input":{"integrations":{"voice_telephony":{"is_dtmf":"true",
		"speech_to_text_result":{"results":[{"final":"true","alternatives":[{"confidence":"0.9"}]}]}}}}},
		"response":{"output":{"internal":{"fallback":"Yes"},
		"debug":{"turn_events":[{"callout":{"llm":{"success":"false"}}}]}}}}`)
	turn := cdr.Summaries[0].Turns[0]
	said := map[string]bool{
		"failure_occurred": cdr.FailureOccurred, "transfer_occurred": cdr.TransferOccurred, "outbound": cdr.Call.isOutbound(),
		"media_encrypted": *cdr.Call.MediaEncrypted, "signaling_encrypted": *cdr.Call.SignalingEncrypted, "sip_authenticated": *cdr.Call.SIPAuthenticated,
		"echo_detected": *turn.Request.Streaming.EchoDetected, "barge_in_occurred": turn.Response[0].BargeIn,
		"is_dtmf": message.IsDTMF, "final": message.Speech.Confidence.Valid, "fallback": message.Fallback, "success": message.TurnEvents[0].ModelFailed,
	}
	for name, read := range said {
		if !read {
			t.Errorf("%s was not read", name)
		}
	}
	if cdr.Mistyped+message.Mistyped != 0 {
		t.Errorf("%d and %d values count as of the wrong type", cdr.Mistyped, message.Mistyped)
	}
	if c := mustDecodeCDR(t, fmt.Sprintf(`{"call":{"outbound":%q}}`, "FALSE")); !c.Call.isInbound() || c.Call.isOutbound() {
		t.Error("outbound FALSE is not inbound")
	}
}
