package mapping

import (
	"fmt"
	"strings"
	"testing"
)

func TestAnIDThatLooksLikeATelephoneNumberIsMasked(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"":                                             "",
		"+15555550100@10.0.0.1":                        "[number]@10.0.0.1",
		"5555550100@192.168.100.101":                   "[number]@192.168.100.101",
		"555-0100@example.net":                         "[number]@example.net",
		"call-1-555-555-0100":                          "call-[number]",
		"a84b4c76e66710@pc33.example.net":              "a84b4c76e66710@pc33.example.net",
		"17465345_115257202@10.90.150.99":              "17465345_115257202@10.90.150.99",
		"15555550100_1@10.90.150.99":                   "[number]@10.90.150.99",
		"17465345_115257202@example.net":               "[number]@example.net",
		"8f1c2d3e-call-7741@203.0.113.10":              "8f1c2d3e-call-7741@203.0.113.10",
		"CA5ef8732a3c49700934481addd5ce1659":           "CA5ef8732a3c49700934481addd5ce1659",
		"12345678-1234-4123-8123-123456789012":         "12345678-1234-4123-8123-123456789012",
		"DE3B8F2A-1C5611EC-81234567-7BD7C1D2@10.1.2.3": "DE3B8F2A-1C5611EC-81234567-7BD7C1D2@10.1.2.3",
		"12345678_1234_4123_8123_123456789012":         "[number]",
		"stt-0001":                                     "stt-0001",
		"sip:+15555550100@pbx-5555550100.example.net":  "sip:[number]@pbx-[number].example.net",
	} {
		if got := new(IDs).Shown(id); got != want {
			t.Errorf("%q became %q, want %q", id, got, want)
		}
	}
}

func TestEachModeHashesWhatItNames(t *testing.T) {
	t.Parallel()
	const number, other = "+15555550100@10.0.0.1", "stt-0001"
	key := []byte("key")
	for _, c := range []struct {
		mode            HashIDs
		key             []byte
		number, another bool // is hashed
	}{
		{HashNumbers, key, true, false},
		{HashAll, key, true, true},
		{HashNone, key, false, false},
		{HashNone, nil, false, false},
	} {
		ids, err := NewIDs(c.mode, c.key)
		if err != nil {
			t.Fatal(err)
		}
		for id, hashed := range map[string]bool{number: c.number, other: c.another} {
			got := ids.Shown(id)
			if isHash := strings.HasPrefix(got, "h:") && len(got) == 34 && got == ids.Shown(id); isHash != hashed || !hashed && got != id {
				t.Errorf("mode %d: %q became %q, want hashed: %t", c.mode, id, got, hashed)
			}
		}
	}
	one, _ := NewIDs(HashAll, key)
	two, _ := NewIDs(HashAll, []byte("another key"))
	if one.Shown(number) == two.Shown(number) {
		t.Error("the hash does not depend on the key")
	}
	if strings.Contains(one.Shown("15555550100"), callerHash(key, "15555550100")) {
		t.Error("the hash of an id is the hash of a caller")
	}
}

func TestAllIDsAreHashedOnlyWithAKey(t *testing.T) {
	t.Parallel()
	_, err := New(Config{Source: "default", HashIDs: HashAll})
	if err == nil || !strings.Contains(err.Error(), "caller_hash_key_file") {
		t.Errorf("%v, want an error that names caller_hash_key_file", err)
	}
}

// Ids are told from each other, and spans keep their ids, whatever leaves of them.
func TestOnlyTheTextOfAnIDChanges(t *testing.T) {
	t.Parallel()
	body := `{"global_session_id":"g-15555550100","x-global-sip-trunk-call-id":"t-15555550101",` +
		`"session_initiation_protocol":{"headers":{"call_id":"+15555550102@10.0.0.1"}},` +
		`"assistant_interaction_summaries":[{"assistant_id":"a-15555550103","session_id":"s-15555550104","turns":[{` +
		`"assistant":{"log_id":"l-15555550105","start_timestamp":"2026-01-01T00:00:00Z","response_milliseconds":10},` +
		`"request":{"type":"speech_to_text","streaming_statistics":{"transaction_id":"x-15555550106","start_timestamp":"2026-01-01T00:00:00Z","response_milliseconds":10}},` +
		`"response":[{"type":"text_to_speech","streaming_statistics":{"transaction_id":"y-15555550107","start_timestamp":"2026-01-01T00:00:01Z",` +
		`"stop_timestamp":"2026-01-01T00:00:02Z","response_milliseconds":10}}]}]}],` +
		`"warnings_and_errors":[{"id":"CWSMR0031W","message":"CWSMR0031W: late. transaction ID=y-15555550107"}]}`
	message := `{"log_id":"l-15555550105","session_id":"s-15555550104","skill_id":"k-15555550108","snapshot":"v-15555550109","language":"en-15555550110",` +
		`"request":{"input":{"text":""}},"response":{"output":{"generic":[{"response_type":"text"}]}}}`
	mapped := func(mode HashIDs) *Trace {
		mapper, err := New(Config{Source: "default", HashIDs: mode, CallerHashKey: []byte("key"), Events: EventsBoth})
		if err != nil {
			t.Fatal(err)
		}
		return mapper.Call(CallInput{CDR: mustDecodeCDR(t, body), Messages: []MessageInput{{Message: mustDecodeMessage(t, message)}}})
	}
	plain, hashed := mapped(HashNone), mapped(HashNumbers)
	if n := strings.Count(fmt.Sprint(plain.Request, plain.Logs), "155555501"); n < 12 {
		t.Errorf("without hashing %d ids leave, want all of them", n)
	}
	if out := fmt.Sprint(hashed.Request, hashed.Logs, hashed.Measured); strings.Contains(out, "155555501") {
		t.Errorf("a number left: %.400s", out[strings.Index(out, "155555501")-200:])
	}
	spans := func(trace *Trace) []string {
		var ids []string
		for _, span := range trace.Request.GetResourceSpans()[0].GetScopeSpans()[0].GetSpans() {
			ids = append(ids, fmt.Sprintf("%x/%x/%d", span.GetSpanId(), span.GetParentSpanId(), len(span.GetEvents())))
		}
		return ids
	}
	if plain.TraceID != hashed.TraceID || strings.Join(spans(plain), " ") != strings.Join(spans(hashed), " ") {
		t.Errorf("the ids of spans, or the places of their events, differ:\n%v\n%v", spans(plain), spans(hashed))
	}
	ids, _ := NewIDs(HashNumbers, []byte("key"))
	if !strings.Contains(fmt.Sprint(hashed.Request), "transaction ID="+ids.Shown("y-15555550107")) {
		t.Error("the warning does not name its transaction by the hash that the span has")
	}
}

func BenchmarkShownID(b *testing.B) {
	ids := new(IDs)
	for name, id := range map[string]string{
		"uuid": "12345678-1234-4123-8123-123456789012", "word": "stt-0001", "Call-ID": "17465345_115257202@10.90.150.99",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ids.Shown(id)
			}
		})
	}
}

func TestWarningsNameTransactionsAsSpansDo(t *testing.T) {
	t.Parallel()
	all, err := NewIDs(HashAll, []byte("key"))
	if err != nil {
		t.Fatal(err)
	}
	keyed, _ := NewIDs(HashNumbers, []byte("key"))
	for _, c := range []struct {
		ids      IDs
		in, want string
	}{
		{IDs{}, "late. transaction ID=tts-15555550100", "late. transaction ID=tts-[number]"},
		{IDs{}, "late. transaction ID=tts-0003", "late. transaction ID=tts-0003"},
		{keyed, "late. transaction ID=tts-15555550100", "late. transaction ID=" + keyed.Shown("tts-15555550100")},
		{all, "late. transaction ID=tts-0003", "late. transaction ID=" + all.Shown("tts-0003")},
		{all, `response headers = {"x-dp-watson-tran-id":"t-77a"} retried`, "response headers = … retried, transaction ID=" + all.Shown("t-77a")},
	} {
		if got := (&policy{ids: c.ids}).reason(c.in); got != c.want {
			t.Errorf("%q became %q, want %q", c.in, got, c.want)
		}
	}
}
