package receiver

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// raw sends bytes as they are and reads one answer.
func (b *bundle) raw(text string) reply {
	b.t.Helper()
	conn := b.dial()
	if _, err := io.WriteString(conn, text); err != nil {
		b.t.Fatal(err)
	}
	return b.answerOn(conn)
}

func (b *bundle) answerOn(conn io.Reader) reply {
	b.t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(body), resp.Close}
}

func length(s string) string { return strconv.Itoa(len(s)) }

func compressed(t testing.TB, body []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

const cdr = `{"event":{"name":"cdr_logged"},"payload":{}}`

const usePOST = `{"error":"this is a webhook listener: it takes POST from watsonx Assistant; the pages are on the admin listener, see admin.endpoint"}`

// The table of the webhook listener, row by row.
func TestEveryCaseHasItsAnswer(t *testing.T) {
	t.Parallel()
	outcomes := func(o Outcome, err error) func(*Config) {
		return func(c *Config) {
			c.Accept = func(context.Context, Event) (Outcome, error) { return o, err }
		}
	}
	small := func(c *Config) { c.MaxBody = 100 }
	cases := []struct {
		name    string
		config  func(*Config)
		change  func(*http.Request)
		body    string
		status  int
		answer  string // the body
		outcome Outcome
		reason  Reason
		header  [2]string
	}{
		{name: "durable", body: cdr, status: 200, answer: `{}`, outcome: OutcomeAccepted},
		{name: "same event again", config: outcomes(OutcomeDuplicate, nil), body: cdr, status: 200, answer: `{}`, outcome: OutcomeDuplicate},
		{name: "same key, other content", config: outcomes(OutcomeConflict, nil), body: cdr, status: 200, answer: `{}`, outcome: OutcomeConflict},
		{name: "unknown event name", config: outcomes(OutcomeUnsupported, nil), body: `{"event":{"name":"new_thing"}}`, status: 200, answer: `{}`, outcome: OutcomeUnsupported},
		{name: "known event without payload", body: `{"event":{"name":"cdr_logged"}}`, status: 200, answer: `{}`, outcome: OutcomeAccepted},
		{name: "payload of another type", body: `{"event":{"name":"cdr_logged"},"payload":[null]}`, status: 200, answer: `{}`, outcome: OutcomeAccepted},
		{name: "synchronous", body: `{"event":{"name":"message_received"},"payload":{"a" : 1.0}}`, status: 200, answer: `{"payload":{"a" : 1.0}}`, outcome: OutcomeAccepted},

		{name: "not JSON", body: `{"event":{"name":"cdr_logged"},"payload":{"a":tru}}`, status: 400, answer: `{"error":"body is not JSON: syntax error at byte 49"}`, outcome: OutcomeMalformed, reason: ReasonSyntax},
		{name: "cut short", body: `{"event":{"name":"cdr`, status: 400, answer: `{"error":"body is not JSON: ends too early at byte 21"}`, outcome: OutcomeMalformed, reason: ReasonSyntax},
		{name: "empty", body: ``, status: 400, answer: `{"error":"body is empty, not JSON, at byte 0"}`, outcome: OutcomeMalformed, reason: ReasonSyntax},
		{name: "two values", body: cdr + ` {}`, status: 400, answer: `{"error":"body is not JSON: something follows the object at byte 45"}`, outcome: OutcomeMalformed, reason: ReasonSyntax},
		{name: "not an object", body: ` [` + cdr + `]`, status: 400, answer: `{"error":"body is not a JSON object, at byte 1"}`, outcome: OutcomeMalformed, reason: ReasonShape},
		{name: "no event name", body: `{"payload":{}}`, status: 400, answer: `{"error":"no event name: /event/name must be a string that is not empty"}`, outcome: OutcomeMalformed, reason: ReasonShape},

		{name: "no credentials", change: func(r *http.Request) { r.Header.Del("Authorization") }, body: cdr, status: 401, answer: `{"error":"unauthorized"}`, outcome: OutcomeUnauthorized, reason: ReasonNoCredentials, header: [2]string{"WWW-Authenticate", `Bearer realm="cdr2otel"`}},
		{name: "unknown source", change: func(r *http.Request) { r.URL.Path = "/webhook/other" }, body: cdr, status: 404, answer: `{"error":"no such source"}`, reason: ReasonUnknownSource},
		{name: "another path", change: func(r *http.Request) { r.URL.Path = "/webhooks" }, body: cdr, status: 404, answer: `{"error":"no such source"}`, reason: ReasonUnknownSource},
		{name: "below the source", change: func(r *http.Request) { r.URL.Path = "/webhook/default/x" }, body: cdr, status: 404, answer: `{"error":"no such source"}`, reason: ReasonUnknownSource},
		{name: "two final slashes", change: func(r *http.Request) { r.URL.Path = "/webhook/default//" }, body: cdr, status: 404, answer: `{"error":"no such source"}`, reason: ReasonUnknownSource},
		{name: "a slash before the source too many", change: func(r *http.Request) { r.URL.Path = "/webhook//default" }, body: cdr, status: 404, answer: `{"error":"no such source"}`, reason: ReasonUnknownSource},
		{name: "metrics are elsewhere", change: func(r *http.Request) { r.URL.Path = "/metrics" }, body: cdr, status: 404, answer: `{"error":"no such source"}`, reason: ReasonUnknownSource},
		{name: "GET", change: func(r *http.Request) { r.Method = "GET" }, status: 405, answer: usePOST, reason: ReasonMethod, header: [2]string{"Allow", "POST"}},
		{name: "PUT to nowhere", change: func(r *http.Request) { r.Method, r.URL.Path = "PUT", "/x" }, body: cdr, status: 405, answer: usePOST, reason: ReasonMethod, header: [2]string{"Allow", "POST"}},
		{name: "declared too large", config: small, body: strings.Repeat("x", 101), status: 413, answer: `{"error":"body is too large"}`, outcome: OutcomeTooLarge, reason: ReasonDeclaredSize},
		{name: "actually too large", config: small, change: func(r *http.Request) { r.ContentLength = -1 }, body: strings.Repeat("x", 101), status: 413, answer: `{"error":"body is too large"}`, outcome: OutcomeTooLarge, reason: ReasonSize},
		{name: "multipart", change: func(r *http.Request) { r.Header.Set("Content-Type", "Multipart/form-data; boundary=x") }, body: cdr, status: 415, answer: `{"error":"send JSON, not multipart"}`, outcome: OutcomeMalformed, reason: ReasonMediaType},
		{name: "brotli", change: func(r *http.Request) { r.Header.Set("Content-Encoding", "br") }, body: cdr, status: 415, answer: `{"error":"use Content-Encoding gzip or none"}`, outcome: OutcomeMalformed, reason: ReasonCoding, header: [2]string{"Accept-Encoding", "gzip, identity"}},
		{name: "gzip twice", change: func(r *http.Request) { r.Header["Content-Encoding"] = []string{"gzip", "gzip"} }, body: cdr, status: 415, answer: `{"error":"use Content-Encoding gzip or none"}`, outcome: OutcomeMalformed, reason: ReasonCoding},
		{name: "not gzip", change: func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }, body: cdr, status: 400, answer: `{"error":"body is not gzip"}`, outcome: OutcomeMalformed, reason: ReasonGzip},

		{name: "store full", config: outcomes("", fmt.Errorf("store: %w", ErrUnavailable)), body: cdr, status: 503, answer: `{"error":"try again later"}`, outcome: OutcomeRefused, reason: ReasonUnavailable},
		{name: "commit failed", config: outcomes("", errors.New("disk on fire")), body: cdr, status: 503, answer: `{"error":"try again later"}`, outcome: OutcomeRefused, reason: ReasonFailed},
		{name: "Accept panics", config: func(c *Config) {
			c.Accept = func(context.Context, Event) (Outcome, error) { panic("boom") }
		}, body: cdr, status: 503, answer: `{"error":"try again later"}`, outcome: OutcomeRefused, reason: ReasonPanic},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, c.config)
			// A reader of no known type keeps net/http from declaring another length.
			req := b.request(io.MultiReader(strings.NewReader(c.body)))
			req.ContentLength = int64(len(c.body))
			if c.change != nil {
				c.change(req)
			}
			got, answer := b.do(req), <-b.answers
			wantStatus(t, got, c.status)
			if got.body != c.answer {
				t.Errorf("body %s, want %s", got.body, c.answer)
			}
			if got.header.Get("Content-Type") != "application/json" || got.header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("header %v", got.header)
			}
			if name := c.header[0]; name != "" && got.header.Get(name) != c.header[1] {
				t.Errorf("%s: %q, want %q", name, got.header.Get(name), c.header[1])
			}
			if answer.Status != c.status || answer.Outcome != c.outcome || answer.Reason != c.reason {
				t.Errorf("OnAnswer was told %d %q %q", answer.Status, answer.Outcome, answer.Reason)
			}
			if retryAfter, err := strconv.Atoi(got.header.Get("Retry-After")); (c.status == 503) != (err == nil && retryAfter >= 5 && retryAfter <= 15) {
				t.Errorf("Retry-After %q", got.header.Get("Retry-After"))
			}
		})
	}
}

func TestRetryAfterIsSpread(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.receiver.Drain()
	seen := map[string]bool{}
	for range 60 {
		got := b.post([]byte(cdr))
		wantStatus(t, got, http.StatusServiceUnavailable)
		seen[got.header.Get("Retry-After")] = true
	}
	if len(seen) < 2 {
		t.Errorf("sixty refused clients come back together: %v", seen)
	}
}

func TestWhatIsAcceptedIsThePayloadAsItWasReceived(t *testing.T) {
	t.Parallel()
	body := sample(t, "dtmf_call.cdr.json")
	var envelope struct {
		Payload jsontext.Value `json:"payload"`
	}
	if err := json.Unmarshal(body, &envelope); err != nil {
		t.Fatal(err)
	}
	sent := map[string]func(*http.Request){
		"plain":           func(*http.Request) {},
		"no media type":   func(r *http.Request) { r.Header.Del("Content-Type") },
		"odd media type":  func(r *http.Request) { r.Header.Set("Content-Type", "text/plain; charset=x") },
		"identity coding": func(r *http.Request) { r.Header.Set("Content-Encoding", "identity") },
		"chunked":         func(r *http.Request) { r.ContentLength = -1 },
		"named source":    func(r *http.Request) { r.URL.Path = "/webhook/default" },
		"final slash":     func(r *http.Request) { r.URL.Path = "/webhook/" },
		"source, slash":   func(r *http.Request) { r.URL.Path = "/webhook/default/" },
		"expect continue": func(r *http.Request) { r.Header.Set("Expect", "100-continue") },
		"gzip": func(r *http.Request) {
			small := compressed(t, body)
			r.Header.Set("Content-Encoding", "GZIP")
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(small)), int64(len(small))
		},
	}
	for name, change := range sent {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, nil)
			req := b.request(io.MultiReader(bytes.NewReader(body)))
			req.ContentLength = int64(len(body))
			change(req)
			wantStatus(t, b.do(req), ok)
			events := b.accepted()
			if len(events) != 1 {
				t.Fatalf("%d events", len(events))
			}
			e := events[0]
			if !bytes.Equal(e.Payload, envelope.Payload) {
				t.Errorf("payload differs: %s", e.Payload)
			}
			if e.Source != "default" || e.Name != EventCDR || !e.ReceivedAt.Equal(instant) || e.ClientAddress != "127.0.0.1" || e.Endpoint != req.URL.Path {
				t.Errorf("event %+v", e)
			}
		})
	}
}

func TestAnAnswerNamesNothingUnbounded(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	req := b.request(strings.NewReader(`{"event":{"name":"` + strings.Repeat("N", 1000) + `"}}`))
	wantStatus(t, b.do(req), ok)
	if a := <-b.answers; a.EventName != "_OTHER" || a.Route != "/webhook/{source}" || a.Scheme != "http" || a.Method != "POST" || a.Source != "default" {
		t.Errorf("answer %+v", a)
	}
	if name := b.accepted()[0].Name; name != strings.Repeat("n", 256) {
		t.Errorf("name %q", name)
	}
	req = b.request(strings.NewReader(cdr))
	req.Method, req.URL.Path = "BREW", "/webhook/"+strings.Repeat("x", 1000)
	req.Header.Set("User-Agent", strings.Repeat("y", 1000))
	wantStatus(t, b.do(req), http.StatusMethodNotAllowed)
	a := <-b.answers
	if a.Method != "_OTHER" || a.Source != "" || a.EventName != "" || len(a.Path) != 256 || a.AskedSource != strings.Repeat("x", 256) || a.UserAgent != strings.Repeat("y", 256) {
		t.Errorf("answer %+v", a)
	}
}

// What an operator needs to find a wrong URL, and no more: a query may hold a token, and
// a character that turns the line around would forge what the page says.
func TestARefusalNamesWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	for path, asked := range map[string]string{"/webhook/lvie": "lvie", "/webhook/lvie/": "lvie", "/webhook/a/b": "a/b", "/webhooks/live": "", "/": ""} {
		req := b.request(strings.NewReader(cdr))
		req.URL.Path, req.URL.RawQuery = path, "token=abc"
		req.Header.Set("User-Agent", "agent\u202e\u0085\t1")
		wantStatus(t, b.do(req), http.StatusNotFound)
		a := <-b.answers
		if a.Path != path || a.AskedSource != asked || a.UserAgent != "agent1" || a.Source != "" {
			t.Errorf("%s: %+v", path, a)
		}
	}
}
