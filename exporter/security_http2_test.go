package exporter_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"cdr2otel/internal/client"
)

// framed is a connection of HTTP/2 on which anything can be sent.
type framed struct {
	*http2.Framer
	conn    *tls.Conn
	address string
	encoder *hpack.Encoder
	block   bytes.Buffer
}

func frame(t testing.TB, s *sidecar, roots *x509.CertPool) *framed {
	t.Helper()
	conn, err := tls.Dial("tcp", s.address(t), &tls.Config{RootCAs: roots, NextProtos: []string{http2.NextProtoTLS}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if got := conn.ConnectionState().NegotiatedProtocol; got != http2.NextProtoTLS {
		t.Fatalf("the listener speaks %q, not HTTP/2", got)
	}
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	f := &framed{Framer: http2.NewFramer(conn, conn), conn: conn, address: s.address(t)}
	f.encoder = hpack.NewEncoder(&f.block)
	if err := f.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	return f
}

// request is the header block of a webhook.
func (f *framed) request(token string) []byte {
	f.block.Reset()
	for _, field := range []hpack.HeaderField{
		{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "https"}, {Name: ":authority", Value: f.address},
		{Name: ":path", Value: "/webhook/default"}, {Name: "authorization", Value: token},
	} {
		_ = f.encoder.WriteField(field) // into a buffer
	}
	return f.block.Bytes()
}

// open begins a stream with a request.
func (f *framed) open(stream uint32, token string, end bool) error {
	return f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: f.request(token), EndHeaders: true, EndStream: end})
}

func TestAbuseOfHTTP2NeitherLetsAnybodyInNorStopsAuthenticWebhooks(t *testing.T) {
	t.Parallel()
	cfg, roots := secured(t)
	s := start(t, cfg, off())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	hooks := &client.Client{URL: s.URL, Secret: secret, HTTPClient: &http.Client{Transport: transport, Timeout: time.Minute}}
	good := sign(hs256, `{}`, string(secret))
	const many = 3000
	var stored int64
	for _, attack := range []struct {
		name string
		// step is repeated until the listener ends the connection, at most limit times.
		step  func(f *framed, n uint32) error
		limit uint32
		// ends says that the listener must end the connection.
		ends bool
	}{
		{"rapid reset", func(f *framed, n uint32) error {
			return errors.Join(f.open(2*n+1, "wrong", true), f.WriteRSTStream(2*n+1, http2.ErrCodeCancel))
		}, many, false},
		{"rapid reset of authentic requests without their body", func(f *framed, n uint32) error {
			return errors.Join(f.open(2*n+1, good, false), f.WriteRSTStream(2*n+1, http2.ErrCodeCancel))
		}, many, false},
		{"streams that are never ended", func(f *framed, n uint32) error { return f.open(2*n+1, "wrong", false) }, many, false},
		{"streams with bodies that are never ended", func(f *framed, n uint32) error {
			return errors.Join(f.open(2*n+1, "wrong", false), f.WriteData(2*n+1, false, make([]byte, 100)))
		}, 500, false},
		{"settings", func(f *framed, _ uint32) error { return f.WriteSettings() }, 100_000, true},
		{"pings", func(f *framed, _ uint32) error { return f.WritePing(false, [8]byte{}) }, 100_000, true},
		{"a header that never ends", func(f *framed, n uint32) error {
			if n == 0 {
				return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: f.request("wrong")})
			}
			f.block.Reset()
			_ = f.encoder.WriteField(hpack.HeaderField{Name: fmt.Sprint("x", n), Value: strings.Repeat("x", 1000)})
			return f.WriteContinuation(1, false, f.block.Bytes())
		}, 100_000, true},
		{"empty continuations", func(f *framed, n uint32) error {
			if n == 0 {
				return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: f.request("wrong")})
			}
			return f.WriteContinuation(1, false, nil)
		}, 2000, false},
		{"a header of one field of the table, over and over", func(f *framed, n uint32) error {
			// One byte each, once it is in the table.
			f.block.Reset()
			_ = f.encoder.WriteField(hpack.HeaderField{Name: "x", Value: strings.Repeat("x", 3000)})
			bomb := bytes.Repeat(f.block.Bytes()[f.block.Len()-1:], 10_000)
			return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*n + 1, BlockFragment: bomb, EndHeaders: true, EndStream: true})
		}, 50, true},
		{"priorities", func(f *framed, n uint32) error {
			return f.WritePriority(2*n+1, http2.PriorityParam{StreamDep: 2*n + 3})
		}, many, false},
		{"window updates beyond the window", func(f *framed, _ uint32) error { return f.WriteWindowUpdate(0, 1<<31-1) }, 100_000, true},
		{"data on no stream", func(f *framed, _ uint32) error { return f.WriteData(1, false, []byte("x")) }, 100_000, true},
		{"frames of no known type", func(f *framed, _ uint32) error { return f.WriteRawFrame(0xbe, 0, 0, make([]byte, 100)) }, many, false},
		{"a frame larger than agreed", func(f *framed, _ uint32) error { return f.WriteRawFrame(http2.FrameData, 0, 1, make([]byte, 1<<20)) }, 100, true},
	} {
		f := frame(t, s, roots)
		n, err := uint32(0), error(nil)
		for ; err == nil && n < attack.limit; n++ {
			err = attack.step(f, n)
		}
		if isTimeout(err) || attack.ends && !f.ended() {
			t.Errorf("%s: the connection is kept after %d: %v", attack.name, n, err)
		}
		for range 5 {
			stored++
			if status, _, err := hooks.Post(t.Context(), []byte(hook(fmt.Sprint("http2-", stored)))); err != nil || status != http.StatusOK {
				t.Errorf("after %s an authentic webhook gets status %d, error %v", attack.name, status, err)
			}
		}
		f.conn.Close()
	}
	if n := s.taken(t); n != stored {
		t.Errorf("%d events were stored, %d were authentic", n, stored)
	}
}

// ended reads until the listener ends the connection, with GOAWAY or without.
func (f *framed) ended() bool {
	for {
		read, err := f.ReadFrame()
		if err != nil {
			return !isTimeout(err)
		}
		if _, ok := read.(*http2.GoAwayFrame); ok {
			return true
		}
	}
}

// Without TLS there is no HTTP/2, whose limits are other ones.
func TestHTTP2IsNotSpokenInPlainText(t *testing.T) {
	t.Parallel()
	s := start(t, configuration(t.TempDir()), off())
	conn := dial(t, s.address(t))
	if _, err := io.WriteString(conn, http2.ClientPreface+"\x00\x00\x00\x04\x00\x00\x00\x00\x00"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 4")) && !bytes.HasPrefix(answer, []byte("HTTP/1.1 5")) {
		t.Errorf("the preface of HTTP/2 is answered %.80q, %v", answer, err)
	}
}
