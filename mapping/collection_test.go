package mapping_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cdr2otel/mapping"
)

func TestACollectionIsTakenApartIntoPiecesOfItself(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		payload string
		want    []string
		err     string
	}{
		"two":                                 {`{"logs":[{"log_id":"1"}, {"log_id":"2"} ],"pagination":{"matched":2}}`, []string{`{"log_id":"1"}`, `{"log_id":"2"}`}, ""},
		"with white space and other members":  {" {\"pagination\":null,\n \"lo\\u0067s\" : [ {\"a\": [1, \"]\"]} ] } ", []string{`{"a": [1, "]"]}`}, ""},
		"elements of any type":                {`{"logs":[null,7,"x",[1],{}]}`, []string{`null`, `7`, `"x"`, `[1]`, `{}`}, ""},
		"of two lists the last":               {`{"logs":[1,2],"logs":[3]}`, []string{`3`}, ""},
		"none":                                {`{"logs":[]}`, nil, "it has none of log_id, request and response"},
		"no list":                             {`{"logs":{"log_id":"1"}}`, nil, "it has none of log_id, request and response"},
		"no member of that name":              {`{"log":[{"log_id":"1"}]}`, nil, "it has none of log_id, request and response"},
		"a bare list":                         {`[{"log_id":"1"}]`, nil, "payload is not a JSON object"},
		"what is no JSON, by its position":    {`{"logs":[{"secret":]}`, nil, "byte "},
		"what goes on behind the object":      {`{"logs":[{}]}{}`, nil, "payload is not a JSON object"},
		"as many as one event may hold":       {`{"logs":[0` + strings.Repeat(",0", 255) + `]}`, strings.Split("0"+strings.Repeat(",0", 255), ","), ""},
		"more than one event may hold":        {`{"logs":[0` + strings.Repeat(",0", 256) + `]}`, nil, "it holds 257 message logs, more than 256"},
		"far more, in the memory of a number": {`{"logs":[0` + strings.Repeat(",0", 1_000_000) + `]}`, nil, "it holds 1000001 message logs, more than 256"},
	} {
		got, err := mapping.Collection([]byte(c.payload))
		var texts []string
		for _, log := range got {
			texts = append(texts, string(log))
		}
		if diff := cmp.Diff(c.want, texts); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if (err == nil) != (c.err == "") || err != nil && (!strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s: error %v, want %q", name, err, c.err)
		}
	}
}

func TestAMessageLogWithoutIDRequestAndResponseHasNothingInIt(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string]bool{
		`{}`: true, `{"log_id":null}`: true, `{"log_id":""}`: true, `{"log_id":7}`: true,
		`{"request":{},"response":{}}`: true, `{"request":[1],"response":"x"}`: true, `{"request":{"input":{}},"request":null}`: true,
		`{"session_id":"s","assistant_id":"a","customer_id":"c","request_timestamp":"2024-03-05T15:00:00Z"}`: true,
		`{"logs":[{"log_id":"1"}]}`: true,
		`{"log_id":"1"}`:            false, `{"request":{"input":null}}`: false, `{"response":{"x":1}}`: false, `{"request":null,"response":{"output":{}}}`: false,
	} {
		message, err := mapping.DecodeMessage([]byte(payload))
		if err != nil || message.Nothing != want {
			t.Errorf("%s: %t, %v; want %t", payload, message.Nothing, err, want)
		}
	}
	paths, err := os.ReadDir("../examples/webhooks")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if !strings.Contains(path.Name(), ".message") {
			continue
		}
		body, err := os.ReadFile("../examples/webhooks/" + path.Name())
		if err != nil {
			t.Fatal(err)
		}
		if message, err := mapping.DecodeMessage(payload(t, body)); err != nil || message.Nothing {
			t.Errorf("%s: nothing in it: %t, %v", path.Name(), message.Nothing, err)
		}
	}
}
