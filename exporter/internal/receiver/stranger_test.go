package receiver

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// refusedRequest is answered 401.
const refusedRequest = "POST /webhook HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"

// flood is longer than what the system takes of an answer that nobody reads.
var flood = make([]byte, 32<<20)

// floods serves answers of that length, and says of each that it begins.
func floods(t *testing.T, limits ServerLimits, authentic bool) (address string, begun chan struct{}) {
	t.Helper()
	begun = make(chan struct{}, 100)
	var handler http.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		begun <- struct{}{}
		if req.URL.Path == "/flood" {
			_, _ = w.Write(flood) // nobody reads it
		}
	})
	if authentic {
		handler = Authenticated(handler)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := NewServer(handler, limits, nil)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close() // of the listener, too
		<-served
	})
	return listener.Addr().String(), begun
}

// ask sends a request on a connection of its own, of which nothing is read.
func ask(t *testing.T, address, path string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", path); err != nil {
		t.Fatal(err)
	}
	return conn
}

// wantReset fails unless the server resets the connection. Nothing is read of it,
// because that would have the server go on.
func wantReset(t *testing.T, what string, conn net.Conn) {
	t.Helper()
	var err error
	for err == nil { // until it is reset, or the system takes no more
		_, err = conn.Write(make([]byte, 64<<10))
	}
	if isTimeout(err) {
		t.Errorf("%s keeps its connection", what)
	}
}

// postOn sends an authentic webhook on a connection that is kept.
func (b *bundle) postOn(conn net.Conn) {
	b.t.Helper()
	_, err := fmt.Fprintf(conn, "POST /webhook HTTP/1.1\r\nHost: h\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n%s", token(b.t, secret, nil), len(cdr), cdr)
	if err != nil {
		b.t.Fatal(err)
	}
	wantStatus(b.t, b.answerOn(conn), ok)
}

func isTimeout(err error) bool {
	timeout, is := err.(net.Error)
	return is && timeout.Timeout()
}

func TestStrangersWhoReadNoAnswerKeepNobodyOut(t *testing.T) {
	t.Parallel()
	address, begun := floods(t, ServerLimits{MaxConnections: 3, Stall: time.Hour, Write: time.Hour}, false)
	var strangers []net.Conn
	for range 3 {
		strangers = append(strangers, ask(t, address, "/flood"))
		<-begun
	}
	if answer, err := http.ReadResponse(bufio.NewReader(ask(t, address, "/")), nil); err != nil || answer.StatusCode != ok {
		t.Errorf("a client that reads its answer gets %v, %v", answer, err)
	}
	wantReset(t, "the stranger who has read nothing for longest", strangers[0])
}

func TestAClientThatReadsNoAnswerIsCut(t *testing.T) {
	t.Parallel()
	for what, authentic := range map[string]bool{"a stranger": false, "an authentic client": true} {
		address, begun := floods(t, ServerLimits{Stall: 10 * time.Millisecond, Write: time.Hour}, authentic)
		conn := ask(t, address, "/flood")
		<-begun
		wantReset(t, what, conn)
	}
}

// A large answer is slow on a slow line: that is no stall.
func TestALargeAnswerMayTakeLongerThanAStall(t *testing.T) {
	t.Parallel()
	served, client := net.Pipe()
	c := newConnections(10, maxCharged, time.Minute)
	conn := c.add(served)
	defer conn.Close()
	answer := bytes.Repeat([]byte("x"), 10*stallBytes)
	var began []time.Time
	written := make(chan error, 1)
	recorded := &deadlines{Conn: served, times: &began}
	conn.Conn = recorded
	go func() {
		_, err := conn.Write(answer)
		written <- err
	}()
	if _, err := io.CopyN(io.Discard, client, int64(len(answer))); err != nil {
		t.Fatal(err)
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if len(began) != 10 {
		t.Errorf("%d deadlines were set for 10 parts", len(began))
	}
}

// deadlines records the deadlines for writing.
type deadlines struct {
	net.Conn
	times *[]time.Time
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	*d.times = append(*d.times, t)
	return d.Conn.SetWriteDeadline(t)
}

func TestNoPartOfAnAnswerOutlivesTheDeadlineOfTheWhole(t *testing.T) {
	t.Parallel()
	served, _ := net.Pipe()
	conn := newConnections(10, maxCharged, time.Hour).add(served)
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("x")); err == nil || !isTimeout(err) {
		t.Errorf("error %v, want a deadline", err)
	}
}

func TestStrangersDoNotCutAConnectionThatWasAuthenticated(t *testing.T) {
	t.Parallel()
	b := setupWithLimits(t, ServerLimits{MaxConnections: 10, ReadHeader: time.Hour, Idle: time.Hour, Read: time.Hour}, nil)
	kept := b.dial()
	b.postOn(kept)
	for _, sent := range []string{"", "POST /webhook HTTP/1.1\r\n", refusedRequest, "POST /webhook HTTP/1.1\r\nHost: h\r\nContent-Length: 8000000\r\n\r\n{"} {
		b.opened(50, sent)
		b.postOn(kept)
	}
	// Nor do those who take the memory for headers.
	enough := maxCharged/(15<<10-freeBytes) + 1
	b.opened(enough+20, "POST /webhook HTTP/1.1\r\n"+strings.Repeat("x:\r\n", 15<<10/4))
	b.postOn(kept)
}

// Else those who were authenticated once would keep all others out.
func TestAThirdOfTheConnectionsIsForThoseNotAuthenticatedYet(t *testing.T) {
	t.Parallel()
	b := setupWithLimits(t, ServerLimits{MaxConnections: 9, ReadHeader: time.Hour, Idle: time.Hour, Read: time.Hour}, nil)
	authentic := make([]net.Conn, 9)
	for i := range authentic {
		authentic[i] = b.dial()
		b.postOn(authentic[i])
	}
	b.opened(20, "")
	// Three of nine places are the strangers', with the next one it is four.
	for _, conn := range authentic[:3] {
		wantCut(t, "an authentic connection that was idle for longest", conn)
	}
	for _, conn := range authentic[3:] {
		b.postOn(conn)
	}
}

// What is read already is nearly answered, however busy the machine is.
func TestAStrangerIsNotCutBetweenItsRequestAndItsAnswer(t *testing.T) {
	t.Parallel()
	c := newConnections(3, maxCharged, time.Minute)
	opened := func() *connection {
		one, other := net.Pipe()
		t.Cleanup(func() { one.Close(); other.Close() })
		return c.add(one)
	}
	conn := opened()
	c.state(conn, http.StateActive)
	for range 10 {
		opened()
	}
	if conn.closed {
		t.Error("it was cut before its answer")
	}
	if err := conn.SetWriteDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	_, _ = conn.Write([]byte("x")) // nobody reads it
	opened()
	if !conn.closed {
		t.Error("its answer is not read, and it is kept")
	}
}

// A header that was read is held for as long as its answer is not.
func TestTheHeaderOfAStrangerIsChargedUntilItsAnswerWasTaken(t *testing.T) {
	t.Parallel()
	one, other := net.Pipe()
	defer other.Close()
	c := newConnections(10, maxCharged, time.Minute)
	conn := c.add(one)
	defer conn.Close()
	go func() { _, _ = other.Write(make([]byte, 4096)) }()
	if _, err := io.ReadFull(conn, make([]byte, 4096)); err != nil {
		t.Fatal(err)
	}
	c.state(conn, http.StateActive)
	if c.charged == 0 {
		t.Error("nothing is charged while a stranger is answered")
	}
	_ = conn.CloseWrite() // a pipe has no halves
	if c.charged == 0 {
		t.Error("nothing is charged while the connection ends")
	}
	c.state(conn, http.StateIdle)
	if c.charged != 0 {
		t.Errorf("%d bytes are charged after the answer", c.charged)
	}
}

func TestTheHeaderOfAnAnsweredRequestIsGivenUp(t *testing.T) {
	t.Parallel()
	req := httptest.NewRequest(http.MethodPost, "/", nil)
	req.Header.Set("X", "x")
	released(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		if req.Header.Get("X") != "x" {
			t.Error("the handler does not see the header")
		}
	})).ServeHTTP(httptest.NewRecorder(), req)
	if req.Header != nil {
		t.Error("it is held after the answer")
	}
}

// net/http would read such a request as chunked, and a proxy in front perhaps as one of
// that length: what is left belongs to no request.
func TestAConnectionEndsAfterARequestThatMayEndElsewhere(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	credentials := "Authorization: " + token(t, secret, nil) + "\r\n"
	chunks := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(cdr), cdr)
	for name, c := range map[string]struct {
		request string
		want    int
	}{
		"chunked with a length":               {"POST /webhook HTTP/1.1\r\nHost: h\r\n" + credentials + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks, ok},
		"chunked with a length, refused":      {"POST /webhook HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", unauthorized},
		"chunked":                             {"POST /webhook HTTP/1.1\r\nHost: h\r\n" + credentials + "Transfer-Encoding: chunked\r\n\r\n" + chunks, ok},
		"HTTP/1.0, chunked with a length":     {"POST /webhook HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n" + credentials + fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n%s", len(cdr), cdr), ok},
		"HTTP/1.0, chunked, refused":          {"POST /webhook HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n", unauthorized},
		"HTTP/1.0 that wants to be kept open": {"POST /webhook HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n" + credentials + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(cdr), cdr), ok},
	} {
		conn := b.dial()
		b.postOn(conn) // else a refusal would end it anyhow
		if _, err := io.WriteString(conn, c.request+refusedRequest); err != nil {
			t.Fatal(err)
		}
		answers, err := io.ReadAll(conn)
		if err != nil && isTimeout(err) {
			t.Errorf("%s: the connection is kept", name)
			continue
		}
		first := b.answerOn(bytes.NewReader(answers))
		if n := strings.Count(string(answers), "HTTP/1."); n != 1 || first.status != c.want || !first.closes {
			t.Errorf("%s: %d answers, the first with status %d, want %d: %.200q", name, n, first.status, c.want, answers)
		}
	}
}
