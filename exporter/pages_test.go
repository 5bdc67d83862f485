package exporter_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
	"google.golang.org/grpc/codes"

	"cdr2otel/exporter"
	"cdr2otel/exporter/config"
	"cdr2otel/internal/otlptest"
)

// Ids of the sample call dtmf_call.
const (
	sampleTrace   = "4eae7c9761713ed777ee4e9598579fac"
	sampleRoot    = "356d6e49b404ee21"
	sampleSession = "7874ec3a-1330-4180-afe1-46bfb220af5b"
	sampleSIP     = "17465345_115257202@10.90.150.99"
	sampleCall    = "9caa8bad-aaa8-4a5a-a4b5-62bccc703d15"
	sampleLog     = "58bebfd1-0118-419b-a555-b152a1efbbe8"
	sampleTurn    = "9db111f3ebff1e73" // its invoke_agent span
)

// telephoned is a sidecar that has exported the sample call.
func telephoned(t testing.TB, change func(*config.Config), opts exporter.Options) *sidecar {
	t.Helper()
	receiver := otlptest.New(t, otlptest.Options{})
	cfg := configuration(t.TempDir())
	change(&cfg)
	opts.Getenv = overriding(receiver, otlptest.ProtocolGRPC).Getenv
	s := start(t, cfg, opts)
	for _, file := range []string{"message-1-start.json", "message-2-dtmf.json", "message-3-hangup.json", "cdr.json"} {
		s.accepted(t, sample(t, "dtmf_call."+file))
	}
	s.awaitReadiness(t, func(_ int, r readiness) bool { return r.Events["exported"] == 4 })
	return s
}

func asItIs(*config.Config) {}

func TestTheDeliveryLogShowsWhatArrivedAndWhatBecameOfIt(t *testing.T) {
	t.Parallel()
	s := telephoned(t, asItIs, exporter.Options{})
	list := s.visit(t, "/deliveries")
	if got := list.rows(); !slices.Equal(got, []string{"4", "3", "2", "1"}) {
		t.Fatalf("the rows are %q, want the newest first", got)
	}
	for _, row := range list.with("data-id") {
		text := content(row)
		for _, want := range []string{"exported", "default", "127.0.0.1", "/webhook/default", "200", sampleTrace[:8]} {
			if !strings.Contains(text, want) {
				t.Errorf("row %s has no %q: %s", attr(row, "data-id"), want, text)
			}
		}
	}
	detail := s.visit(t, "/deliveries/1")
	for _, want := range []string{"message_logged", sampleSession, sampleLog, sampleTrace} {
		if !strings.Contains(content(detail.id("main")), want) {
			t.Errorf("the page of the delivery has no %q", want)
		}
	}
	if detail.id("body-gone") == nil || detail.id("body") != nil {
		t.Error("the page does not say that the body is gone")
	}
	spans := detail.with("data-span")
	if !slices.ContainsFunc(spans, func(n *html.Node) bool { return attr(n, "data-span") == sampleTurn }) {
		t.Errorf("the message's own span is not among the %d shown", len(spans))
	}
	cdr := s.visit(t, "/deliveries/4?tab=span")
	if spans := cdr.with("data-span"); len(spans) != 1 || attr(spans[0], "data-span") != sampleRoot || !strings.Contains(content(spans[0]), "wxa.call.result") {
		t.Errorf("the record's page shows %d spans, want the root", len(spans))
	}
	response := s.visit(t, "/deliveries/4?tab=response")
	if got := content(response.id("main")); content(response.id("answer")) != "{}" || !strings.Contains(got, "200 OK") || !strings.Contains(got, "application/json") {
		t.Errorf("the response is shown as %s", got)
	}
}

// The headers that the page says are sent are those that were.
func TestTheResponseTabShowsWhatTheSenderGot(t *testing.T) {
	t.Parallel()
	s := start(t, configuration(t.TempDir()), off())
	got := say(t, s.address(t), post("/webhook/default", authorized(sign(hs256, `{}`, string(secret))), hook("x")))
	shown := s.visit(t, "/deliveries/1?tab=response")
	for name, values := range got.header {
		if name == "Date" || name == "Connection" {
			continue // of the connection, not of the answer
		}
		if row := name + " " + values[0]; !strings.Contains(content(shown.id("headers")), row) {
			t.Errorf("the sender got %q, which the page does not show", row)
		}
	}
	if got.body != content(shown.id("answer")) {
		t.Errorf("the sender got %q, the page shows %q", got.body, content(shown.id("answer")))
	}
}

func TestAnAcceptedDeliveryShowsHowLongItTook(t *testing.T) {
	t.Parallel()
	s := telephoned(t, asItIs, exporter.Options{})
	took := regexp.MustCompile(`durable after [0-9.]+ (µs|ms|s)`)
	for deadline := time.Now().Add(time.Minute); ; {
		if facts := content(s.visit(t, "/deliveries/1").id("facts")); took.MatchString(facts) {
			return
		} else if time.Now().After(deadline) {
			t.Fatalf("the facts have no time: %s", facts)
		}
	}
}

func TestDeliveriesAreFilteredByEachField(t *testing.T) {
	t.Parallel()
	receiver := otlptest.New(t, otlptest.Options{})
	cfg := configuration(t.TempDir())
	cfg.Sources["live"] = cfg.Sources[config.DefaultSource]
	s := start(t, cfg, overriding(receiver, otlptest.ProtocolGRPC))
	for _, file := range []string{"message-1-start.json", "message-2-dtmf.json", "message-3-hangup.json", "cdr.json"} {
		s.accepted(t, sample(t, "dtmf_call."+file))
	}
	s.accepted(t, []byte(`{"event":{"name":"surprise_logged"},"payload":{"a":1}}`))
	s.URL = strings.TrimSuffix(s.URL, "default") + "live"
	s.accepted(t, []byte(hook("elsewhere")))
	s.awaitReadiness(t, func(_ int, r readiness) bool { return r.Events["exported"] == 4 })
	for query, want := range map[string][]string{
		"source=live":                 {"6"},
		"event=cdr_logged":            {"4"},
		"state=dead":                  {"5"},
		"state=pending":               {"6"},
		"state=exported":              {"4", "3", "2", "1"},
		"state=forgotten":             nil,
		"session_id=" + sampleSession: {"4", "3", "2", "1"},
		"by=session_id&id=" + sampleSession + "&event=cdr_logged": {"4"},
		"sip_call_id=" + url.QueryEscape(sampleSIP):               {"4", "3", "2", "1"},
		"call_id=" + sampleCall:                                   {"4", "3", "2", "1"},
		"by=log_id&id=" + sampleLog:                               {"4", "1"},
		"by=log_id&id=nothing":                                    nil,
		"source=live&session_id=" + sampleSession:                 nil,
		"from=2001-01-01&to=2002-01-01":                           nil,
		"from=2001-01-01&state=dead":                              {"5"},
	} {
		p := s.visit(t, "/deliveries?"+query)
		if got := p.rows(); p.status != http.StatusOK || !slices.Equal(got, want) {
			t.Errorf("%s: status %d, rows %q, want %q", query, p.status, got, want)
		}
		if want == nil && p.id("empty") == nil {
			t.Errorf("%s: an empty list says nothing", query)
		}
	}
	for query, want := range map[string]string{
		"state=asleep": "asleep", "from=yesterday": "yesterday", "from=2002-01-01&to=2001-01-01": "before", "by=colour&id=red": "colour",
		"before=-1": "-1", "before=x": "x", "session_id=a&log_id=b": "one id at a time", "id=" + strings.Repeat("x", 5000): "longer",
	} {
		p := s.visit(t, "/deliveries?"+query)
		if p.status != http.StatusBadRequest || !strings.Contains(content(p.id("problem")), want) {
			t.Errorf("%.40s: status %d, problem %q", query, p.status, content(p.id("problem")))
		}
	}
}

// Rows that arrive while somebody pages neither shift nor repeat what follows.
func TestPagingShowsEveryDeliveryOnceWhileOthersArrive(t *testing.T) {
	t.Parallel()
	s := start(t, configuration(t.TempDir()), off())
	const n = 130
	for i := range n {
		s.accepted(t, []byte(hook(fmt.Sprint("first-", i))))
	}
	seen, pages := map[string]int{}, 0
	for path := "/deliveries?source=default"; path != ""; pages++ {
		p := s.visit(t, path)
		for _, id := range p.rows() {
			seen[id]++
		}
		path = attr(p.id("older"), "href")
		s.accepted(t, []byte(hook(fmt.Sprint("meanwhile-", pages))))
	}
	if len(seen) != n || pages != 3 {
		t.Errorf("%d deliveries on %d pages, want %d on 3", len(seen), pages, n)
	}
	for id, times := range seen {
		if times != 1 {
			t.Errorf("delivery %s was shown %d times", id, times)
		}
	}
	if p := s.visit(t, "/deliveries?before=1"); p.id("newest") == nil || p.id("empty") == nil {
		t.Error("the page beyond the last leads nowhere")
	}
}

func TestRefusedRequestsAreListedWithoutTheirBodies(t *testing.T) {
	t.Parallel()
	s := start(t, configuration(t.TempDir()), off())
	s.Secret = "wrong"
	const n = 3
	for range n {
		if status, _, err := s.Post(t.Context(), []byte(hook("never shown"))); err != nil || status != http.StatusUnauthorized {
			t.Fatalf("status %d, error %v", status, err)
		}
	}
	for deadline := time.Now().Add(time.Minute); ; {
		p := s.visit(t, "/deliveries?tab=refused")
		text := content(p.id("refusals"))
		if strings.Contains(text, "401") && strings.Contains(text, "wrong credentials") && strings.Contains(text, "default") && strings.Contains(text, "127.0.0.1") {
			if strings.Contains(p.text, "never shown") {
				t.Error("a refused body is shown")
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the refusals are %q", text)
		}
	}
	for query, want := range map[string]bool{"&status=401": true, "&status=413": false, "&source=default": true, "&source=other": false} {
		if got := s.visit(t, "/deliveries?tab=refused"+query).id("refusals") != nil; got != want {
			t.Errorf("%s: a list is there: %t, want %t", query, got, want)
		}
	}
	if p := s.visit(t, "/deliveries"); len(p.rows()) != 0 || p.id("empty") == nil {
		t.Error("a refused request is among those that were taken in")
	}
}

func TestADeadLetterSaysWhyAndLeavesWhenItIsRetried(t *testing.T) {
	t.Parallel()
	receiver := otlptest.New(t, otlptest.Options{Answer: refusingTheFirst(otlptest.Answer{Code: codes.InvalidArgument, Message: "no such thing"})})
	log := &buffer{}
	opts := overriding(receiver, otlptest.ProtocolGRPC)
	opts.Logger = textLog(log)
	s := start(t, configuration(t.TempDir()), opts)
	s.accepted(t, sample(t, "failed_without_turns.cdr.json"))
	awaitRequests(t, receiver, 1)
	for _, body := range recentCall(t, "dtmf_call") { // goes through
		s.accepted(t, body)
	}
	s.awaitReadiness(t, func(_ int, r readiness) bool { return r.Events["dead"] == 1 && r.Events["exported"] == 4 })
	p := s.visit(t, "/deliveries/1")
	why := content(p.id("why"))
	if !strings.Contains(why, "Dead letter, invalid") || !strings.Contains(why, "Retry when the receiver has been changed") || p.id("retry") == nil {
		t.Errorf("the page says %q", why)
	}
	receiver.SetAnswer(nil)
	if got := s.request(t, http.MethodPost, "/deliveries/1/retry"); got.status != http.StatusSeeOther || got.header.Get("Location") != "/deliveries/1?retried" {
		t.Errorf("the retry is answered %d to %q", got.status, got.header.Get("Location"))
	}
	s.awaitReadiness(t, func(_ int, r readiness) bool { return r.Events["exported"] == 5 })
	p = s.visit(t, "/deliveries/1?retried")
	if p.id("message") == nil || p.id("retry") != nil {
		t.Error("the page does not say that it left")
	}
	if got := s.request(t, http.MethodPost, "/deliveries/1/retry"); got.status != http.StatusConflict {
		t.Errorf("a second retry is answered %d, want 409", got.status)
	}
	if !strings.Contains(log.String(), `msg="a dead letter was retried" delivery=1`) {
		t.Error("the log does not say who retried")
	}
}

func TestADeadLetterThatWouldDieAgainHasNoRetry(t *testing.T) {
	t.Parallel()
	s := start(t, configuration(t.TempDir()), off())
	s.accepted(t, []byte(`{"event":{"name":"surprise_logged"},"payload":{"a":1}}`))
	s.accepted(t, []byte(`{"event":{"name":"cdr_logged"},"payload":[1]}`))
	s.accepted(t, []byte(hook("twice")))
	s.accepted(t, []byte(strings.Replace(hook("twice"), `"request":{}`, `"request":{"input":{"text":"other"}}`, 1)))
	for id, reason := range map[string]string{"1": "unsupported", "2": "unmappable", "4": "conflict"} {
		p := s.visit(t, "/deliveries/"+id)
		if why := content(p.id("why")); !strings.Contains(why, "Dead letter, "+reason+":") {
			t.Errorf("delivery %s says %q, want %s", id, why, reason)
		}
		if p.id("retry") != nil {
			t.Errorf("%s offers a retry", reason)
		}
		if got := s.request(t, http.MethodPost, "/deliveries/"+id+"/retry"); got.status != http.StatusConflict {
			t.Errorf("a retry of %s is answered %d, want 409", reason, got.status)
		}
	}
}

func TestPagesOfWhatIsNotThereSaySo(t *testing.T) {
	t.Parallel()
	s := start(t, configuration(t.TempDir()), off())
	s.accepted(t, []byte(hook("one")))
	for _, path := range []string{
		"/deliveries/2", "/deliveries/0", "/deliveries/-1", "/deliveries/01", "/deliveries/+1", "/deliveries/x", "/deliveries/99999999999999999999",
		"/deliveries/1%00", "/deliveries/1/retry", "/deliveries/1/", "/nothing", "/assets/", "/assets/nothing", "/assets/..%2fadmin.go", "/webhook",
	} {
		p := s.visit(t, path)
		if p.status != http.StatusNotFound || len(p.named("h1")) != 1 || p.id("main") == nil {
			t.Errorf("%s: status %d, want a 404 page", path, p.status)
		}
	}
}

func TestLookupLeadsFromEachIdToItsTrace(t *testing.T) {
	t.Parallel()
	s := telephoned(t, asItIs, exporter.Options{})
	backend := telephoned(t, func(c *config.Config) {
		c.Admin.TraceURL = "https://traces.example/trace/{trace_id}?span={span_id}"
	}, exporter.Options{})
	for query, span := range map[string]string{
		"session_id=" + sampleSession:               sampleRoot,
		"sip_call_id=" + url.QueryEscape(sampleSIP): sampleRoot,
		"call_id=" + sampleCall:                     sampleRoot,
		"log_id=" + sampleLog:                       sampleTurn,
		"by=log_id&id=" + sampleLog:                 sampleTurn,
	} {
		for _, p := range []page{s.visit(t, "/lookup?"+query, withHeader("Accept", "application/json")), s.visit(t, "/lookup?format=json&"+query)} {
			want := map[string]string{"trace_id": sampleTrace, "span_id": span, "state": "exported"}
			got := map[string]string{}
			if err := json.Unmarshal([]byte(p.text), &got); err != nil || p.status != http.StatusOK || fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: status %d: %s", query, p.status, p.text)
			}
		}
		for in, want := range map[*sidecar]string{s: "/calls/" + sampleTrace, backend: "https://traces.example/trace/" + sampleTrace + "?span=" + span} {
			if p := in.visit(t, "/lookup?"+query); p.status != http.StatusSeeOther || p.header.Get("Location") != want {
				t.Errorf("%s: status %d to %q, want %q", query, p.status, p.header.Get("Location"), want)
			}
		}
	}
	for query, status := range map[string]int{"log_id=nothing": http.StatusNotFound, "by=log_id&id=a&call_id=b": http.StatusBadRequest, "": http.StatusOK, "source=other&call_id=" + sampleCall: http.StatusNotFound} {
		p := s.visit(t, "/lookup?"+query)
		if p.status != status || p.id("lookup") == nil || status == http.StatusNotFound != (p.id("not-found") != nil) {
			t.Errorf("%q: status %d, want a form with %d", query, p.status, status)
		}
	}
	if p := s.visit(t, "/lookup?format=json&log_id=nothing"); p.status != http.StatusNotFound || !strings.Contains(p.text, `"error"`) {
		t.Errorf("an unknown id is answered %d: %s", p.status, p.text)
	}
	if p := s.visit(t, "/lookup?format=json"); p.status != http.StatusBadRequest {
		t.Errorf("no id is answered %d", p.status)
	}
	if policy := backend.visit(t, "/lookup").header.Get("Content-Security-Policy"); !strings.Contains(policy, "form-action 'self' https://traces.example;") {
		t.Errorf("a browser may not follow the form to the back end: %s", policy)
	}
}

// Before its call is mapped an event has a place and perhaps no trace.
func TestLookupOfWhatWaitsLeadsToItsDelivery(t *testing.T) {
	t.Parallel()
	s := start(t, configuration(t.TempDir()), off())
	s.accepted(t, sample(t, "dtmf_call.message-1-start.json"))
	if p := s.visit(t, "/lookup?log_id="+sampleLog); p.status != http.StatusSeeOther || p.header.Get("Location") != "/deliveries/1" {
		t.Errorf("status %d to %q", p.status, p.header.Get("Location"))
	}
	if why := content(s.visit(t, "/deliveries/1").id("why")); !strings.Contains(why, "It waits for the rest of its conversation") {
		t.Errorf("the page says %q", why)
	}
}

func TestTheOverviewCountsWhatArrivedWhatWaitsAndWhatIsHeld(t *testing.T) {
	t.Parallel()
	receiver := otlptest.New(t, otlptest.Options{})
	receiver.SetDown(true)
	s := start(t, configuration(t.TempDir()), overriding(receiver, otlptest.ProtocolGRPC))
	if p := s.visit(t, "/"); p.id("empty") == nil || !strings.Contains(content(p.id("empty")), s.URL) {
		t.Error("the empty overview does not say where the platform posts to")
	}
	for range 2 {
		s.accepted(t, sample(t, "failed_without_turns.cdr.json"))
	}
	s.accepted(t, sample(t, "message_received.json"))
	s.Secret = "wrong"
	if _, _, err := s.Post(t.Context(), []byte(hook("x"))); err != nil {
		t.Fatal(err)
	}
	s.awaitReadiness(t, func(_ int, r readiness) bool { return strings.HasPrefix(r.Delivery["traces"], "held") })
	p := s.visit(t, "/")
	outcomes := map[string]string{}
	for _, n := range p.with("data-outcome") {
		outcomes[attr(n, "data-outcome")], _, _ = strings.Cut(content(n), " ")
	}
	if fmt.Sprint(outcomes) != "map[accepted:1 answered:1 duplicate:1 unauthorized:1]" {
		t.Errorf("the outcomes are %v", outcomes)
	}
	if title := content(p.id("chart-title")); !strings.HasPrefix(title, "4 webhooks from ") || !strings.Contains(title, ", 1 of them refused;") {
		t.Errorf("the picture is described as %q", title)
	}
	if n := len(p.elements(func(n *html.Node) bool { return n.Data == "rect" && strings.HasPrefix(attr(n, "class"), "bar-") })); n < 4 {
		t.Errorf("the picture has %d bars", n)
	}
	if waiting := content(p.id("tile-waiting")); !strings.HasPrefix(waiting, "Waiting 1 oldest overdue for") {
		t.Errorf("what waits is shown as %q", waiting)
	}
	if held := p.with("data-signal"); len(held) == 0 || !strings.Contains(content(held[0]), "is held: ") {
		t.Error("the page does not say that sending is held, and why")
	}
	if store := content(p.id("tile-store")); !strings.Contains(store, "% of 10 GiB") {
		t.Errorf("the store is shown as %q", store)
	}
}
