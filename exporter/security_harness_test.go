package exporter_test

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"cdr2otel/exporter"
)

// off is a sidecar that exports nothing: what is under test happens before.
func off() exporter.Options {
	return exporter.Options{Getenv: environment(map[string]string{"OTEL_TRACES_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"})}
}

// address of the webhook listener.
func (s *sidecar) address(t testing.TB) string {
	t.Helper()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// taken is how many events the sidecar's ledger has accepted.
func (s *sidecar) taken(t testing.TB) int64 {
	t.Helper()
	_, r := s.readiness(t)
	return r.Events["accepted"]
}

// dial opens a connection that ends with the test.
func dial(t testing.TB, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// answer is what a listener said to a request that was sent as text.
type answer struct {
	status int
	header http.Header
	body   string
}

// say sends text on a connection of its own, because net/http would send none of
// it, and reads one answer.
func say(t testing.TB, address, text string) answer {
	t.Helper()
	conn := dial(t, address)
	defer conn.Close()
	// The listener may hang up before it has read everything.
	_, _ = io.WriteString(conn, text)
	method, _, _ := strings.Cut(text, " ")
	return heard(t, bufio.NewReader(conn), method)
}

// heard reads the answer to a request of that method.
func heard(t testing.TB, r *bufio.Reader, method string) answer {
	t.Helper()
	resp, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// line is a header line.
func line(name, value string) string { return name + ": " + value + "\r\n" }

// authorized is the header line that the platform sends.
func authorized(token string) string { return line("Authorization", token) }

// post is a POST as text, with these header lines.
func post(path, lines, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: h\r\n%sContent-Length: %d\r\nConnection: close\r\n\r\n%s", path, lines, len(body), body)
}

// hook is a small message log that is an event of its own.
func hook(id string) string {
	return `{"event":{"name":"message_logged"},"payload":{"log_id":"` + id + `","request":{},"response":{"context":{"global":{"session_id":"` + id + `"}}}}}`
}

const (
	hs256 = `{"alg":"HS256","typ":"JWT"}`
	hs512 = `{"alg":"HS512","typ":"JWT"}`
)

// sign makes a JWT of any header and any claims, without the library under test.
func sign(header, claims, key string) string {
	return signWith(sha256.New, header, claims, key)
}

func hs512Token(claims, key string) string { return signWith(sha512.New, hs512, claims, key) }

func signWith(h func() hash.Hash, header, claims, key string) string {
	encode := base64.RawURLEncoding.EncodeToString
	signing := encode([]byte(header)) + "." + encode([]byte(claims))
	mac := hmac.New(h, []byte(key))
	mac.Write([]byte(signing))
	return signing + "." + encode(mac.Sum(nil))
}
