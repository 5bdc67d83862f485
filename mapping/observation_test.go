package mapping

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// observedBody is the payload of a synchronous webhook of the scenarios.
func observedBody(t testing.TB, path string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", path))
	if err != nil {
		t.Fatal(err)
	}
	var envelope struct{ Payload json.RawMessage }
	if err := json.Unmarshal(body, &envelope); err != nil {
		t.Fatal(err)
	}
	return envelope.Payload
}

func TestObservationsKeepIdsSizesAndCounts(t *testing.T) {
	t.Parallel()
	received := observedBody(t, "what-the-webhooks-saw-without-a-message-is-on-the-call/received-9.json")
	processed := observedBody(t, "what-the-webhooks-saw-without-a-message-is-on-the-call/processed-9.json")
	for _, test := range []struct {
		name    string
		payload []byte
		texts   bool
		want    Observation
	}{
		{ObservedReceived, received, false, Observation{
			SessionID: "1fd59cdd-9658-44c3-b0ff-d2ab144ef64f", Channel: "Web chat", TurnCount: num(1), MessageType: "text",
		}},
		{ObservedReceived, received, true, Observation{
			SessionID: "1fd59cdd-9658-44c3-b0ff-d2ab144ef64f", Channel: "Web chat", TurnCount: num(1), MessageType: "text",
			Input: "Buenos días",
		}},
		{ObservedProcessed, processed, false, Observation{
			SessionID: "sxxx", TurnCount: num(11), ResponseCount: 1, IntentCount: 1, ResponseTypes: []string{"text"},
		}},
		{ObservedProcessed, processed, true, Observation{
			SessionID: "sxxx", TurnCount: num(11), ResponseCount: 1, IntentCount: 1, ResponseTypes: []string{"text"},
			Replies: []string{"Hello. Good evening"},
		}},
		// One side is not read as the other.
		{ObservedProcessed, received, true, Observation{
			SessionID: "1fd59cdd-9658-44c3-b0ff-d2ab144ef64f", Channel: "Web chat", TurnCount: num(1),
		}},
		{ObservedReceived, []byte(`{"input":{"text":7,"integrations":{"voice_telephony":{"is_dtmf":true}}},"context":null}`), true,
			Observation{Phone: true, IsDTMF: true}},
		{ObservedProcessed, []byte(`{"context":{"global":{"session_id":"` + strings.Repeat("s", 600) + `"}}}`), true, Observation{}},
	} {
		test.want.Name, test.want.Size = test.name, len(test.payload)
		got, err := DecodeObservation(test.name, test.payload, test.texts)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&test.want, got); diff != "" {
			t.Errorf("%s, texts %t (-want +got):\n%s", test.name, test.texts, diff)
		}
	}
}

func TestObservationsOfOtherNamesOrNoObjectAreRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, payload string }{
		{"message_logged", `{}`}, {"", `{}`}, {ObservedReceived, `[]`}, {ObservedReceived, ``}, {ObservedProcessed, `{"output":`},
	} {
		if o, err := DecodeObservation(test.name, []byte(test.payload), true); err == nil {
			t.Errorf("%q %q is read as %+v", test.name, test.payload, o)
		}
	}
}

func TestAnObservationIsSmallWhateverWasSent(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1<<16)
	payload := `{"context":{"global":{"session_id":"` + long + `"},"integrations":{"channel":{"name":"` + long + `"}}},"output":{"intents":[` +
		strings.Repeat(`{},`, 999) + `{}],"generic":[` + strings.Repeat(`{"response_type":"`+long+`","text":"`+long+`"},`, 99) + `{}]}}`
	for texts, limit := range map[bool]int{false: 40 << 10, true: 110 << 10} {
		o, err := DecodeObservation(ObservedProcessed, []byte(payload), texts)
		if err != nil {
			t.Fatal(err)
		}
		if size := len(o.encoded()); size > limit {
			t.Errorf("with texts %t: %d bytes, want at most %d", texts, size, limit)
		}
		if o.IntentCount != 1000 || o.ResponseCount != 100 || len(o.ResponseTypes) != maxListed || o.SessionID != "" {
			t.Errorf("%d intents, %d responses, %d types, session of %d bytes", o.IntentCount, o.ResponseCount, len(o.ResponseTypes), len(o.SessionID))
		}
	}
}

func TestKeysThatAnAnswerReadsBackDoNotLeave(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"You keyed 4929, right?":  "You keyed [dtmf:4], right?",
		"492992929292":            "[dtmf:12]",
		"Press 1, or 234.":        "Press 1, or 234.",
		"é1234é":                  "é[dtmf:4]é",
		"":                        "",
		"No keys":                 "No keys",
		"9 to 5, call 5550100 ok": "9 to 5, call [dtmf:7] ok",
	} {
		if got := withoutKeys(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	for _, test := range []struct {
		observation Observation
		digits      bool
		want        string
	}{
		{Observation{Phone: true, Channel: "Phone"}, false, "[dtmf:4]"},
		{Observation{}, false, "[dtmf:4]"}, // it may be a call
		{Observation{Phone: true}, true, "1234"},
		{Observation{Channel: "Web chat"}, false, "1234"},
	} {
		test.observation.Replies = []string{"1234"}
		if got := test.observation.said(test.digits).Replies[0]; got != test.want {
			t.Errorf("%+v, digits %t: %q, want %q", test.observation, test.digits, got, test.want)
		}
	}
}

func FuzzDecodeObservation(f *testing.F) {
	for _, pattern := range []string{"received-*.json", "processed-*.json"} {
		paths, err := filepath.Glob(filepath.Join("testdata", "*", pattern))
		if err != nil || len(paths) == 0 {
			f.Fatalf("no seeds: %v", err)
		}
		for _, path := range paths {
			f.Add(observedBody(f, strings.TrimPrefix(path, "testdata/")), strings.HasPrefix(pattern, "received"))
		}
	}
	f.Add([]byte(`{"context":{"global":{"system":{"turn_count":-0.5}}}}`), true)
	f.Fuzz(func(t *testing.T, payload []byte, received bool) {
		name := ObservedProcessed
		if received {
			name = ObservedReceived
		}
		withTexts, err := DecodeObservation(name, payload, true)
		without, err2 := DecodeObservation(name, payload, false)
		if (err == nil) != (err2 == nil) {
			t.Fatalf("%v, and without texts %v", err, err2)
		}
		if err != nil {
			return
		}
		if without.Input != "" || without.SMS != "" || without.Replies != nil {
			t.Fatalf("texts are kept: %+v", without)
		}
		read := new(Observation)
		if err := json.Unmarshal(withTexts.encoded(), read); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(withTexts, read); diff != "" {
			t.Fatalf("another after JSON (-before +after):\n%s", diff)
		}
		if len(withTexts.encoded()) > 6*(maxRepliesBytes+3*maxContentBytes+70*maxNameBytes) {
			t.Fatalf("%d bytes are kept", len(withTexts.encoded()))
		}
	})
}
