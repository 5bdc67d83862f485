package receiver

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// untouchable fails the test when the body is read.
type untouchable struct{ t *testing.T }

func (u untouchable) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, errors.New("untouchable")
}
func (untouchable) Close() error { return nil }

// A request with every fault; each row repairs the next one. The answer is always
// that of the first fault left.
func TestChecksComeInTheirOrderAndTheBodyIsNotReadBeforeAuthentication(t *testing.T) {
	t.Parallel()
	r, err := New(Config{
		Path:    "/webhook",
		Sources: map[string]Source{"default": jwtSource()},
		MaxBody: 1000,
		Accept:  nilAccept,
	})
	if err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequest("GET", "/other", nil)
	req.Header.Set("Content-Type", "multipart/form-data")
	req.Header.Set("Content-Encoding", "zstd")
	req.ContentLength = 1001
	steps := []struct {
		repair func()
		want   int
	}{
		{func() {}, http.StatusMethodNotAllowed},
		{func() { req.Method = "POST" }, http.StatusNotFound},
		{func() { req.URL.Path = "/webhook" }, http.StatusUnsupportedMediaType},
		{func() { req.Header.Set("Content-Type", "application/json") }, http.StatusUnsupportedMediaType},
		{func() { req.Header.Set("Content-Encoding", "gzip") }, http.StatusRequestEntityTooLarge},
		{func() { req.ContentLength = 1000 }, http.StatusUnauthorized},
		{func() { req.ContentLength = -1 }, http.StatusUnauthorized},
	}
	for i, step := range steps {
		step.repair()
		req.Body = untouchable{t}
		recorder := httptest.NewRecorder()
		r.ServeHTTP(recorder, req)
		if recorder.Code != step.want {
			t.Errorf("step %d: status %d, want %d", i, recorder.Code, step.want)
		}
	}
	// Authentic from here on.
	req.Header.Set("Authorization", token(t, secret, nil))
	bodies := []struct {
		body string
		want int
	}{
		{strings.Repeat("{", 500), http.StatusBadRequest}, // not gzip
		{string(compressed(t, []byte(strings.Repeat("{", 1001)))), http.StatusRequestEntityTooLarge},
		{string(compressed(t, []byte(strings.Repeat("{", 1000)))), http.StatusBadRequest},
		{string(compressed(t, []byte(cdr))), http.StatusOK},
	}
	for i, b := range bodies {
		req.Body = io.NopCloser(strings.NewReader(b.body))
		recorder := httptest.NewRecorder()
		r.ServeHTTP(recorder, req)
		if recorder.Code != b.want {
			t.Errorf("body %d: status %d, want %d", i, recorder.Code, b.want)
		}
	}
}

func TestABodyThatNeverComesDoesNotDelayItsRefusal(t *testing.T) {
	t.Parallel()
	const length = "Content-Length: 1000\r\n"
	const chunked = "Transfer-Encoding: chunked\r\n"
	cases := []struct {
		name, head string
		want       int
	}{
		{"unauthenticated", "POST /webhook HTTP/1.1\r\nHost: h\r\n" + length, http.StatusUnauthorized},
		{"unauthenticated, chunked", "POST /webhook HTTP/1.1\r\nHost: h\r\n" + chunked, http.StatusUnauthorized},
		{"unauthenticated, gzip", "POST /webhook HTTP/1.1\r\nHost: h\r\nContent-Encoding: gzip\r\n" + length, http.StatusUnauthorized},
		{"unauthenticated, expects 100", "POST /webhook HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n" + length, http.StatusUnauthorized},
		{"wrong method", "PUT /webhook HTTP/1.1\r\nHost: h\r\n" + length, http.StatusMethodNotAllowed},
		{"wrong source", "POST /webhook/x HTTP/1.1\r\nHost: h\r\n" + chunked, http.StatusNotFound},
		{"declared too large", "POST /webhook HTTP/1.1\r\nHost: h\r\nContent-Length: 9999999999\r\n", http.StatusRequestEntityTooLarge},
	}
	b := setup(t, nil)
	for _, c := range cases {
		got := b.raw(c.head + "\r\n")
		wantStatus(t, got, c.want)
		if !got.closes {
			t.Errorf("%s: the connection is kept for a body nobody reads", c.name)
		}
	}
}

func TestARefusalWithoutBodyKeepsTheConnectionOfAnAuthenticSenderAlone(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	for name, request := range map[string]string{
		"no credentials": refusedRequest,
		"unknown source": "POST /absent HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
		"method":         "GET /webhook HTTP/1.1\r\nHost: h\r\n\r\n",
	} {
		authentic, stranger := b.dial(), b.dial()
		b.postOn(authentic)
		for range 3 {
			if _, err := io.WriteString(authentic, request); err != nil {
				t.Fatal(err)
			}
			if got := b.answerOn(authentic); got.closes || got.status < 400 {
				t.Errorf("%s: status %d, the connection is closed: %t", name, got.status, got.closes)
			}
		}
		if _, err := io.WriteString(stranger, request); err != nil {
			t.Fatal(err)
		}
		if got := b.answerOn(stranger); !got.closes {
			t.Errorf("%s: a stranger's connection is kept", name)
		}
	}
}
