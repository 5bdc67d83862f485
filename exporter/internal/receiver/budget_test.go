package receiver

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

// padded is a webhook of n bytes.
func padded(body string, n int) string { return body + strings.Repeat(" ", n-len(body)) }

const received = `{"event":{"name":"message_received"},"payload":{"input":{"text":"x"}}}`

// The budgets are as small as they get, so a few bodies fill them: storing takes
// one of the largest, half a lane too.
func TestWhatWaitsForTheStoreLeavesHalfOfItsLaneToBodiesThatAreRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                      string
		maxBody                   int64
		size                      int
		stored, waiting, tooLarge int
	}{
		{"small bodies", smallBody, 60 << 10, 2, 2, smallBody},
		{"large bodies", 1 << 20, 700 << 10, 1, 1, 1 << 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := newGate()
			b := setup(t, func(cfg *Config) {
				cfg.MaxBody, cfg.MaxBuffered, cfg.WaitForPlace, cfg.WaitForAccept, cfg.Accept = c.maxBody, 1, time.Hour, time.Hour, g.accept
			})
			const surplus = 3
			statuses, posting := b.postAll(c.stored+c.waiting+surplus, padded(cdr, c.size))
			for range surplus { // at once, not after an hour
				if a := <-b.answers; a.Reason != ReasonNoRoom || a.Status != http.StatusServiceUnavailable {
					t.Errorf("answer %+v", a)
				}
			}
			for range c.stored {
				<-g.entered
			}
			for range 20 {
				wantStatus(t, b.post([]byte(padded(received, c.tooLarge))), ok)
			}
			if len(g.entered) > 0 {
				t.Error("more was handed over than storing has room for")
			}
			close(g.open)
			posting.Wait()
			count := map[int]int{}
			for range c.stored + c.waiting + surplus {
				count[<-statuses]++
			}
			if count[ok] != c.stored+c.waiting {
				t.Errorf("answers %v", count)
			}
		})
	}
}

func TestAClientIsNotKeptWaitingByAStoreThatHangs(t *testing.T) {
	t.Parallel()
	g := newGate()
	b := setup(t, func(c *Config) {
		c.MaxInFlight, c.WaitForPlace, c.WaitForAccept, c.Accept = 1, time.Millisecond, time.Millisecond, g.accept
	})
	got := b.post([]byte(cdr))
	wantStatus(t, got, http.StatusServiceUnavailable)
	if a := <-b.answers; a.Reason != ReasonSlowStore || a.Outcome != OutcomeRefused || got.header.Get("Retry-After") == "" {
		t.Errorf("answer %+v, header %v", a, got.header)
	}
	// It still has its place and its memory, and its payload is whole.
	wantStatus(t, b.post([]byte(cdr)), http.StatusServiceUnavailable)
	if a := <-b.answers; a.Reason != ReasonNoPlace {
		t.Errorf("answer %+v", a)
	}
	if e := <-g.entered; string(e.Payload) != `{}` {
		t.Errorf("payload %s", e.Payload)
	}
	close(g.open)
	b.receiver.Wait()
	if !b.receiver.accepting.TryAcquire(1) {
		t.Error("the place was not given back")
	}
}

func TestEventsThatWaitLeaveConnectionsToTheSynchronousOnes(t *testing.T) {
	t.Parallel()
	g := newGate()
	limits := ServerLimits{MaxConnections: 3 * 8}
	b := setupWithLimits(t, limits, func(c *Config) {
		c.MaxInFlight, c.MaxWaiting, c.WaitForPlace, c.WaitForAccept, c.Accept = 8, 8, time.Hour, time.Hour, g.accept
	})
	const surplus = 4
	for range 16 + surplus {
		b.stuck(cdr)
	}
	for range surplus { // from now on sixteen are in Accept or wait for it
		if a := <-b.answers; a.Reason != ReasonNoPlace {
			t.Errorf("answer %+v", a)
		}
	}
	for range 30 {
		req := b.request(strings.NewReader(received))
		req.Close = true
		wantStatus(t, b.do(req), ok)
		wantStatus(t, b.post([]byte(received)), ok) // on a connection that is kept
		wantStatus(t, b.post([]byte(cdr)), http.StatusServiceUnavailable)
	}
	passed, refused := 0, 0 // what is told of a synchronous answer is told after it left, in any order
	for range 3 * 30 {
		switch a := <-b.answers; {
		case a.EventName == EventMessageReceived:
			passed++
		case a.Reason == ReasonNoPlace:
			refused++
		}
	}
	if passed != 60 || refused != 30 {
		t.Errorf("%d synchronous webhooks passed and %d others were refused, want 60 and 30", passed, refused)
	}
	close(g.open)
}

func TestWhatObserveHoldsIsBoundedAndWhatItDoesNotGetIsSaid(t *testing.T) {
	t.Parallel()
	entered, open := make(chan Event, 100), make(chan struct{})
	b := setup(t, func(c *Config) {
		c.MaxBody, c.MaxBuffered = 1<<20, 1 // one of the largest fits
		c.Observe = func(e Event) { entered <- e; <-open }
		c.Accept = func(context.Context, Event) (Outcome, error) { return OutcomeAccepted, nil }
	})
	body := padded(received, 600<<10)
	for i := range 20 {
		wantStatus(t, b.post([]byte(body)), ok)
		if a := <-b.answers; a.Unobserved != (i > 0) {
			t.Errorf("webhook %d: answer %+v", i, a)
		}
	}
	wantStatus(t, b.post([]byte(received)), ok) // a small one still fits
	if a := <-b.answers; a.Unobserved {
		t.Errorf("answer %+v", a)
	}
	wantStatus(t, b.post([]byte(cdr)), ok)
	if a := <-b.answers; a.Unobserved {
		t.Error("an event for the store is said to be unobserved")
	}
	close(open)
	b.receiver.Wait()
	if n := len(entered); n != 2 {
		t.Errorf("%d were observed", n)
	}
	wantStatus(t, b.post([]byte(body)), ok)
	if a := <-b.answers; a.Unobserved {
		t.Error("the memory was not given back")
	}
}

func TestWithoutAnObserverNothingIsUnobserved(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	wantStatus(t, b.post([]byte(received)), ok)
	if a := <-b.answers; a.Unobserved {
		t.Errorf("answer %+v", a)
	}
	b.receiver.Wait()
	wantIdle(t, b.receiver)
}
