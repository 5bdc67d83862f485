package mapping

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestWhatIsNoJSONObjectIsRefusedWithItsPosition(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, payload, want string }{
		{"nothing", ``, "byte 0: unexpected EOF"},
		{"an array", `[]`, "payload is not a JSON object"},
		{"null", `null`, "payload is not a JSON object"},
		{"a string", `"x"`, "payload is not a JSON object"},
		{"words", `hello`, "byte 0: invalid character"},
		{"a missing value", `{"call":}`, "byte 8: invalid character"},
		{"a cut body", `{"call":{"end_reason":"cal`, "byte 26: unexpected EOF"},
		{"two objects", `{} {}`, "payload is not a JSON object"},
		{"rubbish after it", `{}x`, "byte 2: invalid character"},
		{"a bad escape", `{"call":{"end_reason":"\x"}}`, "byte 23: invalid escape sequence"},
		{"too deep", `{"injected_custom_data":` + strings.Repeat(`[`, 20000) + strings.Repeat(`]`, 20000) + `}`, "exceeded max depth"},
	} {
		for what, decode := range decoders {
			err := decode([]byte(c.payload))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %s: error %v, want %q", c.name, what, err, c.want)
			}
		}
	}
}

var decoders = map[string]func([]byte) error{
	"DecodeCDR":     func(b []byte) error { _, err := DecodeCDR(b); return err },
	"DecodeMessage": func(b []byte) error { _, err := DecodeMessage(b); return err },
	"IdentifyCDR":   func(b []byte) error { _, err := IdentifyCDR(b); return err },
}

func TestErrorsDoNotQuoteThePayload(t *testing.T) {
	t.Parallel()
	const secret = "+18885550456"
	for _, payload := range []string{
		`{"injected_custom_data":{"` + secret + `":{"` + secret + `":x}}}`,
		`{"` + secret + `":{"a" ` + secret + `}}`,
		`{"log_id":"` + secret + `" "` + secret + `"}`,
		`{"log_id":"` + secret + "\n\"}",
		secret, `{` + secret + `}`, `{"a":` + secret + `}`,
	} {
		for what, decode := range decoders {
			if err := decode([]byte(payload)); err == nil || strings.Contains(err.Error(), "885550456") {
				t.Errorf("%s: %s: error %v", payload, what, err)
			}
		}
	}
}

// replaceLeaves replaces every scalar of a payload, or every value at a depth.
func replaceLeaves(r *reader, by string, depth int) []byte {
	kind := r.dec.PeekKind()
	if depth == 0 || kind != '{' && kind != '[' {
		r.skip()
		return []byte(by)
	}
	r.begin(kind)
	var parts [][]byte
	for r.more() {
		var name []byte
		if kind == '{' {
			name = append(r.value().Clone(), ':')
		}
		parts = append(parts, append(name, replaceLeaves(r, by, depth-1)...))
	}
	return fmt.Appendf(nil, "%c%s%c", byte(kind), bytes.Join(parts, []byte(",")), byte(kind)+2)
}

func TestNullsAndWrongTypesAnywhereReadAsAbsent(t *testing.T) {
	t.Parallel()
	wrong := []string{`null`, `{}`, `[]`, `true`, `-1e400`, `"\ud800"`, `[[[{"a":[]}]]]`, `{"id":{"id":{}}}`, `""`, `18446744073709551616`}
	for name, payload := range samplePayloads(t) {
		for _, by := range wrong {
			for depth := 1; depth < 12; depth++ {
				r := newReader(payload)
				hostile := replaceLeaves(r, by, depth)
				for what, decode := range decoders {
					if err := decode(hostile); err != nil {
						t.Errorf("%s: %s at depth %d: %s: %v", name, by, depth, what, err)
					}
				}
				c := mustDecodeCDR(t, string(hostile))
				if by == `null` && (c.Mistyped > 0 || c.Truncated) {
					t.Errorf("%s: null at depth %d counts %d mistyped", name, depth, c.Mistyped)
				}
			}
		}
	}
}

func TestIdentifyAgreesWithTheWholeDecode(t *testing.T) {
	t.Parallel()
	payloads := samplePayloads(t)
	cdr, messages := sampleCall(20)
	payloads["a generated call"], payloads["a generated message"] = cdr, messages[3]
	payloads["too many turns"] = manyTurns(maxTurns + 10)
	payloads["too many summaries"] = []byte(`{"assistant_interaction_summaries":[` + strings.Repeat(`{"session_id":"s","turns":[]},`, maxSummaries) + `{"session_id":"t"}]}`)
	payloads["ids repeated"] = []byte(`{"assistant_interaction_summaries":[{"session_id":"s","turns":[{"assistant":{"log_id":"a"}},{"assistant":{"log_id":"a"}},{"assistant":{"log_id":""}}]},{"session_id":"s"}]}`)
	for name, payload := range payloads {
		assertIdentified(t, name, payload)
	}
}

func assertIdentified(t *testing.T, name string, payload []byte) {
	t.Helper()
	c, err1 := DecodeCDR(payload)
	id, err2 := IdentifyCDR(payload)
	if (err1 == nil) != (err2 == nil) {
		t.Fatalf("%s: decode %v, identify %v", name, err1, err2)
	}
	if err1 == nil {
		if diff := cmp.Diff(c.Identity(), id); diff != "" {
			t.Errorf("%s: -decoded +identified:\n%s", name, diff)
		}
	}
}

// manyTurns is a CDR of n turns, all small and, above the cap, empty.
func manyTurns(n int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"assistant_interaction_summaries":[{"turns":[{}`)
	for i := 1; i < n; i++ {
		if i > maxTurns+10 {
			b.WriteString(`,{}`)
			continue
		}
		fmt.Fprintf(&b, `,{"assistant":{"log_id":"%d"},"response":[{}]}`, i)
	}
	b.WriteString(`]}]}`)
	return b.Bytes()
}

func TestAMillionTurnsCostTheMemoryOfTheCap(t *testing.T) {
	payload := manyTurns(1_000_000)
	var c *CDR
	assertAllocates(t, 4<<20, func() { c, _ = DecodeCDR(payload) })
	if len(c.Summaries) != 1 || len(c.Summaries[0].Turns) != maxTurns || !c.Truncated {
		t.Errorf("%d turns, truncated %t", len(c.Summaries[0].Turns), c.Truncated)
	}
	var id Identity
	assertAllocates(t, 4<<20, func() { id, _ = IdentifyCDR(payload) })
	if len(id.LogIDs) != maxTurns-1 {
		t.Errorf("%d log ids", len(id.LogIDs))
	}
}

func TestCapsHoldOverAllSummariesAndTurns(t *testing.T) {
	t.Parallel()
	responses := `{"response":[` + strings.Repeat(`{"type":"t"},`, maxResponsesPerTurn) + `{}]},`
	payload := `{"assistant_interaction_summaries":[` +
		strings.Repeat(`{"turns":[`+strings.Repeat(responses, 100)+`{}]},`, 60) + `{}]}`
	c := mustDecodeCDR(t, payload)
	turns, elements := 0, 0
	for _, s := range c.Summaries {
		for _, turn := range s.Turns {
			turns++
			elements += len(turn.Response)
			if len(turn.Response) > maxResponsesPerTurn {
				t.Fatalf("%d responses in a turn", len(turn.Response))
			}
		}
	}
	if turns != maxTurns || elements != maxResponses || !c.Truncated {
		t.Errorf("%d turns, %d responses, truncated %t", turns, elements, c.Truncated)
	}
}

func TestLongStringsCostTheMemoryOfTheCap(t *testing.T) {
	mega := strings.Repeat("x", 1<<20)
	escaped := strings.Repeat(`\u00e9`, 1<<18)
	for _, s := range []string{mega, escaped, strings.Repeat(`\"`, 1<<19), strings.Repeat("é", 1<<19), strings.Repeat("\xff", 1<<20)} {
		cdr := []byte(`{"failure_details":"` + s + `","call":{"end_reason":"` + s + `"},"primary_phone_number":"` + s + `","` + s + `":1,
			"warnings_and_errors":[{"message":"` + s + `"}],"active_calls":"` + s + `","session_initiation_protocol":{"headers":{"from_uri":"` + s + `"}}}`)
		var c *CDR
		assertAllocates(t, 1<<20, func() { c, _ = DecodeCDR(cdr) })
		if c == nil || !c.Truncated || len(c.FailureDetails) > maxReasonBytes || len(c.FailureDetails) < maxReasonBytes-4 || len(c.Call.EndReason) > maxNameBytes {
			t.Fatalf("%.10s: %d bytes of failure details", s, len(c.FailureDetails))
		}
		if !utf8.ValidString(c.FailureDetails) {
			t.Errorf("%.10s: cut within a rune", s)
		}
		message := []byte(`{"request":{"input":{"text":"` + s + `"}},"response":{"output":{"generic":[` +
			strings.Repeat(`{"text":"`+s[:6*20_000]+`"},`, 6) + `{}],"intents":[{"intent":"` + s + `"}]}}}`)
		var m *Message
		assertAllocates(t, 2<<20, func() { m, _ = DecodeMessage(message) })
		if m == nil || len(m.Input) > maxContentBytes || len(strings.Join(m.Replies, "")) > maxRepliesBytes || !m.Truncated {
			t.Fatalf("%.10s: message %v", s, m == nil)
		}
	}
}

func TestIdsAreNeverCut(t *testing.T) {
	t.Parallel()
	id := strings.Repeat("i", 1<<20)
	c := mustDecodeCDR(t, `{"global_session_id":"`+id+`","session_initiation_protocol":{"headers":{"call_id":"`+id+`"}},
		"assistant_interaction_summaries":[{"session_id":"`+id+`","turns":[{"assistant":{"log_id":"`+id+`"}}]}]}`)
	m := mustDecodeMessage(t, `{"log_id":"`+id+`","session_id":"`+id+`","request":{"context":{"integrations":{"voice_telephony":{"sip_call_id":"`+id+`"}}}}}`)
	for _, got := range []string{c.GlobalSessionID, c.SIP.CallID, c.Summaries[0].SessionID, c.Summaries[0].Turns[0].Assistant.LogID, m.LogID, m.SessionID, m.SIPCallID} {
		if got != id {
			t.Fatalf("an id has %d bytes, want %d", len(got), len(id))
		}
	}
	if c.Truncated || m.Truncated {
		t.Error("truncated")
	}
}

// assertAllocates asserts an upper bound in bytes on what f allocates. Callers
// don't run in parallel: the runtime counts for the whole process.
func assertAllocates(t *testing.T, limit uint64, f func()) {
	t.Helper()
	least := ^uint64(0)
	for range 3 { // the garbage collector allocates too, now and then
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		if least = min(least, after.TotalAlloc-before.TotalAlloc); least <= limit {
			return
		}
	}
	t.Errorf("%d bytes allocated, want at most %d", least, limit)
}

// The seeds are whole webhooks. Go minimises what it finds for a minute each
// unless told -fuzzminimizetime=10x.
func FuzzDecodeCDR(f *testing.F) {
	for _, payload := range samplePayloads(f) {
		f.Add(payload)
	}
	f.Fuzz(func(t *testing.T, payload []byte) { assertIdentified(t, "fuzzed", payload) })
}

func FuzzDecodeMessage(f *testing.F) {
	for _, payload := range samplePayloads(f) {
		f.Add(payload)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		m, err := DecodeMessage(payload)
		if err != nil {
			return
		}
		if m.SIPCallID != "" && !m.Phone {
			t.Error("a message with a Call-ID is no phone message")
		}
		hash, err := ContentHash(payload)
		if err != nil {
			t.Fatalf("decodes, but: %v", err)
		}
		spaced, err := ContentHash(shuffle(t, payload, nil))
		if err != nil || hash != spaced {
			t.Errorf("content hash depends on white space: %v", err)
		}
	})
}
