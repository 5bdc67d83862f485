package exporter_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"cdr2otel/exporter"
	"cdr2otel/exporter/config"
	"cdr2otel/internal/otlptest"
)

// withText gives every string of a sample the text, but for times; what ids must tell
// apart they still do.
func withText(t *testing.T, file, text string) []byte {
	t.Helper()
	raw := sample(t, file)
	body := decodeJSON(t, raw)
	for _, leaf := range leaves(t, raw) {
		value := text
		last := leaf.steps[len(leaf.steps)-1]
		switch {
		case slices.Contains([]any{"global_session_id", "session_id", "log_id", "call_id", "sip_call_id", "transaction_id"}, last):
			value += leaf.value
		case strings.HasPrefix(leaf.value, "CWS"):
			value = leaf.value + text
		case leaf.steps[len(leaf.steps)-2] == "channel", last == "type", last == "response_type", last == "event", last == "text":
			if len(text)%2 == 0 { // what the mapping knows, and what it does not
				value = leaf.value
			}
		}
		replace(body, leaf.steps, value)
	}
	return []byte(encoded(t, body))
}

// Every string of the payloads of a call, of its picture and of the links from it.
func TestHostileTextOfACallStaysTextOnEveryPageThatShowsIt(t *testing.T) {
	t.Parallel()
	receiver := otlptest.New(t, otlptest.Options{})
	cfg := configuration(t.TempDir())
	cfg.Mapping.Content = true
	cfg.Mapping.PII = []config.PII{config.PIICallerNumber, config.PIICalleeNumber, config.PIISIPURIs}
	cfg.Mapping.CustomData = []config.CustomData{{Key: "/queue", Attribute: "wxa.custom.queue"}}
	cfg.Mapping.Events = config.EventsBoth
	cfg.Correlation.Grace = 10 * time.Millisecond
	cfg.Correlation.Window = 10 * time.Millisecond
	cfg.Correlation.ChatIdle = 10 * time.Millisecond
	cfg.Store.KeepBodies = time.Hour
	cfg.Admin.TraceURL = "https://jaeger.example/trace/{trace_id}?uiFind={span_id}"
	s := start(t, cfg, exporter.Options{Getenv: overriding(receiver, otlptest.ProtocolGRPC).Getenv})
	posted := 0
	for _, text := range hostileText {
		for _, file := range []string{
			"speech_call.cdr.json", "speech_call.message-2-speech.json", "speech_call.message-3-speech_callout.json",
			"transfer.cdr.json", "webchat_conversational_search.message.json",
		} {
			posted++
			s.accepted(t, withText(t, file, text))
		}
	}
	s.awaitReadiness(t, func(_ int, r readiness) bool { return r.Events["pending"] == 0 })

	pages := map[string]bool{"/deliveries": true, "/calls": true}
	for id := range posted {
		for _, tab := range []string{"request", "span"} {
			pages[fmt.Sprintf("/deliveries/%d?tab=%s", id+1, tab)] = true
		}
	}
	traces := map[string]bool{}
	for next := "/calls"; next != ""; {
		list := s.visit(t, next)
		for _, row := range list.with("data-trace-id") {
			traces["/calls/"+attr(row, "data-trace-id")] = true
		}
		next = ""
		for _, link := range list.with("rel") {
			if attr(link, "rel") == "next" {
				next = attr(link, "href")
			}
		}
	}
	maps.Copy(pages, traces)
	pictures, shown := 0, 0
	for _, path := range slices.Sorted(maps.Keys(pages)) {
		p := s.visit(t, path)
		if p.status != got200 || len(p.named("h1")) != 1 || len(p.named("title")) < 1 {
			t.Errorf("%s is answered %d with %d first headings", path, p.status, len(p.named("h1")))
		}
		pictures += len(p.with("data-span-id"))
		for _, text := range hostileText {
			if traces[path] && strings.Contains(content(p.id("main")), strings.Join(strings.Fields(text), " ")) {
				shown++
				break
			}
		}
		for _, n := range p.elements(func(*html.Node) bool { return true }) {
			away := leadsAway(n) && !strings.HasPrefix(attr(n, "href"), "?") && !strings.HasPrefix(attr(n, "href"), "https://jaeger.example/trace/")
			if reaches(n) || away {
				t.Errorf("%s: <%s> %v came from a payload", path, n.Data, n.Attr)
			}
		}
	}
	if pictures == 0 || shown < len(traces)/2 {
		t.Errorf("%d of %d calls show the texts, with %d spans", shown, len(traces), pictures)
	}
	t.Logf("%d texts in %d webhooks on %d pages, %d of them calls with %d spans", len(hostileText), posted, len(pages), len(traces), pictures)
}
