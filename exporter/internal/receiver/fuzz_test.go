package receiver

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"
)

type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// serve posts a body of unknown length without a connection.
func serve(t testing.TB, r *Receiver, body io.Reader, coding string, header http.Header) int {
	t.Helper()
	req := httptest.NewRequest(http.MethodPost, "/webhook", io.MultiReader(body))
	req.Header = header
	req.Header.Set("Content-Encoding", coding)
	recorder := httptest.NewRecorder()
	r.ServeHTTP(recorder, req)
	return recorder.Code
}

// FuzzAuthenticate: no panic, and nobody gets in without the secret.
func FuzzAuthenticate(f *testing.F) {
	good := token(f, secret, jwt.MapClaims{})
	for _, seed := range []string{good, "Bearer " + good, token(f, "", nil), "a.b.c", "..", "Basic dTpw", "Bearer", "open sesame"} {
		f.Add(seed, "")
		f.Add("", seed)
		f.Add(seed, good)
	}
	auths := map[string]Auth{
		"jwt":    {JWT: &JWTAuth{Secrets: secrets(secret, "other"), Algorithms: []string{"HS256"}}},
		"header": {Header: &HeaderAuth{Name: "Authorization", Values: secrets("open sesame")}},
		"basic":  {Basic: &BasicAuth{Username: "u", Passwords: secrets("p")}},
	}
	ready, err := prepare(map[string]Source{
		"jwt": {Auth: auths["jwt"]}, "header": {Auth: auths["header"]}, "basic": {Auth: auths["basic"]},
	}, nowOf)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		h := http.Header{}
		if first != "" {
			h["Authorization"] = []string{first}
		}
		if second != "" {
			h["Authentication"] = []string{second}
		}
		sent := first + " " + second
		if ready["header"].auth.authenticate(h) == nil && !strings.Contains(sent, "open sesame") {
			t.Errorf("static header: %q got in", sent)
		}
		if ready["basic"].auth.authenticate(h) == nil && !strings.Contains(sent, "dTpw") {
			t.Errorf("basic: %q got in", sent)
		}
		if ready["jwt"].auth.authenticate(h) == nil && !signedByUs(first) && !signedByUs(second) {
			t.Errorf("jwt: %q got in", sent)
		}
	})
}

// signedByUs is written without the library under test.
func signedByUs(value string) bool {
	fields := strings.Fields(value)
	if len(fields) == 0 {
		return false
	}
	credential := fields[len(fields)-1]
	dot := strings.LastIndexByte(credential, '.')
	if dot < 0 {
		return false
	}
	got, err := base64.RawURLEncoding.DecodeString(credential[dot+1:])
	if err != nil {
		return false
	}
	for _, key := range []string{secret, "other"} {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write([]byte(credential[:dot]))
		if hmac.Equal(got, mac.Sum(nil)) {
			return true
		}
	}
	return false
}

// FuzzEnvelope: no panic, the payload is a piece of the body and JSON, plain or
// through the inflater.
func FuzzEnvelope(f *testing.F) {
	names, err := filepath.Glob("testdata/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		body, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
		f.Add(compressed(f, body))
	}
	for _, seed := range []string{cdr, `{"event":{"name":"message_received"},"payload":[1]}`, `{"session_initiation_protocol":1}`, `{"event":{"name":`} {
		f.Add([]byte(seed))
	}
	r, err := New(Config{Path: "/webhook", Sources: map[string]Source{"default": {Auth: Auth{None: true}}}, MaxBody: 1 << 20, Accept: nilAccept})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := parseEnvelope(body)
		plain := serve(t, r, bytes.NewReader(body), "", http.Header{})
		if (err == nil) != (plain == http.StatusOK) && len(body) <= 1<<20 {
			t.Errorf("parsed %v, answered %d", err, plain)
		}
		if status := serve(t, r, bytes.NewReader(body), "gzip", http.Header{}); status >= 500 {
			t.Errorf("gzip: status %d", status)
		}
		if err != nil || e.payload == nil {
			return
		}
		valid := jsontext.Value(e.payload).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
		if !valid || !bytes.Contains(body, e.payload) {
			t.Errorf("payload %q of %q", e.payload, body)
		}
	})
}
