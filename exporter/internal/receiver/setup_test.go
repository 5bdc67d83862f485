package receiver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.uber.org/goleak"
)

// A connection on which a body was left unread is closed by net/http 500 ms after
// the answer, so that the client gets to read it.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

const secret = "purple unicorn"

// instant is the clock of every test: that of the recorded tokens.
var instant = time.Unix(1709650810, 0)

// bundle is a receiver behind a real server on loopback.
type bundle struct {
	t        *testing.T
	receiver *Receiver
	address  string
	client   *http.Client
	answers  chan Answer // one for each request

	mu     sync.Mutex
	events []Event // given to Accept; guarded by mu
}

func jwtSource() Source {
	return Source{Auth: Auth{JWT: &JWTAuth{Secrets: []configopaque.String{secret}, Leeway: time.Minute}}}
}

func setup(t *testing.T, change func(*Config)) *bundle {
	t.Helper()
	return setupWithLimits(t, ServerLimits{}, change)
}

func setupWithLimits(t *testing.T, limits ServerLimits, change func(*Config)) *bundle {
	t.Helper()
	b := &bundle{t: t, answers: make(chan Answer, 1000)}
	cfg := Config{
		Path:     "/webhook",
		Sources:  map[string]Source{"default": jwtSource()},
		Now:      func() time.Time { return instant },
		OnAnswer: func(a Answer) { b.answers <- a },
		Accept: func(_ context.Context, e Event) (Outcome, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.events = append(b.events, e)
			return OutcomeAccepted, nil
		},
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	if b.receiver, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.address = listener.Addr().String()
	server := NewServer(b.receiver, limits, nil)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	transport := &http.Transport{}
	b.client = &http.Client{Transport: transport, Timeout: time.Minute}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		b.receiver.Wait()
	})
	return b
}

func (b *bundle) accepted() []Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]Event(nil), b.events...)
}

// reply is an answer with its body read.
type reply struct {
	status int
	header http.Header
	body   string
	closes bool // the connection
}

// request is a signed POST of body to /webhook.
func (b *bundle) request(body io.Reader) *http.Request {
	b.t.Helper()
	req, err := http.NewRequest(http.MethodPost, "http://"+b.address+"/webhook", body)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Authorization", token(b.t, secret, jwt.MapClaims{}))
	req.Header.Set("Content-Type", "application/json")
	return req
}

func (b *bundle) do(req *http.Request) reply {
	b.t.Helper()
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(body), resp.Close}
}

func (b *bundle) post(body []byte) reply {
	b.t.Helper()
	return b.do(b.request(bytes.NewReader(body)))
}

// withHeader posts a CDR with these header lines instead of the token.
func (b *bundle) withHeader(header http.Header) reply {
	b.t.Helper()
	req := b.request(bytes.NewReader(sample(b.t, "failed_without_turns.cdr.json")))
	req.Header.Del("Authorization")
	for name, values := range header {
		req.Header[name] = values
	}
	return b.do(req)
}

// dial opens a raw connection for what net/http would not send.
func (b *bundle) dial() net.Conn {
	b.t.Helper()
	conn, err := net.Dial("tcp", b.address)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		b.t.Fatal(err)
	}
	return conn
}

func token(t testing.TB, key string, claims jwt.MapClaims) string {
	t.Helper()
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func sample(t testing.TB, name string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func wantStatus(t *testing.T, got reply, status int) {
	t.Helper()
	if got.status != status {
		t.Fatalf("status %d, want %d; body %s", got.status, status, got.body)
	}
}

// stuck sends a webhook that will not be answered, on a connection of its own, and
// returns once all of it is on its way.
func (b *bundle) stuck(body string) {
	b.t.Helper()
	_, err := fmt.Fprintf(b.dial(), "POST /webhook HTTP/1.1\r\nHost: h\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n%s",
		token(b.t, secret, nil), len(body), body)
	if err != nil {
		b.t.Fatal(err)
	}
}
