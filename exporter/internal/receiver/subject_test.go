package receiver

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"cdr2otel/internal/pace"
)

// perSecond is the synchronous webhooks a second; every fifth brings one for the
// store with it, whose answer is not timed.
const (
	perSecond = 500
	withStore = 5
)

// subject is a server whose answers to synchronous webhooks are timed.
type subject struct {
	pace.Subject
	url    string
	token  string
	client *http.Client
	bodies [][]byte
	store  int // the status of an answer to a webhook for the store
	posted sync.WaitGroup
	failed chan error // the first of those
}

// newSubjects are the bare echo, and receivers whose store works, hangs and is
// full. The one that hangs holds all that it may take.
func newSubjects(t testing.TB) []*subject {
	t.Helper()
	open := make(chan struct{})
	hangs := func(context.Context, Event) (Outcome, error) { <-open; return OutcomeAccepted, nil }
	full := func(context.Context, Event) (Outcome, error) { return "", ErrUnavailable }
	subjects := []*subject{
		newSubject(t, "echo", http.HandlerFunc(echo), http.StatusOK),
		newSubject(t, "store works", newPaced(t, nilAccept), http.StatusOK),
		newSubject(t, "store hangs", newPaced(t, hangs), http.StatusServiceUnavailable),
		newSubject(t, "store is full", newPaced(t, full), http.StatusServiceUnavailable),
	}
	subjects[2].fill(t)
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

// newPaced is a receiver with the default limits, but patient: who waits for the
// store stays.
func newPaced(t testing.TB, accept Accept) *Receiver {
	t.Helper()
	r, err := New(Config{
		Path: "/webhook", Sources: map[string]Source{"default": jwtSource()}, Now: nowOf,
		WaitForPlace: time.Hour, WaitForAccept: time.Hour,
		Accept: accept, Observe: func(Event) {},
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
	s := &subject{
		url:    "http://" + listener.Addr().String() + "/webhook",
		token:  token(t, secret, jwt.MapClaims{"exp": instant.Add(time.Minute).Unix()}),
		client: &http.Client{Transport: transport, Timeout: 20 * time.Second},
		bodies: [][]byte{sample(t, "message_received.json"), sample(t, "message_processed.json")},
		store:  store,
		failed: make(chan error, 1),
	}
	s.Name, s.Request = name, s.request
	return s
}

// fill posts webhooks for the store of each size until one is refused, while none
// is let go: until there is no memory or no place even for the smallest.
func (s *subject) fill(t testing.TB) {
	t.Helper()
	for _, size := range []int{1 << 20, smallBody, minHeld / 2} {
		refused := make(chan struct{}, 1)
		for len(refused) == 0 {
			s.occupy(t, size, refused)
		}
	}
}

// occupy posts a webhook for the store and says when it is answered.
func (s *subject) occupy(t testing.TB, size int, answered chan<- struct{}) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(s.url, "http://"), "/webhook"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "POST /webhook HTTP/1.1\r\nHost: h\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n%s", s.token, size, padded(cdr, size)); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer conn.Close()
		if n, _ := conn.Read(make([]byte, 1)); n == 0 {
			return // the test has ended
		}
		select {
		case answered <- struct{}{}:
		default:
		}
	}()
}

// measure is Measure, and waits for the answers that are not timed.
func (s *subject) measure(d time.Duration) {
	s.Measure(d, perSecond)
	s.posted.Wait()
}

func (s *subject) request(n int) error {
	if n%withStore == 0 {
		s.posted.Go(func() {
			if err := s.post([]byte(cdr), s.store); err != nil {
				select {
				case s.failed <- err:
				default:
				}
			}
		})
	}
	return s.post(s.bodies[n%len(s.bodies)], http.StatusOK)
}

func (s *subject) err() error {
	select {
	case err := <-s.failed:
		return err
	default:
		return s.Err()
	}
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
		return fmt.Errorf("%s answered %d, not %d", s.Name, resp.StatusCode, want)
	}
	return nil
}
