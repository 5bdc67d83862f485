package exporter_test

import (
	"fmt"
	"strings"
	"testing"

	"cdr2otel/exporter/config"
)

func TestADeadLetterThatIsMadeAtIntakeIsLoggedWithItsReasonAndPage(t *testing.T) {
	t.Parallel()
	cfg := configuration(t.TempDir())
	opts, log := logged(off())
	s := start(t, cfg, opts)
	event := func(name, payload string) []byte {
		return fmt.Appendf(nil, `{"event":{"name":%q},"payload":%s}`, name, payload)
	}
	s.accepted(t, event("cdr_logged", `{"global_session_id":"+15558675309"}`))
	for _, c := range []struct{ name, payload, event, reason, detail string }{
		{"cdr_logged", `{"global_session_id":"+15558675309","call":{}}`, "cdr_logged", "conflict", "another event with this id and other content"},
		{"audio+15558675309", `{}`, "_OTHER", "unsupported", "this release knows no event of that name"},
		{"cdr_logged", `"+15558675309"`, "cdr_logged", "unmappable", "decode cdr"},
		{"message_logged", `null`, "message_logged", "unmappable", "decode message"},
	} {
		already := len(log.String())
		s.accepted(t, event(c.name, c.payload))
		said := &buffer{}
		_, _ = said.Write([]byte(log.String()[already:]))
		got := loggedLine(t, said, "dead letter: webhook acknowledged and kept, but not exported")
		if got["source"] != config.DefaultSource || got["event"] != c.event || got["reason"] != c.reason || !strings.Contains(got["detail"].(string), c.detail) {
			t.Errorf("%s: it says %v", c.payload, got)
		}
		if status, page := get(t, "http://"+s.AdminAddr()+got["page"].(string)); status != 200 || !strings.Contains(page, c.detail) {
			t.Errorf("%s: %v is %d", c.payload, got["page"], status)
		}
		s.accepted(t, event(c.name, c.payload)) // again: a duplicate, and nothing new
	}
	if said := log.String(); strings.Contains(said, "5558675309") || strings.Count(said, "dead letter") != 4 {
		t.Errorf("the log says too much:\n%s", said)
	}
}

func TestAFloodOfDeadLettersOfOneKindDoesNotHideAnother(t *testing.T) {
	t.Parallel()
	cfg := configuration(t.TempDir())
	cfg.Sources["live"] = cfg.Sources[config.DefaultSource]
	opts, log := logged(off())
	s := start(t, cfg, opts)
	const flood = 200
	for n := range flood {
		s.accepted(t, fmt.Appendf(nil, `{"event":{"name":"audio_logged"},"payload":{"n":%d}}`, n))
	}
	if said := strings.Count(log.String(), "unsupported"); said < 3 || said > flood/2 {
		t.Errorf("%d of %d are in the log", said, flood)
	}
	s.accepted(t, []byte(`{"event":{"name":"cdr_logged"},"payload":1}`))
	if !strings.Contains(log.String(), `"unmappable"`) {
		t.Errorf("another reason is not in the log:\n%s", log)
	}
	s.Client.URL = s.WebhookURL("live")
	s.accepted(t, []byte(`{"event":{"name":"audio_logged"},"payload":{}}`))
	if !strings.Contains(log.String(), `"source":"live"`) {
		t.Errorf("another source is not in the log:\n%s", log)
	}
}
