package exporter_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc/codes"

	"cdr2otel/exporter/internal/store"
	"cdr2otel/internal/otlptest"
)

// withForm makes a request that of a form.
func withForm(fields url.Values) func(*http.Request) {
	return func(r *http.Request) {
		body := strings.NewReader(fields.Encode())
		r.Body, r.ContentLength = io.NopCloser(body), int64(body.Len())
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
}

var asProgram = withHeader("Accept", "application/json")

func TestDeadLettersOfOneReasonAreRetriedTogether(t *testing.T) {
	t.Parallel()
	log := &buffer{}
	receiver := otlptest.New(t, otlptest.Options{Answer: func(_ int, q *coltracepb.ExportTraceServiceRequest) otlptest.Answer {
		if len((otlptest.Request{Traces: q}).Spans()) < 12 {
			return otlptest.Answer{Code: codes.InvalidArgument}
		}
		return otlptest.Answer{}
	}})
	opts := overriding(receiver, otlptest.ProtocolGRPC)
	opts.Logger = textLog(log)
	s := start(t, configuration(t.TempDir()), opts)
	s.accepted(t, sample(t, "failed_without_turns.cdr.json"))
	awaitRequests(t, receiver, 1)
	for _, body := range recentCall(t, "dtmf_call") {
		s.accepted(t, body)
	}
	awaitRequests(t, receiver, 3)
	long := recentCall(t, "speech_call")
	for _, body := range long { // goes through
		s.accepted(t, body)
	}
	exported := int64(len(long))
	s.awaitReadiness(t, func(_ int, r readiness) bool {
		return r.Events["dead"] == 5 && r.Events["exported"] == exported
	})
	receiver.SetAnswer(nil)
	s.accepted(t, []byte(`{"event":{"name":"surprise_logged"},"payload":{"a":1}}`))

	list := s.visit(t, "/deliveries?state=dead")
	forms := list.with("data-reason")
	if len(forms) != 1 || attr(forms[0], "data-reason") != "invalid" || attr(forms[0], "action") != "/retry" || attr(forms[0], "method") != "post" {
		t.Fatalf("%d reasons are offered, want invalid alone: %s", len(forms), content(list.id("retry-together")))
	}
	if said := content(list.id("retry-together")); !strings.Contains(said, "Retry all 5") || !strings.Contains(said, "in all sources") {
		t.Errorf("the list says %q", said)
	}
	for _, query := range []string{"", "?state=pending", "?state=dead&event=cdr_logged", "?state=dead&source=elsewhere"} {
		if s.visit(t, "/deliveries"+query).id("retry-together") != nil {
			t.Errorf("%q: the list offers to retry what it does not show", query)
		}
	}
	if got, want := s.visit(t, "/retry").text, `{"reasons":[{"reason":"invalid","dead_letters":5}],"complete":true}`; got != want {
		t.Errorf("a program is told %s, want %s", got, want)
	}

	for reason, status := range map[string]int{"too_large": 303, "unsupported": 400, "unmappable": 400, "conflict": 400, "colour": 400, "": 400} {
		p := s.request(t, http.MethodPost, "/retry", withForm(url.Values{"reason": {reason}}))
		if p.status != status || status == 303 && p.header.Get("Location") != "/deliveries?retried=0&state=dead" {
			t.Errorf("reason %q: status %d to %q, want %d", reason, p.status, p.header.Get("Location"), status)
		}
	}
	if p := s.request(t, http.MethodPost, "/retry", asProgram, withForm(url.Values{"reason": {"conflict"}})); p.status != http.StatusBadRequest || !strings.Contains(p.text, "reasons that can: encoding, failing, invalid, too_large") {
		t.Errorf("a program is told %d %s", p.status, p.text)
	}
	if p := s.request(t, http.MethodPost, "/retry", withForm(url.Values{"reason": {"invalid"}, "source": {"elsewhere"}})); p.header.Get("Location") != "/deliveries?retried=0&source=elsewhere&state=dead" {
		t.Errorf("another source: status %d to %q", p.status, p.header.Get("Location"))
	}
	p := s.request(t, http.MethodPost, "/retry", withForm(url.Values{"reason": {"invalid"}, "source": {""}}))
	if p.status != http.StatusSeeOther || p.header.Get("Location") != "/deliveries?retried=5&state=dead" {
		t.Fatalf("the retry is answered %d to %q", p.status, p.header.Get("Location"))
	}
	s.awaitReadiness(t, func(_ int, r readiness) bool { return r.Events["exported"] == exported+5 })
	list = s.visit(t, p.header.Get("Location"))
	if said := content(list.id("message")); said != "5 dead letters are on their way again." || list.id("retry-together") != nil {
		t.Errorf("the list says %q", said)
	}
	if !strings.Contains(log.String(), `msg="dead letters were retried" reason=invalid events=5 client=127.0.0.1`) {
		t.Error("the log does not say who retried")
	}
}

// deadCalls leaves that many dead letters in a new store.
func deadCalls(t *testing.T, url string, calls int) {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{URL: url, MaxSize: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	for call := range calls {
		key := store.Key("cdr", fmt.Sprint(call))
		if _, err := s.Accept(t.Context(), &store.Event{Source: "default", Kind: store.KindCDR, Key: key, ContentHash: key, Body: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
	}
	subjects, err := s.ClaimDue(t.Context(), calls, time.Minute)
	if err != nil || len(subjects) != calls {
		t.Fatalf("%d calls are due, want %d; %v", len(subjects), calls, err)
	}
	for _, subject := range subjects {
		a := store.Assembly{Subject: subject, Root: store.Anchor{SpanID: [8]byte{1}}, Parts: []store.Part{{Signal: "traces"}}}
		if err := errors.Join(
			s.Members(t.Context(), subject, func(m store.Member) error { a.Members = append(a.Members, m.EventID); return nil }),
			s.Assemble(t.Context(), a),
		); err != nil {
			t.Fatal(err)
		}
	}
	requests, err := s.ClaimRequests(t.Context(), "traces", 0, calls, time.Minute)
	if err != nil || len(requests) != calls {
		t.Fatalf("%d requests wait, want %d; %v", len(requests), calls, err)
	}
	for _, r := range requests {
		if err := s.Settle(t.Context(), []store.Settlement{{Request: r, Verdict: store.VerdictDead, Reason: "invalid"}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestARetryOfManyDeadLettersEndsInTimeAndSaysWhereToGoOn(t *testing.T) {
	t.Parallel()
	const calls = 60 // more than one batch
	cfg := configuration(t.TempDir())
	deadCalls(t, cfg.Store.URL, calls)
	receiver := otlptest.New(t, otlptest.Options{})
	receiver.SetDown(true) // what is retried waits
	opts := overriding(receiver, otlptest.ProtocolGRPC)
	var looks atomic.Int64
	opts.Now = func() time.Time { return time.Now().Add(time.Duration(looks.Add(1)) * 10 * time.Second) } // each look at the clock is later
	s := start(t, cfg, opts)
	p := s.request(t, http.MethodPost, "/retry", withForm(url.Values{"reason": {"invalid"}}))
	if p.header.Get("Location") != "/deliveries?more=&retried=50&state=dead" {
		t.Fatalf("the retry is answered %d to %q: %s", p.status, p.header.Get("Location"), p.text)
	}
	list := s.visit(t, p.header.Get("Location"))
	if said := content(list.id("message")) + content(list.id("retry-together")); !strings.Contains(said, "50 dead letters are on their way again. Time ran out") || !strings.Contains(said, "Retry all 10") {
		t.Errorf("the list says %q", said)
	}
	var done struct{ Retried, Next int64 }
	p = s.request(t, http.MethodPost, "/retry", asProgram, withForm(url.Values{"reason": {"invalid"}, "after": {"1"}}))
	if err := json.Unmarshal([]byte(p.text), &done); err != nil || done.Retried != calls-50 || done.Next != 0 {
		t.Errorf("a program is told %s", p.text)
	}
}
