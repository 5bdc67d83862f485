package exporter_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"cdr2otel/internal/otlptest"
)

// listed are the trace ids of the list of calls, in its order.
func (s *sidecar) listed(t testing.TB, query string) []string {
	t.Helper()
	var ids []string
	for _, match := range regexp.MustCompile(`<tr data-trace-id="([0-9a-f]{32})"`).FindAllStringSubmatch(s.page(t, "/calls"+query, http.StatusOK), -1) {
		ids = append(ids, match[1])
	}
	return ids
}

func TestTheListOfCallsFiltersSortsAndPages(t *testing.T) {
	t.Parallel()
	receiver := otlptest.New(t, otlptest.Options{})
	cfg := configuration(t.TempDir())
	cfg.Correlation.Grace = time.Millisecond
	s := start(t, cfg, overriding(receiver, otlptest.ProtocolGRPC))
	shows(t, s.page(t, "/calls", http.StatusOK), "No call has been put together yet.")
	s.post(t, speechCall...)
	awaitRequests(t, receiver, 1)
	s.post(t, dtmfCall...)
	awaitRequests(t, receiver, 2)
	s.post(t, "transfer.cdr.json", "failed_without_turns.cdr.json")
	s.awaitState(t, "exported", 13)
	for _, c := range []struct {
		query string
		want  int
		first string
	}{
		{"", 4, ""},
		{"?sort=worst", 4, speechTrace},
		{"?show=slow", 1, speechTrace},
		{"?show=failed", 1, ""},
		{"?show=transferred", 1, ""},
		{"?kind=call&source=default", 4, ""},
		{"?kind=conversation", 0, ""},
		{"?source=other", 0, ""},
	} {
		got := s.listed(t, c.query)
		if len(got) != c.want || c.first != "" && got[0] != c.first {
			t.Errorf("%q lists %v", c.query, got)
		}
	}
	if got := s.listed(t, "?show=failed"); slices.Contains(got, speechTrace) || slices.Contains(got, dtmfTrace) {
		t.Errorf("completed calls are listed as failed: %v", got)
	}
	shows(t, s.page(t, "/calls?source=other", http.StatusOK), "No call is like that.")
	shows(t, s.page(t, "/calls", http.StatusOK), `class="wait slow"`, "3.52 s", "completed", "failed", "transferred")
	for _, wrong := range []string{"?sort=up", "?kind=x", "?show=%3Cscript%3E", "?after=1", "?after=x.1", "?after=1.-1"} {
		showsNot(t, s.page(t, "/calls"+wrong, http.StatusBadRequest), "<script")
	}
}

// A greeting that plays when the call is answered is a wait of 0, which is known.
func TestACallInWhichNobodyWaitedIsToldFromOneOfWhichThatIsNotKnown(t *testing.T) {
	t.Parallel()
	var cdr struct {
		Event   json.RawMessage `json:"event"`
		Payload map[string]any  `json:"payload"`
	}
	if err := json.Unmarshal(sample(t, "dtmf_call.cdr.json"), &cdr); err != nil {
		t.Fatal(err)
	}
	session := cdr.Payload["assistant_interaction_summaries"].([]any)[0].(map[string]any)
	session["turns"] = session["turns"].([]any)[:1]
	body, err := json.Marshal(cdr)
	if err != nil {
		t.Fatal(err)
	}
	receiver := otlptest.New(t, otlptest.Options{})
	cfg := configuration(t.TempDir())
	cfg.Correlation.Grace = time.Millisecond
	s := start(t, cfg, overriding(receiver, otlptest.ProtocolGRPC))
	s.accepted(t, body)
	s.awaitState(t, "exported", 1)
	s.post(t, "failed_without_turns.cdr.json")
	s.awaitState(t, "exported", 2)
	if got := s.listed(t, "?sort=worst"); len(got) != 2 || got[0] != dtmfTrace {
		t.Errorf("by the longest wait they are %v", got)
	}
	shows(t, s.page(t, "/calls", http.StatusOK), `<span class="wait-figure">0 s</span>`, `class="wait"><span class="muted">–</span>`)
	shows(t, s.page(t, "/calls/"+dtmfTrace, http.StatusOK), `<h2>Longest wait</h2><p class="figure">0 s</p>`)
}

func TestPagesOfCallsGoOnWhereTheLastOneEnded(t *testing.T) {
	t.Parallel()
	receiver := otlptest.New(t, otlptest.Options{})
	s := start(t, configuration(t.TempDir()), overriding(receiver, otlptest.ProtocolGRPC))
	tpl := callTemplate(t)
	const calls = 120
	events := 0
	for n := range calls {
		for _, e := range tpl.call(fmt.Sprint("c", n)) {
			s.accepted(t, e.body)
			events++
		}
	}
	s.awaitState(t, "exported", int64(events))
	for _, sort := range []string{"", "?sort=worst"} {
		seen := map[string]bool{}
		pages := 0
		for query := sort; query != "end"; pages++ {
			page := s.page(t, "/calls"+query, http.StatusOK)
			for _, id := range s.listed(t, query) {
				if seen[id] {
					t.Errorf("%s: %s is listed twice", sort, id)
				}
				seen[id] = true
			}
			query = "end"
			if next := regexp.MustCompile(`rel="next" href="/calls([^"]+)"`).FindStringSubmatch(page); next != nil {
				query = strings.ReplaceAll(next[1], "&amp;", "&")
			}
		}
		if len(seen) != calls || pages != 3 {
			t.Errorf("%q: %d calls on %d pages, want %d on 3", sort, len(seen), pages, calls)
		}
	}
}
