package receiver

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

func nilAccept(context.Context, Event) (Outcome, error) { return OutcomeAccepted, nil }

// gate holds every event in Accept until it is opened.
type gate struct {
	entered chan Event
	open    chan struct{}
}

func newGate() *gate { return &gate{entered: make(chan Event, 100), open: make(chan struct{})} }

func (g *gate) accept(_ context.Context, e Event) (Outcome, error) {
	g.entered <- e
	<-g.open
	return OutcomeAccepted, nil
}

// postAll posts the body n times at once and returns the statuses.
func (b *bundle) postAll(n int, body string) (statuses <-chan int, done *sync.WaitGroup) {
	results := make(chan int, n)
	var posting sync.WaitGroup
	for range n {
		posting.Go(func() {
			resp, err := b.client.Do(b.request(strings.NewReader(body)))
			if err != nil {
				b.t.Error(err)
				return
			}
			resp.Body.Close()
			results <- resp.StatusCode
		})
	}
	return results, &posting
}

func TestAboveTheLimitARequestWaitsForItsPlace(t *testing.T) {
	t.Parallel()
	g := newGate()
	b := setup(t, func(c *Config) { c.MaxInFlight, c.WaitForPlace, c.Accept = 2, time.Hour, g.accept })
	statuses, posting := b.postAll(20, cdr)
	<-g.entered
	<-g.entered
	if len(g.entered) != 0 {
		t.Error("more than two events are in Accept")
	}
	close(g.open)
	posting.Wait()
	for range 20 {
		if status := <-statuses; status != ok {
			t.Errorf("status %d", status)
		}
	}
}

func TestWhoFindsNoPlaceInTimeIsRefused(t *testing.T) {
	t.Parallel()
	g := newGate()
	b := setup(t, func(c *Config) { c.MaxInFlight, c.WaitForPlace, c.Accept = 1, time.Millisecond, g.accept })
	statuses, posting := b.postAll(1, cdr)
	<-g.entered
	got := b.post([]byte(cdr))
	wantStatus(t, got, http.StatusServiceUnavailable)
	if a := <-b.answers; a.Reason != ReasonNoPlace || a.Outcome != OutcomeRefused || a.EventName != EventCDR {
		t.Errorf("answer %+v", a)
	}
	if got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	close(g.open)
	posting.Wait()
	if status := <-statuses; status != ok {
		t.Errorf("the first got %d", status)
	}
	wantStatus(t, b.post([]byte(cdr)), ok)
}

func TestUnauthenticatedRequestsTakeNoPlaceAndNoMemory(t *testing.T) {
	t.Parallel()
	g := newGate()
	b := setup(t, func(c *Config) {
		c.MaxInFlight, c.MaxBuffered, c.WaitForPlace, c.Accept = 1, 1, time.Millisecond, g.accept
	})
	statuses, posting := b.postAll(1, cdr)
	<-g.entered
	// Everything is taken, and yet the answer is 401, not 503.
	if !b.receiver.small.room.TryAcquire(2 * smallUnknown) {
		t.Fatal("memory is not free")
	}
	wantStatus(t, b.withHeader(authorize("x")), unauthorized)
	wantStatus(t, b.post([]byte(cdr)), http.StatusServiceUnavailable)
	<-b.answers
	if a := <-b.answers; a.Reason != ReasonNoRoom {
		t.Errorf("reason %q", a.Reason)
	}
	close(g.open)
	posting.Wait()
	<-statuses
}

func TestAfterDrainEventsAreRefusedAndThoseInProgressFinish(t *testing.T) {
	t.Parallel()
	g := newGate()
	b := setup(t, func(c *Config) { c.Accept = g.accept })
	statuses, posting := b.postAll(1, cdr)
	<-g.entered
	b.receiver.Drain()
	wantStatus(t, b.post([]byte(cdr)), http.StatusServiceUnavailable)
	if a := <-b.answers; a.Reason != ReasonClosing || a.Outcome != OutcomeRefused {
		t.Errorf("answer %+v", a)
	}
	wantStatus(t, b.withHeader(authorize("x")), unauthorized)
	close(g.open)
	posting.Wait()
	if status := <-statuses; status != ok {
		t.Errorf("the one in progress got %d", status)
	}
}

func TestAnEventIsNotGivenUpWhenItsClientHangsUp(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *Config) {
		c.Accept = func(ctx context.Context, _ Event) (Outcome, error) { return OutcomeAccepted, ctx.Err() }
	})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	b.receiver.ServeHTTP(httptest.NewRecorder(), b.request(strings.NewReader(cdr)).WithContext(gone))
	if a := <-b.answers; a.Outcome != OutcomeAccepted {
		t.Errorf("answer %+v", a)
	}
}

// unknown posts a body without saying how long it is.
func (b *bundle) unknown(body string) int {
	return serve(b.t, b.receiver, strings.NewReader(body), "", b.request(nil).Header)
}

func TestABodyOfUnknownLengthNeedsRoomForTheLargestOnlyOnceItIsLarge(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *Config) { c.MaxBody, c.MaxBuffered, c.WaitForPlace = 1<<20, 1, time.Millisecond })
	if !b.receiver.large.room.TryAcquire(1<<20 + 1) { // of twice that
		t.Fatal("memory is not free")
	}
	if status := b.unknown(padded(cdr, smallBody)); status != ok {
		t.Errorf("status %d for a small body", status)
	}
	if status := b.unknown(padded(cdr, smallBody+1)); status != http.StatusServiceUnavailable {
		t.Errorf("status %d for a body that may not fit", status)
	}
	wantStatus(t, b.post([]byte(padded(cdr, smallBody+1))), ok) // it says its length
	b.receiver.large.room.Release(2)
	if status := b.unknown(padded(cdr, smallBody+1)); status != ok {
		t.Errorf("status %d for a large body that fits", status)
	}
	if status := b.unknown(padded(cdr, 1<<20)); status != ok {
		t.Errorf("status %d for one of the largest bodies", status)
	}
}

func TestAStoreThatFailsDoesNotFillTheLog(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer // written by one request at a time
	b := setup(t, func(c *Config) {
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		c.Accept = func(context.Context, Event) (Outcome, error) { return "", errors.New("disk on fire") }
	})
	began := time.Now()
	for range 100 {
		wantStatus(t, b.post([]byte(cdr)), http.StatusServiceUnavailable)
	}
	said, seconds := strings.Count(log.String(), "disk on fire"), int(time.Since(began)/time.Second)
	if said < 3 || said > 4+seconds {
		t.Errorf("said %d times in %d seconds:\n%s", said, seconds, log.String())
	}
}
