package exporter_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cdr2otel/exporter"
	"cdr2otel/internal/otlptest"
)

// payloadOf is the payload of a sample.
func payloadOf(t *testing.T, name string) string {
	t.Helper()
	var envelope struct{ Payload json.RawMessage }
	if err := json.Unmarshal(sample(t, name), &envelope); err != nil {
		t.Fatal(err)
	}
	return string(envelope.Payload)
}

// messageLogged is the webhook of a payload of message_logged.
func messageLogged(payload string) []byte {
	return []byte(`{"payload": ` + payload + `, "event": {"name": "message_logged"}}`)
}

// collection is the webhook of several message logs, as GET /logs returns them.
func collection(logs ...string) []byte {
	return messageLogged(`{"logs": [` + strings.Join(logs, ", ") + `], "pagination": {"matched": ` + fmt.Sprint(len(logs)) + `}}`)
}

// outlines are the spans of all requests with the names of their events, sorted.
func outlines(requests []otlptest.Request) (lines []string) {
	for _, request := range requests {
		for _, span := range request.Spans() {
			line := fmt.Sprintf("%x %s", span.SpanId, span.Name)
			for _, event := range span.Events {
				line += " " + event.Name
			}
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	return lines
}

func TestACollectionOfMessageLogsIsTheSameCallAsEachOnItsOwn(t *testing.T) {
	t.Parallel()
	messages := []string{"dtmf_call.message-1-start.json", "dtmf_call.message-2-dtmf.json", "dtmf_call.message-3-hangup.json"}
	exported := func(post func(*sidecar)) []string {
		receiver := otlptest.New(t, otlptest.Options{})
		cfg := configuration(t.TempDir())
		cfg.Metrics.MaxAge = 50 * 365 * 24 * time.Hour
		s := start(t, cfg, overriding(receiver, otlptest.ProtocolGRPC))
		post(s)
		s.accepted(t, sample(t, "dtmf_call.cdr.json"))
		s.awaitState(t, "exported", 4)
		return outlines(receiver.Requests())
	}
	want := exported(func(s *sidecar) {
		for _, name := range messages {
			s.accepted(t, sample(t, name))
		}
	})
	got := exported(func(s *sidecar) {
		var logs []string
		for _, name := range messages {
			logs = append(logs, payloadOf(t, name))
		}
		s.accepted(t, collection(logs...))
		// Redelivered, together or on their own, they are duplicates.
		s.accepted(t, collection(logs...))
		s.accepted(t, sample(t, messages[1]))
		const outcomes = "wxa_exporter_events_total"
		s.await(t, outcomes, 1, "wxa_event_name=message_logged", "wxa_outcome=accepted")
		s.await(t, outcomes, 2, "wxa_event_name=message_logged", "wxa_outcome=duplicate")
		s.await(t, "wxa_messages_total", 3)
	})
	if !slices.Equal(want, got) {
		t.Errorf("exported\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestAMessageLogWithNothingInItIsADeadLetterThatSaysWhy(t *testing.T) {
	t.Parallel()
	const nothing, noObject = "it has none of log_id, request and response", "payload is not a JSON object"
	good := payloadOf(t, "dtmf_call.message-1-start.json")
	other := payloadOf(t, "webchat_actions.message.json")
	for name, c := range map[string]struct {
		body    []byte
		outcome string
		pending int64
		reasons []string // of dead letters
	}{
		"an empty object":                   {messageLogged(`{}`), "unsupported", 0, []string{nothing}},
		"null":                              {messageLogged(`null`), "unsupported", 0, []string{noObject}},
		"no payload":                        {[]byte(`{"event":{"name":"message_logged"}}`), "unsupported", 0, []string{noObject}},
		"only empty objects":                {messageLogged(`{"log_id":"","request":{},"response":null}`), "unsupported", 0, []string{nothing}},
		"only times and a session":          {messageLogged(`{"session_id":"s","request_timestamp":"2024-03-05T15:00:00Z"}`), "unsupported", 0, []string{nothing}},
		"an empty collection":               {messageLogged(`{"logs":[]}`), "unsupported", 0, []string{nothing}},
		"a collection that is no list":      {messageLogged(`{"logs":{"0":` + good + `}}`), "unsupported", 0, []string{nothing}},
		"a collection in a collection":      {collection(`{"logs":[` + good + `]}`), "unsupported", 0, []string{nothing}},
		"more than one event may hold":      {collection(slices.Repeat([]string{good}, 257)...), "unsupported", 0, []string{"it holds 257 message logs, more than 256"}},
		"as many as one event may hold":     {collection(slices.Repeat([]string{good}, 256)...), "accepted", 1, nil},
		"some of a collection":              {collection(good, `{}`, `7`, other, good), "unsupported", 2, []string{nothing, noObject}},
		"a message log with a list of logs": {messageLogged(`{"log_id":"1","logs":[{"log_id":"2"}]}`), "accepted", 1, nil},
		"only a log_id":                     {messageLogged(`{"log_id":"1"}`), "accepted", 1, nil},
		"other content of one log_id":       {collection(good, strings.Replace(good, "Welcome", "Hello", 1)), "conflict", 1, []string{"another event with this id and other content"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, configuration(t.TempDir()), exporter.Options{Getenv: noExporters})
			s.accepted(t, c.body)
			s.await(t, "wxa_exporter_events_total", 1, "wxa_event_name=message_logged", "wxa_outcome="+c.outcome)
			s.awaitReadiness(t, func(_ int, r readiness) bool {
				return r.Events["pending"] == c.pending && r.Events["dead"] == int64(len(c.reasons))
			})
			var shown string
			for id := range c.pending + int64(len(c.reasons)) {
				shown += content(s.visit(t, fmt.Sprintf("/deliveries/%d", id+1)).id("main"))
			}
			for _, reason := range c.reasons {
				if !strings.Contains(shown, reason) {
					t.Errorf("no page says %q: %s", reason, shown)
				}
			}
		})
	}
}
