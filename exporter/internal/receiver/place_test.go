package receiver

import (
	"context"
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

// postAll posts the CDR n times at once and returns the statuses.
func (b *bundle) postAll(n int) (statuses <-chan int, done *sync.WaitGroup) {
	results := make(chan int, n)
	var posting sync.WaitGroup
	for range n {
		posting.Go(func() {
			resp, err := b.client.Do(b.request(strings.NewReader(cdr)))
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
	statuses, posting := b.postAll(20)
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
	statuses, posting := b.postAll(1)
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
	statuses, posting := b.postAll(1)
	<-g.entered
	// Everything is taken, and yet the answer is 401, not 503.
	if !b.receiver.buffered.TryAcquire(b.receiver.cfg.MaxBuffered - minHeld) {
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
	statuses, posting := b.postAll(1)
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

func TestABodyOfUnknownLengthNeedsRoomForTheLargestUntilItIsRead(t *testing.T) {
	t.Parallel()
	g := newGate()
	b := setup(t, func(c *Config) {
		c.MaxBody, c.MaxBuffered, c.WaitForPlace, c.Accept = 1<<20, 1, time.Millisecond, g.accept
	})
	unknown := func() int {
		return serve(t, b.receiver, strings.NewReader(cdr), "", b.request(nil).Header)
	}
	// Room for two of the largest: three small ones fit once they are read.
	statuses := make(chan int, 3)
	for range 3 {
		go func() { statuses <- unknown() }()
		select {
		case <-g.entered:
		case status := <-statuses:
			t.Fatalf("status %d", status)
		}
	}
	close(g.open)
	for range 3 {
		if status := <-statuses; status != ok {
			t.Errorf("status %d", status)
		}
	}
	if !b.receiver.buffered.TryAcquire(1<<20 + 1) {
		t.Fatal("memory is not free")
	}
	if status := unknown(); status != http.StatusServiceUnavailable {
		t.Errorf("status %d for a body that may not fit", status)
	}
	wantStatus(t, b.post([]byte(cdr)), ok)
}
