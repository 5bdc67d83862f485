package receiver

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/sync/semaphore"
)

// ones gives n bytes, counted.
type ones struct{ left, given int64 }

func (o *ones) Read(p []byte) (int, error) {
	if o.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), o.left)
	for i := range p[:n] {
		p[i] = '1'
	}
	o.left -= n
	o.given += n
	return int(n), nil
}

func TestABodyMayHaveExactlyTheLimit(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *Config) { c.MaxBody = int64(len(cdr)) })
	wantStatus(t, b.post([]byte(cdr)), ok)
	wantStatus(t, b.post([]byte(cdr+" ")), http.StatusRequestEntityTooLarge)

	b = setup(t, func(c *Config) { c.MaxBody = 200 })
	zipped := func(body string) reply {
		req := b.request(bytes.NewReader(compressed(t, []byte(body))))
		req.Header.Set("Content-Encoding", "gzip")
		return b.do(req)
	}
	fits := cdr + strings.Repeat(" ", 200-len(cdr))
	wantStatus(t, zipped(fits), ok)
	wantStatus(t, zipped(fits+" "), http.StatusRequestEntityTooLarge)
}

func TestABodyOfTenMegabytesIsTooLarge(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	for _, declared := range []int64{10 << 20, -1} {
		body := &ones{left: 10 << 20}
		req := b.request(body)
		req.ContentLength = declared
		wantStatus(t, b.do(req), http.StatusRequestEntityTooLarge)
	}
}

func TestAGzipBombIsInflatedNoFurtherThanTheLimit(t *testing.T) {
	t.Parallel()
	const inflated = 1 << 30
	reader, writer := io.Pipe()
	go func() {
		w := gzip.NewWriter(writer)
		_, err := io.Copy(w, &ones{left: inflated})
		if err == nil {
			err = w.Close()
		}
		writer.CloseWithError(err)
	}()
	counted := &countingReader{r: reader}
	r, err := New(Config{Path: "/webhook", Sources: map[string]Source{"default": {Auth: Auth{None: true}}}, MaxBody: 1 << 20, Accept: nilAccept})
	if err != nil {
		t.Fatal(err)
	}
	status := serve(t, r, counted, "gzip", http.Header{})
	reader.Close()
	if status != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", status)
	}
	// 1 MiB of ones is about 1 kB compressed; the bomb is a thousand of that.
	if counted.n > 100<<10 {
		t.Errorf("%d bytes of the bomb were read", counted.n)
	}
}

func TestABombOfEmptyGzipMembersEndsAtTheLimitOfWhatIsSent(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *Config) { c.MaxBody = 10 << 10 })
	members := bytes.Repeat(compressed(t, nil), 10<<10)
	req := b.request(io.MultiReader(bytes.NewReader(members)))
	req.Header.Set("Content-Encoding", "gzip")
	wantStatus(t, b.do(req), http.StatusRequestEntityTooLarge)
}

func TestDamagedGzipIsMalformed(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	whole := compressed(t, sample(t, "dtmf_call.cdr.json"))
	checksum := bytes.Clone(whole)
	checksum[len(checksum)-6] ^= 1
	for name, c := range map[string]struct {
		body   []byte
		answer string
		reason Reason
	}{
		"cut in its header":   {whole[:5], `{"error":"body is gzip that ends too early"}`, ReasonCutGzip},
		"cut":                 {whole[:len(whole)/2], `{"error":"body is gzip that ends too early"}`, ReasonCutGzip},
		"cut in its checksum": {whole[:len(whole)-4], `{"error":"body is gzip that ends too early"}`, ReasonCutGzip},
		"checksum":            {checksum, `{"error":"body is not gzip"}`, ReasonGzip},
		"trailing junk":       {append(bytes.Clone(whole), "trailing junk"...), `{"error":"body is not gzip"}`, ReasonGzip},
		"empty":               {nil, `{"error":"body is not gzip"}`, ReasonGzip},
	} {
		req := b.request(bytes.NewReader(c.body))
		req.Header.Set("Content-Encoding", "gzip")
		got, answer := b.do(req), <-b.answers
		if got.status != http.StatusBadRequest || got.body != c.answer || answer.Reason != c.reason || answer.Outcome != OutcomeMalformed {
			t.Errorf("%s: %d %s, %s", name, got.status, got.body, answer.Reason)
		}
	}
}

func TestChunksWithoutEndStopAtTheLimit(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *Config) { c.MaxBody = 100 << 10 })
	conn := b.dial()
	writing := make(chan struct{})
	go func() {
		defer close(writing)
		w := bufio.NewWriter(conn)
		fmt.Fprintf(w, "POST /webhook HTTP/1.1\r\nHost: h\r\nAuthorization: %s\r\nTransfer-Encoding: chunked\r\n\r\n", token(t, secret, nil))
		for {
			if _, err := w.WriteString("400\r\n" + strings.Repeat(" ", 1024) + "\r\n"); err != nil {
				return // the server has closed
			}
		}
	}()
	wantStatus(t, b.answerOn(conn), http.StatusRequestEntityTooLarge)
	conn.Close()
	<-writing
}

func TestASlowBodyTimesOut(t *testing.T) {
	t.Parallel()
	b := setupWithLimits(t, ServerLimits{Read: 100 * time.Millisecond}, nil)
	for _, coding := range []string{"identity", "gzip"} {
		got := b.raw("POST /webhook HTTP/1.1\r\nHost: h\r\nAuthorization: " + token(t, secret, nil) +
			"\r\nContent-Encoding: " + coding + "\r\nContent-Length: 1000\r\n\r\n\x1f\x8b")
		wantStatus(t, got, http.StatusRequestTimeout)
		if a := <-b.answers; a.Reason != ReasonSlowBody || a.Outcome != OutcomeMalformed {
			t.Errorf("answer %+v", a)
		}
	}
}

func TestASlowHeaderAndAnIdleConnectionAreClosed(t *testing.T) {
	t.Parallel()
	b := setupWithLimits(t, ServerLimits{ReadHeader: 100 * time.Millisecond, Idle: 100 * time.Millisecond}, nil)
	for name, sent := range map[string]string{"nothing": "", "half a header": "POST /webhook HTTP/1.1\r\nHost"} {
		conn := b.dial()
		if _, err := io.WriteString(conn, sent); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, conn); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	conn := b.dial()
	if _, err := io.WriteString(conn, "POST /webhook HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, b.answerOn(conn), http.StatusUnauthorized)
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Error(err)
	}
}

func TestAHeaderOverTheLimitIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	got := b.withHeader(http.Header{"X-Long": {strings.Repeat("x", 70<<10)}})
	if got.status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d", got.status)
	}
}

func TestAClientThatHangsUpInTheMiddleIsMalformed(t *testing.T) {
	t.Parallel()
	for _, coding := range []string{"identity", "gzip"} {
		b := setup(t, nil)
		conn := b.dial()
		fmt.Fprintf(conn, "POST /webhook HTTP/1.1\r\nHost: h\r\nAuthorization: %s\r\nContent-Encoding: %s\r\nContent-Length: 1000\r\n\r\n\x1f\x8b", token(t, secret, nil), coding)
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		wantStatus(t, b.answerOn(conn), http.StatusBadRequest)
		if a := <-b.answers; a.Reason != ReasonBrokenBody {
			t.Errorf("%s: reason %q", coding, a.Reason)
		}
	}
}

func TestJunkAndIdleConnectionsDoNotKeepAuthenticTrafficOut(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *Config) { c.MaxInFlight = 1; c.MaxBuffered = 1 })
	unread := "POST /webhook HTTP/1.1\r\nHost: h\r\nContent-Length: 8000000\r\n\r\n{"
	for i := range 200 {
		sent := []string{"", "\x16\x03\x01 not http\r\n\r\n", "POST /webhook HTTP/1.1\r\n", unread, strings.Repeat(unread, 3)}[i%5]
		if _, err := io.WriteString(b.dial(), sent); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 {
		wantStatus(t, b.post(sample(t, "dtmf_call.cdr.json")), ok)
	}
}

func TestABodyReturnsTheMemoryItTook(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	for range 30 {
		b.post([]byte(cdr))
		b.post([]byte(`{`))
		b.post(bytes.Repeat([]byte(" "), 9<<20))
		b.withHeader(authorize(token(t, "wrong", jwt.MapClaims{})))
		b.post(sample(t, "message_received.json"))
		for _, size := range []int{10, smallBody, smallBody + 1, 1 << 20} {
			req := b.request(io.MultiReader(strings.NewReader(cdr), &ones{left: int64(size)}))
			req.ContentLength = -1
			wantStatus(t, b.do(req), http.StatusBadRequest)
		}
	}
	for range 9 * 30 {
		<-b.answers
	}
	wantIdle(t, b.receiver)
}

// wantIdle fails unless a receiver with the default limits comes to hold nothing.
func wantIdle(t *testing.T, r *Receiver) {
	t.Helper()
	const mib = 1 << 20
	for name, whole := range map[string]struct {
		of *semaphore.Weighted
		n  int64
	}{
		"small bodies": {r.small.room, 8 * mib}, "small bodies parked": {r.small.parked, 4 * mib},
		"large bodies": {r.large.room, 32 * mib}, "large bodies parked": {r.large.parked, 16 * mib},
		"storing": {r.storing, 16 * mib}, "observing": {r.observing, 8 * mib},
		"admitted": {r.admitted, 2048}, "places": {r.accepting, 1024}, "observers": {r.observers, 1024},
	} {
		if !take(t.Context(), whole.of, whole.n, time.Minute) {
			t.Errorf("%s: something is counted that nobody holds", name)
		}
		if whole.of.TryAcquire(1) {
			t.Errorf("%s: more than %d may be held", name, whole.n)
		}
	}
}
