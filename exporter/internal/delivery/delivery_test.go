package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	ok       = Answer{Origin: FromGRPC}
	down     = Answer{Origin: NoAnswer, Detail: "connection refused"}
	internal = Answer{Origin: FromGRPC, Code: codes.Internal, Detail: "Internal: boom"}
	expired  = Answer{Origin: FromHTTP, Status: http.StatusUnauthorized, Detail: "401 Unauthorized"}
	large    = Answer{Origin: FromHTTP, Status: http.StatusRequestEntityTooLarge}
)

// receiver is a scripted other side that remembers when it was sent what. In a
// synctest bubble its clock is the fake one.
type receiver struct {
	mu     sync.Mutex
	answer func(body string) Answer
	sent   []string
	at     []time.Time
}

func (r *receiver) Send(_ context.Context, body []byte) Answer {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, string(body))
	r.at = append(r.at, time.Now())
	return r.answer(string(body))
}

func (r *receiver) Close() error { return nil }

func (r *receiver) set(f func(string) Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

func always(a Answer) func(string) Answer { return func(string) Answer { return a } }

func numbered(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("call %03d", i)
	}
	return out
}

// pass lets the bubble's clock go on.
func pass(d time.Duration) { <-time.After(d) }

func TestWhatWaitedForACollectorIsDrainedInOrderOfAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls := numbered(50)
		o := newOutbox(calls...)
		r := &receiver{answer: always(down)}
		d, _ := run(t, Config{Client: r, Outbox: o, Workers: 1})

		pass(time.Hour)
		if g := d.Gate(); g.Open || g.Reason != HeldUnavailable || g.Alarm {
			t.Errorf("gate %+v, want it held as unavailable", g)
		}
		if o.open() != 50 {
			t.Errorf("%d requests wait, want 50", o.open())
		}

		r.set(always(ok))
		settled := o.wait(t, finished(50))
		delivered := bodies(settled, VerdictDone)
		// The probe that found the collector back was the first of all.
		probe := delivered[0]
		rest := slices.DeleteFunc(slices.Clone(calls), func(c string) bool { return c == probe })
		if diff := cmp.Diff(append([]string{probe}, rest...), delivered); diff != "" {
			t.Error(diff)
		}
		if g := d.Gate(); !g.Open || g.Reason != "" {
			t.Errorf("gate %+v, want it open", g)
		}
		if n := settled[0].Request.Attempts; n != 0 {
			t.Errorf("%d attempts were counted against a request of a collector that was down", n)
		}
	})
}

func TestProbesOfACollectorThatIsDownAreFewAndTakeDifferentRows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOutbox(numbered(1000)...)
		r := &receiver{answer: always(down)}
		run(t, Config{Client: r, Outbox: o, Workers: 4, Backoff: bounds})
		pass(time.Hour)
		synctest.Wait()

		r.mu.Lock()
		defer r.mu.Unlock()
		probes := r.sent[4:] // four were on their way when the first one failed
		if n := len(probes); n < 120 || n > 260 {
			t.Errorf("%d probes in an hour, want one each 15 to 30 s", n)
		}
		if diff := cmp.Diff(numbered(1000)[4:4+len(probes)], probes); diff != "" {
			t.Errorf("probes do not go on in order of age: %s", diff)
		}
	})
}

func TestExpiredCredentialsHoldEverythingWarnOnceAndLoseNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOutbox(numbered(30)...)
		r := &receiver{answer: always(expired)}
		log := &bytes.Buffer{}
		d, _ := run(t, Config{Client: r, Outbox: o, Workers: 2, Logger: slog.New(slog.NewTextHandler(log, nil))})

		pass(24 * time.Hour)
		synctest.Wait()
		if g := d.Gate(); g.Open || g.Reason != HeldCredentials || !g.Alarm {
			t.Errorf("gate %+v, want an alarm for credentials", g)
		}
		if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "level=WARN") {
			t.Errorf("want one warning in a day, got %d lines: %s", n, log)
		}

		r.set(always(ok))
		settled := o.wait(t, finished(30))
		if n := len(bodies(settled, VerdictDone)); n != 30 || o.open() != 0 {
			t.Errorf("%d delivered, %d left; want 30 and none", n, o.open())
		}
	})
}

func TestNothingIsSentBeforeTheTimeThatTheReceiverAskedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOutbox("call")
		r := &receiver{answer: always(Answer{Origin: FromGRPC, Code: codes.ResourceExhausted, RetryInfo: true, RetryAfter: 90 * time.Second})}
		d, _ := run(t, Config{Client: r, Outbox: o})
		synctest.Wait()
		if g := d.Gate(); g.Reason != HeldThrottled {
			t.Errorf("gate %+v, want it throttled", g)
		}
		r.set(always(ok))
		for range 100 {
			d.Wake() // new calls don't change that
		}
		o.wait(t, finished(1))
		if pause := r.at[1].Sub(r.at[0]); pause < 90*time.Second || pause > 100*time.Second {
			t.Errorf("sent again after %v", pause)
		}
	})
}

func TestMemoryHoldsNoMoreRequestsThanThereAreWorkers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOutbox(numbered(200)...)
		gone := make(chan struct{})
		c := clientFunc(func(context.Context, string) Answer { <-gone; return ok })
		run(t, Config{Client: c, Outbox: o, Workers: 3})
		synctest.Wait()
		close(gone)
		o.wait(t, finished(200))
		if o.most != 3 {
			t.Errorf("%d requests were claimed at once, want 3", o.most)
		}
	})
}

func TestShutdownWaitsForSendsInFlightThenHoldsThem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOutbox("slow", "stuck")
		c := clientFunc(func(ctx context.Context, body string) Answer {
			answer := map[string]<-chan time.Time{"slow": time.After(3 * time.Second)}[body]
			select {
			case <-answer:
				return ok
			case <-ctx.Done():
				return Answer{Origin: NoAnswer, Detail: ctx.Err().Error()}
			}
		})
		_, stop := run(t, Config{Client: c, Outbox: o, Grace: 5 * time.Second})
		synctest.Wait()
		asked := time.Now()
		stop()
		if took := time.Since(asked); took != 5*time.Second {
			t.Errorf("shutdown took %v, want the grace of 5 s", took)
		}
		if diff := cmp.Diff([]string{"slow"}, bodies(o.settled, VerdictDone)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"stuck"}, bodies(o.settled, VerdictHold)); diff != "" {
			t.Error(diff)
		}
	})
}

// brokenOutbox can't be read for a while.
type brokenOutbox struct {
	*fakeOutbox
	until time.Time
}

func (b brokenOutbox) Claim(ctx context.Context, signal string, after int64, limit int) ([]Request, error) {
	if time.Now().Before(b.until) {
		return nil, errors.New("disk is gone")
	}
	return b.fakeOutbox.Claim(ctx, signal, after, limit)
}

func TestAnOutboxThatCanNotBeReadIsSaidOnceAndTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := brokenOutbox{newOutbox("call"), time.Now().Add(time.Minute)}
		log := &bytes.Buffer{}
		run(t, Config{Client: &receiver{answer: always(ok)}, Outbox: o, Logger: slog.New(slog.NewTextHandler(log, nil))})
		o.wait(t, finished(1))
		if n := strings.Count(log.String(), "disk is gone"); n != 1 {
			t.Errorf("said %d times: %s", n, log)
		}
	})
}

func TestWhatIsAddedIsSentOnWakeAndElseWhenTheOutboxIsPolled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOutbox()
		r := &receiver{answer: always(ok)}
		d, _ := run(t, Config{Client: r, Outbox: o, Poll: time.Minute})
		synctest.Wait()
		began := time.Now()
		o.add("woken")
		d.Wake()
		o.wait(t, finished(1))
		if took := time.Since(began); took != 0 {
			t.Errorf("sent %v after the wake", took)
		}
		o.add("not woken")
		o.wait(t, finished(2))
		if took := time.Since(began); took > time.Minute {
			t.Errorf("found after %v, want a minute at most", took)
		}
	})
}

func TestEachChangeOfTheGateIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOutbox("call")
		script := []Answer{down, expired, internal, ok}
		var told []string
		c := clientFunc(func(context.Context, string) Answer {
			a := script[0]
			script = script[1:]
			return a
		})
		_, stop := run(t, Config{Client: c, Outbox: o, OnGate: func(g GateState) { told = append(told, g.Reason) }})
		o.wait(t, finished(1))
		stop()
		if diff := cmp.Diff([]string{HeldUnavailable, HeldCredentials, HeldFailing, ""}, told); diff != "" {
			t.Error(diff)
		}
	})
}
