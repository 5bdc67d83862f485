package receiver

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// hostile are payloads that a careless observer would change, refuse or die of.
var hostile = map[string]string{
	"an object":           `{"input":{"text":"hello"},"context":{}}`,
	"white space":         "{ \"a\" :\t1 ,\r\n\"b\": [ ] }",
	"duplicate names":     `{"a":1,"a":{"a":2,"a":3}}`,
	"lone surrogates":     `{"text":"cut \ud83d","\udc00":"\udfff\ud800"}`,
	"invalid UTF-8":       "{\"text\":\"\xff\xfe\xc3\"}",
	"big numbers":         `[12345678901234567890.10, 1.0e+2, -0.0, 1E999, 0.1e-999, 9007199254740993]`,
	"every escape":        `{"s":"\u0000\/\\\"\b\f\n\r\t\u00e9é\u2028` + "\u2028" + `"}`,
	"HTML":                `{"text":"<script>&amp;</script>"}`,
	"a thousand levels":   strings.Repeat(`{"a":[`, 500) + strings.Repeat(`]}`, 500),
	"nearly the deepest":  strings.Repeat(`[`, 9999) + strings.Repeat(`]`, 9999),
	"ten thousand names":  `{"` + strings.Repeat(`x":0,"`, 10_000) + `x":0}`,
	"null":                `null`,
	"a string":            `"payload"`,
	"a number":            `-1e-7`,
	"an array":            `[]`,
	"an empty name":       `{"":{"":""}}`,
	"an envelope":         `{"event":{"name":"cdr_logged"},"payload":{}}`,
	"a CDR":               `{"assistant_interaction_summaries":[],"session_initiation_protocol":{}}`,
	"the forbidden name":  `{"X-Watson-Assistant-Webhook-Return":true}`,
	"four megabytes":      `{"text":"` + strings.Repeat("é", 2<<20) + `"}`,
	"what fills a buffer": `"` + strings.Repeat("x", 4096-len(`{"payload":""}`)) + `"`,
}

// wantPassedThrough fails unless the answer is one that the platform takes:
//
//   - 422 "Webhook responded with [500] status code": it is 200;
//   - 422 "Webhook responded with invalid JSON body": it is one JSON value, of the
//     length that is declared, and says that it is JSON;
//   - 422 "Error validating webhook response": it is an object with the payload of
//     the request, byte for byte.
//
// And the header with which the assistant would skip the message is not there.
func wantPassedThrough(t *testing.T, got reply, payload string) {
	t.Helper()
	if got.status != http.StatusOK {
		t.Fatalf("status %d: %.200s", got.status, got.body)
	}
	if want := `{"payload":` + payload + `}`; got.body != want {
		t.Errorf("answer %.200s, want %.200s", got.body, want)
	}
	dec := jsontext.NewDecoder(strings.NewReader(got.body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if _, err := dec.ReadValue(); err != nil {
		t.Errorf("not JSON: %v", err)
	}
	if _, err := dec.ReadToken(); err != io.EOF {
		t.Errorf("something follows the value: %v", err)
	}
	if length := got.header["Content-Length"]; len(length) != 1 || length[0] != strconv.Itoa(len(got.body)) {
		t.Errorf("Content-Length %q for %d bytes", length, len(got.body))
	}
	if mediaType := got.header["Content-Type"]; len(mediaType) != 1 || mediaType[0] != "application/json" {
		t.Errorf("Content-Type %q", mediaType)
	}
	for name := range got.header {
		if strings.EqualFold(name, "X-Watson-Assistant-Webhook-Return") || name == "Content-Encoding" {
			t.Errorf("the answer has the header %s", name)
		}
	}
}

// sendings are the ways in which one body can come.
var sendings = map[string]func(*testing.T, *http.Request, []byte){
	"plain": func(_ *testing.T, req *http.Request, body []byte) {
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	},
	"chunked": func(_ *testing.T, req *http.Request, body []byte) {
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), -1
	},
	"gzip": func(t *testing.T, req *http.Request, body []byte) {
		small := compressed(t, body)
		req.Header.Set("Content-Encoding", "gzip")
		req.Header.Set("Accept-Encoding", "gzip")
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(small)), int64(len(small))
	},
}

func TestTheErrorsThatThePlatformDocumentsForWebhooksAreNotCausedByUs(t *testing.T) {
	t.Parallel()
	hanging := newGate()
	t.Cleanup(func() { close(hanging.open) })
	for name, change := range map[string]func(*Config){
		"all is well":     func(c *Config) { c.Observe = func(Event) {} },
		"nobody observes": nil,
		"the observer panics": func(c *Config) {
			c.Observe = func(Event) { panic("observer") }
		},
		"the observer has no room": func(c *Config) {
			c.MaxInFlight = 1
			c.Observe = func(e Event) { _, _ = hanging.accept(t.Context(), e) }
		},
		"the store is full": func(c *Config) {
			c.Accept = func(context.Context, Event) (Outcome, error) { return "", ErrUnavailable }
		},
		"the listener is closing": func(c *Config) { c.Accept = hanging.accept },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, change)
			// net/http's client would take a coding off that it asked for itself.
			b.client.Transport.(*http.Transport).DisableCompression = true
			if name == "the listener is closing" {
				b.receiver.Drain()
			}
			for _, event := range []string{EventMessageReceived, EventMessageProcessed} {
				for what, payload := range hostile {
					body := `{"options":{"x":[1,2]},"payload":` + payload + `,"event":{"id":7,"name":"` + event + `"},"later":null}`
					for how, send := range sendings {
						if how != "plain" && name != "all is well" {
							continue // what is wrong comes after the body was read
						}
						req := b.request(nil)
						send(t, req, []byte(body))
						got := b.do(req)
						wantPassedThrough(t, got, payload)
						if t.Failed() {
							t.Fatalf("%s, %s, %s", event, what, how)
						}
					}
				}
			}
			if name == "the observer has no room" {
				<-hanging.entered // the rest was answered while it hung
				hanging.open <- struct{}{}
			}
		})
	}
}

// The only refusals are of what no sender may send: without credentials, not JSON,
// larger than what the configuration takes, or in a coding nobody agreed on. Those
// are for whoever sends it to mend.
func TestASynchronousEventIsRefusedForItsSendersFaultsAlone(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *Config) { c.MaxBody = 1000 })
	for name, c := range map[string]struct {
		body   string
		change func(*http.Request)
		want   int
	}{
		"no credentials":      {received, func(r *http.Request) { r.Header.Del("Authorization") }, http.StatusUnauthorized},
		"not JSON":            {`{"event":{"name":"message_received"},"payload":{]}`, nil, http.StatusBadRequest},
		"deeper than any":     {`{"event":{"name":"message_received"},"payload":` + strings.Repeat("[", 800), nil, http.StatusBadRequest},
		"too large":           {padded(received, 1001), nil, http.StatusRequestEntityTooLarge},
		"too large, chunked":  {padded(received, 1001), func(r *http.Request) { r.ContentLength = -1 }, http.StatusRequestEntityTooLarge},
		"an unknown coding":   {received, func(r *http.Request) { r.Header.Set("Content-Encoding", "br") }, http.StatusUnsupportedMediaType},
		"a source of no name": {received, func(r *http.Request) { r.URL.Path = "/webhook/other" }, http.StatusNotFound},
	} {
		req := b.request(io.MultiReader(strings.NewReader(c.body)))
		req.ContentLength = int64(len(c.body))
		if c.change != nil {
			c.change(req)
		}
		got := b.do(req)
		if got.status != c.want || got.header.Get("X-Watson-Assistant-Webhook-Return") != "" {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
}

// An answer is on its way before anybody is told of it.
func TestNobodyWhoIsToldOfAnAnswerDelaysIt(t *testing.T) {
	t.Parallel()
	told := make(chan struct{})
	b := setup(t, func(c *Config) { c.OnAnswer = func(Answer) { <-told } })
	b.client.Timeout = 20 * time.Second
	got := b.post([]byte(received))
	close(told)
	wantPassedThrough(t, got, `{"input":{"text":"x"}}`)
}
