package exporter_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// generated is one webhook body and the identity under which it must be seen.
type generated struct {
	id   string
	body []byte
}

// template is a call whose ids are replaced: the CDR, then its messages.
type template struct {
	bodies []string
	// ids are the global_session_id and the log ids of the messages, in the order
	// of bodies; shared are those that several bodies hold.
	ids, shared []string

	once   *sync.Once
	pieces *[][]string
}

// callTemplate is the keypad call of the examples: a CDR and three messages.
func callTemplate(t testing.TB) template {
	return template{
		once: new(sync.Once), pieces: new([][]string),
		bodies: []string{
			string(sample(t, "dtmf_call.cdr.json")),
			string(sample(t, "dtmf_call.message-1-start.json")),
			string(sample(t, "dtmf_call.message-2-dtmf.json")),
			string(sample(t, "dtmf_call.message-3-hangup.json")),
		},
		ids: []string{
			"9caa8bad-aaa8-4a5a-a4b5-62bccc703d15",
			"58bebfd1-0118-419b-a555-b152a1efbbe8",
			"38f36bfb-c2aa-4600-9418-6ab422664e31",
			"07d74b35-0205-43e4-923c-1e43e1cb429c",
		},
		shared: []string{"7874ec3a-1330-4180-afe1-46bfb220af5b", "17465345_115257202@10.90.150.99"},
	}
}

// call is the call under ids of its own.
func (tpl template) call(name string) []generated {
	events := make([]generated, len(tpl.bodies))
	for n := range tpl.ids {
		events[n].id = fmt.Sprintf("%s-%d", name, n)
	}
	for n, body := range tpl.cut() {
		for i, piece := range body {
			if i%2 == 0 {
				events[n].body = append(events[n].body, piece...)
				continue
			}
			events[n].body = append(events[n].body, name...)
			events[n].body = append(events[n].body, piece...)
		}
	}
	return events
}

// cut cuts the bodies where an id stands: text, what follows the call's name in
// the new id ("-2", "-shared-0"), text, and so on. It is done once, so that the
// generator costs the benchmarks little.
func (tpl template) cut() [][]string {
	tpl.once.Do(func() {
		var pairs []string
		for n, id := range tpl.ids {
			pairs = append(pairs, id, fmt.Sprintf("\x00-%d\x00", n))
		}
		for n, id := range tpl.shared {
			pairs = append(pairs, id, fmt.Sprintf("\x00-shared-%d\x00", n))
		}
		replacer := strings.NewReplacer(pairs...)
		for _, body := range tpl.bodies {
			*tpl.pieces = append(*tpl.pieces, strings.Split(replacer.Replace(body), "\x00"))
		}
	})
	return *tpl.pieces
}

const (
	speechGlobalSession = "2f6f1b57-54ad-4c0a-9b71-8f5f3c6b1e42"
	speechSession       = "c0a7a5a2-5c39-4f0e-9a3d-0a4c3d0f8b11"
	speechCallID        = "8f1c2d3e-call-7741@203.0.113.10"
	speechLogID         = "b1f7a7a0-0000-4000-8000-000000000001"
)

// tenTurns is the speech call of the examples with its second turn, and that
// turn's message, ten times over: eleven webhooks.
func tenTurns(t testing.TB) template {
	var cdr, message any
	if err := json.Unmarshal(sample(t, "speech_call.cdr.json"), &cdr); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(sample(t, "speech_call.message-2-speech.json"), &message); err != nil {
		t.Fatal(err)
	}
	payload := cdr.(map[string]any)["payload"].(map[string]any)
	summary := payload["assistant_interaction_summaries"].([]any)[0].(map[string]any)
	turn := summary["turns"].([]any)[1]

	tpl := template{once: new(sync.Once), pieces: new([][]string), ids: []string{speechGlobalSession}, shared: []string{speechSession, speechCallID}}
	var turns []any
	for n := range 10 {
		logID := fmt.Sprintf("ten-turns-log-id-%02d", n)
		later := time.Duration(n) * 8 * time.Second
		turns = append(turns, moved(turn, later, logID))
		tpl.ids = append(tpl.ids, logID)
		tpl.bodies = append(tpl.bodies, encoded(t, moved(message, later, logID)))
	}
	summary["turns"] = turns
	call := payload["call"].(map[string]any)
	call["stop_timestamp"] = "2024-03-05T15:01:31.800Z"
	call["milliseconds_elapsed"] = 90000
	tpl.bodies = append([]string{encoded(t, cdr)}, tpl.bodies...)
	return tpl
}

// moved is a copy of v with its times later and its log id replaced.
func moved(v any, later time.Duration, logID string) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, value := range v {
			out[key] = moved(value, later, logID)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, value := range v {
			out[i] = moved(value, later, logID)
		}
		return out
	case string:
		if at, err := time.Parse(time.RFC3339Nano, v); err == nil {
			return at.Add(later).Format("2006-01-02T15:04:05.000Z")
		}
		return strings.ReplaceAll(v, speechLogID, logID)
	}
	return v
}

func encoded(t testing.TB, v any) string {
	body, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
