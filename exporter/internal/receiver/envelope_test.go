package receiver

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestAnEnvelopeIsTakenApart(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 9000) + strings.Repeat("]", 9000)
	cases := []struct {
		name, body     string
		event, payload string
	}{
		{"documented form", `{"event":{"name":"message_logged"},"payload":{"a":1},"options":{}}`, "message_logged", `{"a":1}`},
		{"payload first", `{"payload":{"a":1},"event":{"name":"cdr_logged"}}`, "cdr_logged", `{"a":1}`},
		{"name in another case", `{"event":{"name":" CDR_Logged "},"payload":{}}`, "cdr_logged", `{}`},
		{"escaped names", `{"\u0065vent":{"n\u0061me":"cdr\u005flogged"},"payload":{}}`, "cdr_logged", `{}`},
		{"unknown keys around", `{"x":[{"event":{"name":"no"}}],"event":{"id":[1],"name":"cdr_logged","z":{"name":"no"}},"payload":{},"y":null}`, "cdr_logged", `{}`},
		{"white space", " \r\n\t{ \"event\" : { \"name\" : \"cdr_logged\" } , \"payload\" : { \"a\" : 1.0 } } \n", "cdr_logged", `{ "a" : 1.0 }`},
		{"duplicate events", `{"event":{"name":"message_logged"},"payload":{},"event":{"name":"cdr_logged"}}`, "cdr_logged", `{}`},
		{"duplicate names", `{"event":{"name":"message_logged","name":"cdr_logged"},"payload":{}}`, "cdr_logged", `{}`},
		{"duplicate payloads", `{"event":{"name":"cdr_logged"},"payload":1,"payload":{"b":2}}`, "cdr_logged", `{"b":2}`},
		{"duplicate keys within", `{"event":{"name":"cdr_logged"},"payload":{"a":1,"a":2}}`, "cdr_logged", `{"a":1,"a":2}`},
		{"payload null", `{"event":{"name":"cdr_logged"},"payload":null}`, "cdr_logged", `null`},
		{"no payload", `{"event":{"name":"cdr_logged"}}`, "cdr_logged", ``},
		{"unknown event", `{"event":{"name":"pre_run"},"payload":{}}`, "pre_run", `{}`},
		{"huge number", `{"event":{"name":"cdr_logged"},"payload":1e999999}`, "cdr_logged", `1e999999`},
		{"deep", `{"event":{"name":"cdr_logged"},"payload":` + deep + `}`, "cdr_logged", deep},
		{"lone surrogate", `{"event":{"name":"cdr_logged"},"payload":"\ud83d"}`, "cdr_logged", `"\ud83d"`},
		{"invalid UTF-8", "{\"event\":{\"name\":\"cdr_logged\"},\"payload\":\"\xff\"}", "cdr_logged", "\"\xff\""},
		{"bare CDR", ` {"global_session_id":"g","session_initiation_protocol":{}} `, "cdr_logged", `{"global_session_id":"g","session_initiation_protocol":{}}`},
		{"bare CDR by its summaries", `{"assistant_interaction_summaries":[]}`, "cdr_logged", `{"assistant_interaction_summaries":[]}`},
		{"byte order mark", "\xef\xbb\xbf" + `{"event":{"name":"cdr_logged"},"payload":{"a":1}}`, "cdr_logged", `{"a":1}`},
		{"byte order mark within a text", `{"event":{"name":"cdr_logged"},"payload":"` + "\xef\xbb\xbf" + `"}`, "cdr_logged", "\"\xef\xbb\xbf\""},
		{"byte order mark before a bare CDR", "\xef\xbb\xbf \n" + `{"session_initiation_protocol":{}}`, "cdr_logged", `{"session_initiation_protocol":{}}`},
		{"bare CDR with a payload key", `{"payload":1,"assistant_interaction_summaries":[]}`, "cdr_logged", `{"payload":1,"assistant_interaction_summaries":[]}`},
	}
	for _, c := range cases {
		got, err := parseEnvelope([]byte(c.body))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got.name != c.event || string(got.payload) != c.payload {
			t.Errorf("%s: %q %.80q", c.name, got.name, got.payload)
		}
	}
}

func TestWhatIsNoEventIsRefusedWithItsPosition(t *testing.T) {
	t.Parallel()
	const noName = "no event name: /event/name must be a string that is not empty"
	at := func(what string, offset int) string {
		return fmt.Sprintf("body is not JSON: %s at byte %d", what, offset)
	}
	cases := []struct{ body, want string }{
		{``, "body is empty, not JSON, at byte 0"},
		{" \n\t", "body is empty, not JSON, at byte 0"},
		{`null`, "body is not a JSON object, at byte 0"},
		{`  "x"`, "body is not a JSON object, at byte 2"},
		{`17`, "body is not a JSON object, at byte 0"},
		{`hello`, at("syntax error", 0)},
		{"\xef\xbb\xbf", "body is empty, not JSON, at byte 0"},
		{"\xef\xbb\xbf [1]", "body is not a JSON object, at byte 4"},
		{"\xef\xbb\xbf{'a':1}", at("syntax error", 4)},
		{"\xef\xbb\xbf{", at("ends too early", 4)},
		{"\xef\xbb\xbf{}{}", at("something follows the object", 5)},
		{"\xef\xbb\xbf\xef\xbb\xbf" + cdr, at("syntax error", 3)},
		{" \xef\xbb\xbf" + cdr, at("syntax error", 1)},
		{"{\xef\xbb\xbf}", at("syntax error", 1)},
		{cdr + "\xef\xbb\xbf", at("syntax error", 44)},
		{`{`, at("ends too early", 1)},
		{`{"event"`, at("ends too early", 8)},
		{`{"event":{"name":"cdr_logged"},"payload":{"a":"b`, at("ends too early", 48)},
		{`{"event":{"name":"cdr_logged"},}`, at("syntax error", 30)},
		{`{"event":{"name":"cdr_logged"} "payload":1}`, at("syntax error", 31)},
		{`{"event":{"name":"cdr_logged"},"payload":{'a':1}}`, at("syntax error", 42)},
		{`{"event":{"name":"cdr_logged"},"payload":01}`, at("syntax error", 42)},
		{`{"event":{"name":"cdr_logged"},"payload":NaN}`, at("syntax error", 41)},
		{"{\"event\":{\"name\":\"cdr_logged\"},\"payload\":\"a\nb\"}", at("syntax error", 43)},
		{cdr + "  x", at("syntax error", 46)},
		{cdr + "\n" + cdr, at("something follows the object", 45)},
		{`{"event":{"name":"cdr_logged"},"payload":` + strings.Repeat("[", 1_000_000), at("syntax error", 10040)},
		{`{}`, noName},
		{`{"event":null}`, noName},
		{`{"event":"cdr_logged","payload":{}}`, noName},
		{`{"event":{}}`, noName},
		{`{"event":{"name":null}}`, noName},
		{`{"event":{"name":["cdr_logged"]}}`, noName},
		{`{"event":{"name":"  "}}`, noName},
		{`{"event":{"name":"cdr_logged"},"event":{}}`, noName},
		{`{"event":{},"assistant_interaction_summaries":[]}`, noName},
		{`{"payload":{"assistant_interaction_summaries":[]}}`, noName},
	}
	for _, c := range cases {
		_, err := parseEnvelope([]byte(c.body))
		p, known := errors.AsType[*problem](err)
		if !known || p.detail != c.want {
			t.Errorf("%.60q: %+v, want %q", c.body, err, c.want)
			if known {
				t.Log(p.detail)
			}
		}
	}
}

func TestARefusalQuotesNothingOfTheBody(t *testing.T) {
	t.Parallel()
	const canary = "canary"
	b := setup(t, nil)
	for _, body := range []string{
		`{"event":{"name":"cdr_logged"},"payload":{"canary":{"canary":canary}}}`,
		`{"event":{"name":"cdr_logged"},"payload":{"canary":"\ucanary"}}`,
		`{"event":{"canary":"canary"},"payload":{"canary":"canary"}}`,
		`canary`,
		`"canary"`,
		`{"canary":1}canary`,
	} {
		got := b.post([]byte(body))
		if got.status != 400 || strings.Contains(got.body, canary) {
			t.Errorf("%s: %d %s", body, got.status, got.body)
		}
	}
}
