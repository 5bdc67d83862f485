package exporter_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// strangersEnv is how many connections each attack of strangers opens. Above 3 072 they
// push each other out, see receiver.Connections.
const strangersEnv = "CDR2OTEL_TEST_STRANGERS"

// shippedMemory is what the examples give the sidecar, in bytes, and shippedLimit what
// they tell Go's runtime of it.
const (
	shippedMemory = 256 << 20
	shippedLimit  = "GOMEMLIMIT=230MiB"
)

func strangers(t *testing.T) int {
	t.Helper()
	text := os.Getenv(strangersEnv)
	if text == "" {
		return 200
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q: want a number", strangersEnv, text)
	}
	return n
}

// A keeper is a sender that keeps its connection, as the platform or a proxy does.
type keeper struct {
	t      *testing.T
	conn   net.Conn
	r      *bufio.Reader
	stream *steady // counts its webhooks, too
	posted int
}

// post sends one webhook and wants it acknowledged on the same connection.
func (k *keeper) post(when string) {
	k.t.Helper()
	k.posted++
	began, body := time.Now(), hook(fmt.Sprint("kept-", k.posted))
	if err := k.conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		k.t.Fatal(err)
	}
	_, err := fmt.Fprintf(k.conn, "POST /webhook/default HTTP/1.1\r\nHost: h\r\n%sContent-Length: %d\r\n\r\n%s", authorized(sign(hs256, `{}`, string(secret))), len(body), body)
	if err != nil {
		k.t.Fatalf("%s: a kept connection is cut: %v", when, err)
	}
	answer, err := http.ReadResponse(k.r, nil)
	if err != nil {
		k.t.Fatalf("%s: a webhook on a kept connection is lost: %v", when, err)
	}
	_, _ = io.Copy(io.Discard, answer.Body) // two bytes
	if answer.StatusCode != got200 {
		k.t.Fatalf("%s: a webhook on a kept connection gets status %d", when, answer.StatusCode)
	}
	k.stream.acknowledged(time.Since(began))
}

func TestStrangersNeitherLockOutNorCutAuthenticSendersInTheMemoryOfTheExamples(t *testing.T) {
	n := strangers(t)
	cfg, roots := secured(t)
	hello := clientHello(t)
	// As many as it takes until the listener hangs in its answers.
	unread := strings.Repeat("POST /webhook/default HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", 300)
	large := "POST /webhook/default HTTP/1.1\r\nHost: h\r\n" + shortLines(14<<10)
	for _, listener := range []struct {
		name   string
		env    []string
		client *tls.Config // nil is plain text
	}{
		{"plain text", nil, nil},
		{"TLS", []string{certificateEnv + "=" + cfg.Webhook.TLS.CertFile, keyEnv + "=" + cfg.Webhook.TLS.KeyFile}, &tls.Config{RootCAs: roots}},
	} {
		f := newFlooded(t, append(listener.env, shippedLimit)...)
		f.client = listener.client
		if !raceEnabled {
			f.limit = shippedMemory
		}
		before := f.most()
		stream := f.stream()
		kept := f.keep(stream)
		kept.post("at first")
		for _, attack := range []struct {
			name   string
			client *tls.Config
			text   string
		}{
			{"silent sockets", nil, ""},
			{"half a TLS handshake", nil, hello},
			{"silent connections", f.client, ""},
			{"answers that nobody reads", f.client, unread},
			{"large headers, and answers that nobody reads", f.client, unread + large + "Content-Length: 0\r\n\r\n"},
			{"refused bodies that never come", f.client, large + "Content-Length: 9\r\n\r\n"},
		} {
			sent, began := stream.count.Load(), time.Now()
			for i := range n {
				f.stranger(attack.client, attack.text)
				if i%500 == 0 {
					kept.post(attack.name)
				}
			}
			kept.post(attack.name)
			stream.awaitMore(sent + 20)
			t.Logf("%s, %s: %d connections in %v, memory %d MB", listener.name, attack.name, n, time.Since(began).Round(time.Millisecond), f.most()>>20)
			f.letGo()
		}
		f.conclude(stream, "connections of strangers", 0, before)
	}
}

// keep opens a connection of an authentic sender.
func (f *flooded) keep(stream *steady) *keeper {
	f.t.Helper()
	conn := dial(f.t, f.address)
	if f.client != nil {
		client := f.client.Clone()
		client.ServerName = "127.0.0.1"
		conn = tls.Client(conn, client)
	}
	return &keeper{t: f.t, conn: conn, r: bufio.NewReader(conn), stream: stream}
}

// stranger opens a connection that is held, with TLS unless client is nil, takes as
// little as can be of what the listener says, and sends text.
func (f *flooded) stranger(client *tls.Config, text string) {
	f.t.Helper()
	narrow := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096)
			_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, 536)
		})
	}}
	conn, err := narrow.DialContext(f.t.Context(), "tcp", f.address)
	if err != nil {
		f.t.Fatal(err)
	}
	f.held = append(f.held, conn)
	f.tried.Add(1)
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if client != nil {
		client = client.Clone()
		client.ServerName = "127.0.0.1"
		conn = tls.Client(conn, client)
	}
	_, _ = io.WriteString(conn, text) // it may be cut, or not be taken to its end
	if secure, ok := conn.(*tls.Conn); ok && text == "" {
		_ = secure.HandshakeContext(f.t.Context()) // likewise
	}
}

// clientHello is the beginning of a TLS handshake.
func clientHello(t *testing.T) string {
	t.Helper()
	ours, theirs := net.Pipe()
	defer ours.Close()
	go func() {
		_ = tls.Client(theirs, &tls.Config{ServerName: "h"}).Handshake() // never ends
		theirs.Close()
	}()
	hello := make([]byte, 4096)
	read, err := ours.Read(hello)
	if err != nil {
		t.Fatal(err)
	}
	return string(hello[:read])
}
