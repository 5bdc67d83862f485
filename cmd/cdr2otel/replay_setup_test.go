package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cdr2otel/internal/client"
)

// scripted is a receiver that answers as told and keeps a ledger.
type scripted struct {
	*httptest.Server
	// answer says what a body gets, at its nth post (from 1); 0 resets the
	// connection. It may block.
	answer func(body string, n int) (status int)
	// header is added to every answer that is not 200.
	header http.Header

	mu     sync.Mutex
	posts  []string       // guarded by mu
	counts map[string]int // guarded by mu: posts of a body
	acks   map[string]int // guarded by mu
}

func newScripted(t *testing.T, answer func(body string, n int) int) *scripted {
	t.Helper()
	s := &scripted{answer: answer, header: http.Header{}, counts: map[string]int{}, acks: map[string]int{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return // the replay was killed
	}
	body := string(raw)
	s.mu.Lock()
	s.posts = append(s.posts, body)
	s.counts[body]++
	n := s.counts[body]
	s.mu.Unlock()
	status := s.answer(body, n)
	switch {
	case status == 0:
		reset(w)
		return
	case status == http.StatusOK:
		s.mu.Lock()
		s.acks[body]++
		s.mu.Unlock()
	default:
		for name, values := range s.header {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(status)
}

// reset ends a connection as a crash does.
func reset(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

func (s *scripted) posted() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.posts)
}

// forget makes posted start again.
func (s *scripted) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.posts = nil
}

// acknowledgedOnce fails the test unless each body has one acknowledgement.
func (s *scripted) acknowledgedOnce(t *testing.T, bodies []string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, body := range bodies {
		if s.acks[body] != 1 {
			t.Errorf("%s was acknowledged %d times", body, s.acks[body])
		}
	}
	if len(s.acks) != len(bodies) {
		t.Errorf("%d bodies were acknowledged, want %d", len(s.acks), len(bodies))
	}
}

func always(status int) func(string, int) int { return func(string, int) int { return status } }

// clock goes on only when somebody waits.
type clock struct {
	mu    sync.Mutex
	at    time.Time
	waits []time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) wait(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	c.at = c.at.Add(d)
	c.waits = append(c.waits, d)
	return nil
}

func (c *clock) waited() []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.waits)
}

// replaying is a directory with bodies and a state, and how to replay them.
type replaying struct {
	url         string
	state       string
	concurrency int
	clock       *clock

	out, errOut bytes.Buffer // of the last run
	tally       tally
}

func newReplaying(t *testing.T, url string, concurrency int) *replaying {
	t.Helper()
	return &replaying{
		url: url, concurrency: concurrency,
		state: filepath.Join(t.TempDir(), "state"),
		clock: &clock{at: time.Unix(1709650810, 0)},
	}
}

// run replays as the command does, but for the time.
func (r *replaying) run(t *testing.T, ctx context.Context, stdin io.Reader, files ...string) error {
	t.Helper()
	r.out.Reset()
	r.errOut.Reset()
	state, err := openState(r.state, r.url)
	if err != nil {
		t.Fatal(err)
	}
	http := client.NewHTTPClient(r.concurrency)
	defer http.CloseIdleConnections()
	run := replay{
		client:      client.Client{URL: r.url, Secret: "purple unicorn", HTTPClient: http},
		concurrency: r.concurrency,
		state:       state,
		show:        newProgress(&r.errOut, files),
		gate:        gate{now: r.clock.now, wait: r.clock.wait},
	}
	err = run.run(ctx, files, stdin)
	run.tally.report(&r.out, &r.errOut, time.Second)
	r.tally = run.tally
	if closed := state.close(); closed != nil {
		t.Error(closed)
	}
	return err
}

// all replays bodies from stdin and fails the test unless all are acknowledged.
func (r *replaying) all(t *testing.T, bodies []string) {
	t.Helper()
	if err := r.run(t, t.Context(), lines(bodies), "-"); err != nil {
		t.Errorf("%v\n%s", err, r.errOut.String())
	}
	if _, err := os.Stat(r.state); !os.IsNotExist(err) {
		t.Errorf("the state is still there (%v)", err)
	}
}

// fails replays bodies from stdin and fails the test unless the error has text.
func (r *replaying) fails(t *testing.T, bodies []string, text string) {
	t.Helper()
	if err := r.run(t, t.Context(), lines(bodies), "-"); err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("%v, want %q", err, text)
	}
}

// numbered are n bodies that differ.
func numbered(n int) []string {
	bodies := make([]string, n)
	for i := range bodies {
		bodies[i] = fmt.Sprintf(`{"n":%d}`, i)
	}
	return bodies
}

func lines(bodies []string) io.Reader { return strings.NewReader(strings.Join(bodies, "\n") + "\n") }

func writeLines(t *testing.T, bodies []string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "bodies.ndjson")
	if err := os.WriteFile(path, []byte(strings.Join(bodies, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
