package exporter_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"cdr2otel/internal/client"
	"cdr2otel/internal/otlptest"
)

// floodMemory is the memory, in bytes, that no flood may exceed. Under the race
// detector objects and stacks are larger.
var floodMemory = map[bool]int64{false: 400 << 20, true: 512 << 20}[raceEnabled]

// patience is how long an authentic webhook may take during a flood, on a machine
// that the tests of other packages use too.
const patience = 20 * time.Second

// flooded is a sidecar in a process of its own, under attack while a steady stream
// of authentic webhooks goes on.
type flooded struct {
	*process
	t       *testing.T
	limit   int64        // of its memory, in bytes
	client  *tls.Config  // of authentic senders; nil is plain text
	target  string       // URL of the default source
	address string       // host:port of it
	tried   atomic.Int64 // connections and requests of the attackers
	held    []net.Conn   // connections that stay open to the end
}

// newFlooded launches a sidecar with these variables.
func newFlooded(t *testing.T, env ...string) *flooded {
	t.Helper()
	needProc(t)
	receiver := otlptest.New(t, otlptest.Options{Discard: true})
	f := &flooded{t: t, limit: floodMemory, process: &process{t: t, dir: t.TempDir(), endpoint: receiver.GRPCEndpoint(), env: env, up: make(chan struct{})}}
	t.Cleanup(f.kill)
	f.launch()
	f.target = f.await(t.Context())
	target, err := url.Parse(f.target)
	if err != nil {
		t.Fatal(err)
	}
	f.address = target.Host
	t.Cleanup(f.letGo)
	return f
}

func TestFloodsNeitherStopAuthenticWebhooksNorTakeMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("opens ten thousand connections: run without -short")
	}
	f := newFlooded(t)
	before := f.most()
	stream := f.stream()
	for _, attack := range []struct {
		name string
		run  func()
	}{
		{"idle connections", f.idle},
		{"headers that never end", func() { f.hold(1000, "POST /webhook/default HTTP/1.1\r\nHost: h\r\nX: "+strings.Repeat("x", 14<<10)) }},
		{"headers of many short lines that never end", func() { f.hold(1000, "POST /webhook/default HTTP/1.1\r\nHost: h\r\n"+shortLines(14<<10)) }},
		{"bodies that never come, without credentials", func() { f.hold(1000, unfinished("", 8<<20)) }},
		{"small bodies that never come, with credentials", func() { f.hold(200, unfinished(f.credentials(), 2000)) }},
		{"answers that nobody reads", func() {
			f.hold(20, strings.Repeat("POST /webhook/default HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", 500))
		}},
		{"junk", f.junk},
		{"chunks without end", f.chunks},
	} {
		sent, began, tried := stream.count.Load(), time.Now(), f.tried.Load()
		attack.run()
		stream.awaitMore(sent + 20) // it goes on while what is held is held
		t.Logf("%s: %d tried in %v, memory %d MB", attack.name, f.tried.Load()-tried, time.Since(began).Round(time.Millisecond), f.most()>>20)
	}
	f.letGo()
	f.conclude(stream, "bad connections", 0, before)
}

// conclude ends the stream and the sidecar. Besides the stream's webhooks the
// ledger must have hostile others.
func (f *flooded) conclude(stream *steady, what string, hostile, before int64) {
	t := f.t
	t.Helper()
	acknowledged, slowest := stream.end()
	// What was hostile and stored is exported, or a dead letter. The stream's own
	// messages wait for the rest of their conversation.
	ledger := f.ledger(t.Context())
	for deadline := time.Now().Add(time.Minute); ledger["pending"] > acknowledged && time.Now().Before(deadline); {
		ledger = f.ledger(t.Context())
	}
	if ledger["pending"] > acknowledged {
		t.Errorf("the ledger stays at %v", ledger)
	}
	peak := f.most()
	letIn := ledger["accepted"] - acknowledged - hostile
	t.Logf("%d %s tried; %d authentic webhooks meanwhile, all answered 200, the slowest in %v; let in: %d; memory %d MB before, %d MB at most",
		f.tried.Load(), what, acknowledged, slowest.Round(time.Millisecond), letIn, before>>20, peak>>20)
	if letIn != 0 {
		t.Errorf("%d events were stored, %d from the stream and %d hostile ones were acknowledged", ledger["accepted"], acknowledged, hostile)
	}
	if peak > f.limit {
		t.Errorf("it took %d MB, more than %d MB", peak>>20, f.limit>>20)
	}
	if slowest > patience {
		t.Errorf("an authentic webhook took %v", slowest)
	}
	f.terminate()
}

// most returns the most memory, in bytes, that the sidecar has had: what was resident.
// The race detector has memory of its own, several times the program's, that grows with
// every address that was ever used: under it, what Go's runtime took from the system.
func (f *flooded) most() int64 {
	if !raceEnabled {
		return f.memory("VmHWM")
	}
	f.t.Helper()
	_, rest, _ := strings.Cut(shownAt(f.t, f.admin, "/metrics"), "\ngo_memstats_sys_bytes ")
	var bytes float64
	if _, err := fmt.Sscan(rest, &bytes); err != nil {
		f.t.Fatalf("go_memstats_sys_bytes: %v", err)
	}
	return int64(bytes)
}

func (f *flooded) letGo() {
	for _, conn := range f.held {
		conn.Close()
	}
	f.held = nil
}

func (f *flooded) credentials() string {
	return authorized(sign(hs256, `{}`, string(secret)))
}

// steady is a stream of authentic webhooks, all of which must be acknowledged.
type steady struct {
	t     *testing.T
	stop  context.CancelFunc
	ended chan struct{}
	count atomic.Int64

	mu      sync.Mutex
	changed chan struct{} // closed at the next acknowledgement; guarded by mu
	slowest time.Duration // guarded by mu
}

func (f *flooded) stream() *steady {
	ctx, stop := context.WithCancel(context.Background())
	s := &steady{t: f.t, stop: stop, ended: make(chan struct{}), changed: make(chan struct{})}
	f.t.Cleanup(func() { stop(); <-s.ended })
	// A connection of its own for each: a stranger's until its header is there.
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: f.client}
	hooks := &client.Client{URL: f.target, Secret: secret, HTTPClient: &http.Client{Transport: transport, Timeout: time.Minute}}
	go func() {
		defer close(s.ended)
		for n := 0; ctx.Err() == nil; n++ {
			began := time.Now()
			status, _, err := hooks.Post(context.WithoutCancel(ctx), []byte(hook(fmt.Sprint("steady-", n))))
			if err != nil || status != http.StatusOK {
				s.t.Errorf("an authentic webhook gets status %d, error %v", status, err)
				if err != nil {
					return
				}
				continue
			}
			s.acknowledged(time.Since(began))
		}
	}()
	return s
}

func (s *steady) acknowledged(took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count.Add(1)
	s.slowest = max(s.slowest, took)
	close(s.changed)
	s.changed = make(chan struct{})
}

// awaitMore returns when n have been acknowledged, or the stream broke.
func (s *steady) awaitMore(n int64) {
	for s.count.Load() < n {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if s.count.Load() >= n {
			return
		}
		select {
		case <-changed:
		case <-s.ended:
			s.t.Fatal("the stream of authentic webhooks broke off")
		}
	}
}

func (s *steady) end() (acknowledged int64, slowest time.Duration) {
	s.stop()
	<-s.ended
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count.Load(), s.slowest
}

// idle opens as many connections as both processes may have, up to 10 000.
func (f *flooded) idle() {
	const want = 10_000
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		f.t.Fatal(err)
	}
	const others = 4000 // of this test and the package's
	n := want
	if files.Cur < want+others {
		n = max(int(files.Cur)-others, int(files.Cur)/2)
		f.t.Logf("only %d idle connections: the process may have %d files", n, files.Cur)
	}
	f.hold(n, "")
}

// hold opens n connections, sends text on each and keeps it open.
func (f *flooded) hold(n int, text string) {
	for range n {
		conn, err := net.Dial("tcp", f.address)
		if err != nil {
			f.t.Fatal(err)
		}
		f.held = append(f.held, conn)
		f.tried.Add(1)
		// It may be cut before it has taken everything, and nobody reads the answer.
		_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = io.WriteString(conn, text)
	}
}

// once sends text on a connection and waits until the listener closes it.
func (f *flooded) once(text string) {
	conn, err := net.Dial("tcp", f.address)
	if err != nil {
		f.t.Fatal(err)
	}
	defer conn.Close()
	f.tried.Add(1)
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		f.t.Fatal(err)
	}
	_, _ = io.WriteString(conn, text) // cut off or not
	_ = conn.(*net.TCPConn).CloseWrite()
	if _, err := io.Copy(io.Discard, conn); err != nil && isTimeout(err) {
		f.t.Errorf("%.40q keeps its connection", text)
	}
}

func isTimeout(err error) bool {
	timeout, ok := err.(net.Error)
	return ok && timeout.Timeout()
}

// junk is what scanners send, and worse.
func (f *flooded) junk() {
	for range 30 {
		for _, text := range []string{
			"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x5a", 500), // a TLS handshake
			"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + strings.Repeat("\x00\x00\x08\x06\x00\x00\x00\x00\x00pingpong", 100),
			strings.Repeat("\x00", 100_000), strings.Repeat("\r\n", 50_000), strings.Repeat("A", 100_000),
			"GET /" + strings.Repeat("a", 100_000) + " HTTP/1.1\r\nHost: h\r\n\r\n",
			"POST /webhook/default HTTP/1.1\r\nHost: h\r\n" + shortLines(100_000) + "\r\n",
			"POST /webhook/default HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n",
			strings.Repeat("GET / HTTP/1.1\r\nHost: h\r\n\r\n", 300), strings.Repeat("POST /webhook/default HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc", 300),
			"*3\r\n$3\r\nSET\r\n", "SSH-2.0-x\r\n", "() { :;}; echo\r\n\r\n", "${jndi:ldap://x}\r\n\r\n",
		} {
			f.once(text)
		}
	}
}

// chunks sends bodies of unknown length until the listener hangs up.
func (f *flooded) chunks() {
	chunk := "10000\r\n" + strings.Repeat("x", 0x10000) + "\r\n"
	for _, lines := range []string{"", f.credentials(), authorized("wrong"), f.credentials() + "Content-Encoding: gzip\r\n"} {
		conn := dial(f.t, f.address)
		f.tried.Add(1)
		_, err := io.WriteString(conn, "POST /webhook/default HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"+lines+"\r\n")
		for err == nil {
			_, err = io.WriteString(conn, chunk)
		}
		if isTimeout(err) {
			f.t.Error("it reads chunks without end")
		}
		conn.Close()
	}
}

// shortLines are header lines of as few bytes as possible, n bytes in all, each
// with another name.
func shortLines(n int) string {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		b.WriteByte(letters[i%36])
		b.WriteByte(letters[i/36%36])
		b.WriteByte(letters[i/1296%36])
		b.WriteString(":\r\n")
	}
	return b.String()
}

// unfinished is a request whose body is announced and hardly begun.
func unfinished(lines string, length int) string {
	return fmt.Sprintf("POST /webhook/default HTTP/1.1\r\nHost: h\r\n%sContent-Length: %d\r\n\r\n{", lines, length)
}
