package receiver

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// pace is the synchronous webhooks a second; every fifth brings one for the store
// with it, whose answer is not timed.
const (
	pace      = 500
	withStore = 5
)

// subject is a server whose answers to synchronous webhooks are timed.
type subject struct {
	name   string
	url    string
	token  string
	client *http.Client
	bodies [][]byte
	store  int // the status of an answer to a webhook for the store

	mu      sync.Mutex
	latency []time.Duration // since the request was due; guarded by mu
	failed  error           // the first; guarded by mu
}

// newSubjects are the bare echo, and receivers whose store works, hangs and is
// full. The one that hangs holds all that it may take.
func newSubjects(t testing.TB) []*subject {
	t.Helper()
	open := make(chan struct{})
	hangs := func(context.Context, Event) (Outcome, error) { <-open; return OutcomeAccepted, nil }
	full := func(context.Context, Event) (Outcome, error) { return "", ErrUnavailable }
	refused := make(chan Reason, 1)
	subjects := []*subject{
		newSubject(t, "echo", http.HandlerFunc(echo), http.StatusOK),
		newSubject(t, "store works", newPaced(t, nilAccept, nil), http.StatusOK),
		newSubject(t, "store hangs", newPaced(t, hangs, refused), http.StatusServiceUnavailable),
		newSubject(t, "store is full", newPaced(t, full, nil), http.StatusServiceUnavailable),
	}
	subjects[2].fill(t, refused)
	t.Cleanup(func() { close(open) })
	return subjects
}

// echo is the least that a pass-through webhook can do.
func echo(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // its client gets no answer
	}
	write(w, http.StatusOK, body)
}

// newPaced is a receiver with the default limits that refuses nobody for want of
// patience, and tells of refusals as long as somebody listens.
func newPaced(t testing.TB, accept Accept, refused chan<- Reason) *Receiver {
	t.Helper()
	r, err := New(Config{
		Path: "/webhook", Sources: map[string]Source{"default": jwtSource()}, Now: nowOf,
		WaitForPlace: time.Hour, WaitForAccept: time.Hour,
		Accept: accept, Observe: func(Event) {},
		OnAnswer: func(a Answer) {
			select {
			case refused <- a.Reason:
			default:
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Wait)
	return r
}

func newSubject(t testing.TB, name string, handler http.Handler, store int) *subject {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := NewServer(handler, ServerLimits{Read: time.Hour, Write: time.Hour}, nil)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	transport := &http.Transport{MaxIdleConnsPerHost: 256}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
		<-served
	})
	return &subject{
		name:   name,
		url:    "http://" + listener.Addr().String() + "/webhook",
		token:  token(t, secret, jwt.MapClaims{"exp": instant.Add(time.Minute).Unix()}),
		client: &http.Client{Transport: transport, Timeout: time.Minute},
		bodies: [][]byte{sample(t, "message_received.json"), sample(t, "message_processed.json")},
		store:  store,
	}
}

// fill posts webhooks for the store of each size until the receiver refuses them:
// until there is neither a place to wait in, nor memory.
func (s *subject) fill(t testing.TB, refused <-chan Reason) {
	t.Helper()
	for _, size := range []int{1 << 20, smallBody, minHeld / 2} {
		body := padded(cdr, size)
		for full := false; !full; {
			conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(s.url, "http://"), "/webhook"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			if _, err := fmt.Fprintf(conn, "POST /webhook HTTP/1.1\r\nHost: h\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n%s", s.token, size, body); err != nil {
				t.Fatal(err)
			}
			select {
			case reason := <-refused:
				full = reason == ReasonNoRoom || reason == ReasonNoPlace
			default:
			}
		}
	}
}

// measure posts for a time at the pace, whether or not answers come, and waits for
// the last. Latency counts from when a request was due, so that one that is slow
// does not hide what it keeps waiting.
func (s *subject) measure(d time.Duration) {
	var posting sync.WaitGroup
	defer posting.Wait()
	began, interval := time.Now(), time.Second/pace
	for i := range int(d / interval) {
		due := began.Add(time.Duration(i) * interval)
		time.Sleep(time.Until(due))
		body := s.bodies[i%len(s.bodies)]
		posting.Go(func() {
			err := s.post(body, http.StatusOK)
			s.note(time.Since(due), err)
		})
		if i%withStore == 0 {
			posting.Go(func() {
				if err := s.post([]byte(cdr), s.store); err != nil {
					s.note(0, err)
				}
			})
		}
	}
}

func (s *subject) note(latency time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.failed = err
		return
	}
	s.latency = append(s.latency, latency)
}

func (s *subject) post(body []byte, want int) error {
	req, err := http.NewRequest(http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", s.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != want {
		return fmt.Errorf("%s answered %d, not %d", s.name, resp.StatusCode, want)
	}
	return nil
}

// percentile is the latency that so many of a hundred requests don't exceed.
func (s *subject) percentile(p int) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.latency) == 0 {
		return 0
	}
	slices.Sort(s.latency)
	return s.latency[(len(s.latency)*p+99)/100-1]
}

func (s *subject) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latency = s.latency[:0]
}
