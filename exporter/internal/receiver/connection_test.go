package receiver

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// opened dials n connections and sends each of them the text.
func (b *bundle) opened(n int, sent string) []net.Conn {
	b.t.Helper()
	conns := make([]net.Conn, n)
	for i := range conns {
		conns[i] = b.dial()
		// A connection that was cut meanwhile may refuse it.
		_, _ = io.WriteString(conns[i], sent)
	}
	return conns
}

// wantCut fails unless the server closes the connection.
func wantCut(t *testing.T, what string, conn net.Conn) {
	t.Helper()
	answer, err := io.ReadAll(conn)
	if err != nil && isTimeout(err) || len(answer) > 0 {
		t.Errorf("%s was not cut: %q, %v", what, answer, err)
	}
}

func TestAboveTheLimitTheConnectionThatWaitedLongestMakesRoom(t *testing.T) {
	t.Parallel()
	b := setupWithLimits(t, ServerLimits{MaxConnections: 10, ReadHeader: time.Hour, Idle: time.Hour, Read: time.Hour}, nil)
	first := b.opened(5, "")
	last := b.opened(10, "POST /webhook HTTP/1.1\r\n")
	for _, conn := range first {
		wantCut(t, "a connection that never sent anything", conn)
	}
	wantStatus(t, b.post([]byte(cdr)), ok)
	// The newest still are heard.
	if _, err := io.WriteString(last[9], strings.TrimPrefix(refusedRequest, "POST /webhook HTTP/1.1\r\n")); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, b.answerOn(last[9]), http.StatusUnauthorized)
}

func TestUnfinishedHeadersTakeNoMoreMemoryThanTheirBudget(t *testing.T) {
	t.Parallel()
	b := setupWithLimits(t, ServerLimits{ReadHeader: time.Hour}, nil)
	const each = 15 << 10
	enough := maxCharged/(each-freeBytes) + 1
	conns := b.opened(enough+20, "POST /webhook HTTP/1.1\r\n"+strings.Repeat("x:\r\n", each/4))
	for _, conn := range conns[:20] {
		wantCut(t, "an old unfinished header", conn)
	}
	wantStatus(t, b.post([]byte(cdr)), ok)
	if _, err := io.WriteString(conns[len(conns)-1], "Host: h\r\nContent-Length: 0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, b.answerOn(conns[len(conns)-1]), http.StatusUnauthorized)
}

func TestARequestThatIsWorkedOnIsNeverCut(t *testing.T) {
	t.Parallel()
	gate := newGate()
	b := setupWithLimits(t, ServerLimits{MaxConnections: 3}, func(c *Config) { c.Accept = gate.accept })
	conn := b.dial()
	fmt.Fprintf(conn, "POST /webhook HTTP/1.1\r\nHost: h\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n%s", token(t, secret, nil), len(cdr), cdr)
	<-gate.entered
	for _, stranger := range b.opened(20, "")[:17] {
		wantCut(t, "a stranger's connection", stranger)
	}
	close(gate.open)
	wantStatus(t, b.answerOn(conn), ok)
}

// A refused connection is closed half a second after its answer.
func TestRefusedConnectionsKeepNobodyOut(t *testing.T) {
	t.Parallel()
	b := setupWithLimits(t, ServerLimits{MaxConnections: 2}, nil)
	for range 20 {
		conn := b.dial()
		if _, err := io.WriteString(conn, "POST /webhook HTTP/1.1\r\nHost: h\r\nContent-Length: 8000000\r\n\r\n{"); err != nil {
			t.Fatal(err)
		}
		wantStatus(t, b.answerOn(conn), http.StatusUnauthorized)
	}
	wantStatus(t, b.post([]byte(cdr)), ok)
}

func TestConnectionsThatEndedDoNotCount(t *testing.T) {
	t.Parallel()
	c := newConnections(2, maxCharged, time.Minute)
	for n := range 10 {
		one, other := net.Pipe()
		conn := c.add(one)
		go func() { _, _ = other.Write([]byte(strings.Repeat("x", 4096))) }()
		if _, err := io.ReadFull(conn, make([]byte, 4096)); err != nil {
			t.Fatal(err)
		}
		c.state(conn, http.StateActive)
		if n%2 == 0 {
			req := httptest.NewRequest(http.MethodPost, "/", nil)
			markAuthenticated(req.WithContext(c.context(req.Context(), conn)))
		}
		c.state(conn, http.StateIdle)
		for range 2 { // net/http may close twice
			if err := conn.Close(); err != nil {
				t.Fatal(err)
			}
		}
		c.state(conn, http.StateIdle)
	}
	if c.open != 0 || c.charged != 0 || c.strangers.Len() != 0 || c.kept.Len() != 0 {
		t.Errorf("%d open, %d bytes charged, %d strangers, %d kept; want none", c.open, c.charged, c.strangers.Len(), c.kept.Len())
	}
}
