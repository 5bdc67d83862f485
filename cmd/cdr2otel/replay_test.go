package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestReplayPostsInTheOrderOfTheFiles(t *testing.T) {
	t.Parallel()
	server := newScripted(t, always(http.StatusOK))
	r := newReplaying(t, server.URL, 1)
	bodies := numbered(100)
	first, second := writeLines(t, bodies[:60]), writeLines(t, bodies[80:])
	if err := r.run(t, t.Context(), lines(bodies[60:80]), first, "-", second); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(server.posted(), bodies) {
		t.Errorf("posted %v", server.posted())
	}
	if want := "100 bodies acknowledged in 1s\nno source headers were sent"; !strings.HasPrefix(r.out.String(), want) || r.errOut.Len() > 0 {
		t.Errorf("said %q, %q", r.out.String(), r.errOut.String())
	}
}

func TestABodyThatIsNotSettledHoldsThoseFarBehindItBack(t *testing.T) {
	t.Parallel()
	const concurrency = 2
	bodies := numbered(100)
	last := bodies[ahead*concurrency] // that may be posted while the first is not settled
	seen := make(chan struct{})
	var early, others atomic.Int64
	var answered atomic.Bool
	elsewhere := newScripted(t, always(http.StatusOK))
	server := newScripted(t, func(body string, _ int) int {
		switch {
		case body == bodies[0]:
			<-seen
			// As long as those behind would take.
			newReplaying(t, elsewhere.URL, concurrency).all(t, bodies)
			answered.Store(true)
		case body == last:
			close(seen)
		case !answered.Load() && others.Add(1) >= ahead*concurrency:
			early.Add(1)
		}
		return http.StatusOK
	})
	newReplaying(t, server.URL, concurrency).all(t, bodies)
	if early.Load() > 0 {
		t.Errorf("%d bodies were posted too early", early.Load())
	}
	server.acknowledgedOnce(t, bodies)
}

func TestNoMoreRequestsThanConcurrencyAreUnderWay(t *testing.T) {
	t.Parallel()
	const concurrency = 3
	var underWay, highest atomic.Int64
	together := make(chan struct{})
	server := newScripted(t, func(string, int) int {
		n := underWay.Add(1)
		defer underWay.Add(-1)
		for {
			was := highest.Load()
			if n <= was || highest.CompareAndSwap(was, n) {
				break
			}
		}
		if n == concurrency {
			select {
			case <-together:
			default:
				close(together)
			}
		}
		<-together
		return http.StatusOK
	})
	newReplaying(t, server.URL, concurrency).all(t, numbered(50))
	if highest.Load() != concurrency {
		t.Errorf("%d requests at the same time, want %d", highest.Load(), concurrency)
	}
}

func TestRetryAfterIsWaitedForByAllPosters(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusServiceUnavailable, http.StatusTooManyRequests} {
		const concurrency = 4
		r := newReplaying(t, "", concurrency)
		began := r.clock.now()
		var posts, early atomic.Int64
		together := make(chan struct{})
		server := newScripted(t, func(string, int) int {
			n := posts.Add(1)
			if n > concurrency {
				if r.clock.now().Sub(began) < 7*time.Second {
					early.Add(1)
				}
				return http.StatusOK
			}
			if n == concurrency {
				close(together)
			}
			<-together
			return status
		})
		server.header.Set("Retry-After", "7")
		r.url = server.URL
		bodies := numbered(20)
		r.all(t, bodies)
		server.acknowledgedOnce(t, bodies)
		if early.Load() > 0 || posts.Load() != 24 {
			t.Errorf("%d: %d posts, %d of them too early", status, posts.Load(), early.Load())
		}
		if want := fmt.Sprintf("%d %s, waiting 7s\n", status, http.StatusText(status)); r.errOut.String() != want {
			t.Errorf("said %q, want %q", r.errOut.String(), want)
		}
	}
}

func TestAPauseIsNeverMadeShorter(t *testing.T) {
	t.Parallel()
	c := &clock{at: time.Unix(1709650810, 0)}
	g := gate{now: c.now, wait: c.wait}
	for range 2 {
		passed, err := g.pass(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		g.pause(passed, time.Minute)
		g.pause(passed, time.Second)
		g.pause(passed, 2*time.Minute)
		g.pause(passed, 0)
	}
	if _, err := g.pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := []time.Duration{2 * time.Minute, 2 * time.Minute}; !slices.Equal(c.waited(), want) {
		t.Errorf("waited %v, want %v", c.waited(), want)
	}
}

func TestAPauseThatIsTooLongEndsTheReplay(t *testing.T) {
	t.Parallel()
	bodies := numbered(10)
	full := true
	server := newScripted(t, func(body string, _ int) int {
		if body == bodies[4] && full {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	})
	server.header.Set("Retry-After", "3600")
	r := newReplaying(t, server.URL, 1)
	r.fails(t, bodies, "503 Service Unavailable: not before 1h0m0s; the same command goes on from here: "+r.state+" remembers")
	if len(r.clock.waited()) > 0 || len(server.posted()) != 5 {
		t.Errorf("waited %v, posted %d", r.clock.waited(), len(server.posted()))
	}
	full = false
	r.all(t, bodies)
	server.acknowledgedOnce(t, bodies)
}

func TestAReceiverThatIsDownIsTriedForAMinuteAndAHalf(t *testing.T) {
	t.Parallel()
	down := newScripted(t, always(http.StatusOK))
	down.Close()
	r := newReplaying(t, down.URL, 1)
	r.fails(t, numbered(3), "no answer: connection refused; nothing was acknowledged")
	var want []time.Duration
	for _, seconds := range []float64{.25, .5, 1, 2, 4, 8, 16, 30, 30} {
		want = append(want, time.Duration(seconds*float64(time.Second)))
	}
	if !slices.Equal(r.clock.waited(), want) {
		t.Errorf("waited %v", r.clock.waited())
	}
	if r.tally.refused > 0 || strings.Contains(r.errOut.String(), "refused:") {
		t.Errorf("it blames a body: %s", r.errOut.String())
	}
	if _, err := os.Stat(r.state); !os.IsNotExist(err) {
		t.Errorf("a state was left behind (%v)", err)
	}
}

func TestBodiesWithoutAnAnswerArePostedAgain(t *testing.T) {
	t.Parallel()
	for _, failure := range []int{0, http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout, http.StatusRequestTimeout} {
		server := newScripted(t, func(_ string, n int) int {
			if n < 3 {
				return failure
			}
			return http.StatusOK
		})
		bodies := numbered(30)
		r := newReplaying(t, server.URL, 4)
		r.all(t, bodies)
		server.acknowledgedOnce(t, bodies)
		if len(r.clock.waited()) == 0 {
			t.Errorf("%d: nobody waited", failure)
		}
	}
}

func TestAnInterruptedReplayGoesOnWhereItEnded(t *testing.T) {
	t.Parallel()
	bodies := numbered(500)
	server := newScripted(t, nil)
	r := newReplaying(t, server.URL, 8)
	// Each run is interrupted by its 60th post, while others are under way.
	for range 20 {
		ctx, interrupt := context.WithCancel(t.Context())
		var posts atomic.Int64
		server.answer = func(string, int) int {
			if posts.Add(1) == 60 {
				interrupt()
			}
			return http.StatusOK
		}
		err := r.run(t, ctx, lines(bodies), "-")
		interrupt()
		if err == nil {
			break
		}
		if !strings.HasPrefix(err.Error(), "interrupted; the same command goes on from here: ") {
			t.Fatal(err)
		}
		if r.tally.acknowledged != posts.Load() {
			t.Errorf("%d posts, %d acknowledged", posts.Load(), r.tally.acknowledged)
		}
	}
	server.acknowledgedOnce(t, bodies)
	if n := len(server.posted()); n != len(bodies) {
		t.Errorf("%d posts for %d bodies", n, len(bodies))
	}
}

func TestAnInterruptionEndsAWaitAndAReadThatHangs(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	server := newScripted(t, func(string, int) int {
		interrupt()
		return http.StatusServiceUnavailable
	})
	server.header.Set("Retry-After", "60")
	stdin, writer := io.Pipe()
	defer writer.Close()
	go func() { _, _ = writer.Write([]byte("{}\n")) }() // and never more
	r := newReplaying(t, server.URL, 2)
	if err := r.run(t, ctx, stdin, "-"); err == nil || err.Error() != "interrupted; nothing was acknowledged" {
		t.Error(err)
	}
}

func TestABadLineIsNamedAndWhatIsBeforeItIsPosted(t *testing.T) {
	t.Parallel()
	server := newScripted(t, always(http.StatusOK))
	bodies := numbered(9)
	broken := slices.Insert(slices.Clone(bodies), 5, `{"n": tru`)
	path := writeLines(t, broken)
	r := newReplaying(t, server.URL, 4)
	err := r.run(t, t.Context(), nil, path)
	if err == nil || !strings.HasPrefix(err.Error(), path+" line 6 (byte 40): not JSON: ") || !strings.Contains(err.Error(), "; the same command goes on from here") {
		t.Error(err)
	}
	server.acknowledgedOnce(t, bodies[:5])
	// Repaired, under another name.
	r.all(t, bodies)
	server.acknowledgedOnce(t, bodies)
}

func TestAFileThatIsMissingIsSaid(t *testing.T) {
	t.Parallel()
	server := newScripted(t, always(http.StatusOK))
	r := newReplaying(t, server.URL, 4)
	err := r.run(t, t.Context(), nil, writeLines(t, numbered(2)), "absent.ndjson")
	if err == nil || !strings.HasPrefix(err.Error(), "open absent.ndjson: no such file or directory; the same command goes on") {
		t.Error(err)
	}
	server.acknowledgedOnce(t, numbered(2))
}

// endless makes bodies and notes how many there were at most without an answer.
type endless struct {
	left, made int64
	answered   *atomic.Int64
	most       int64
	rest       []byte
}

func (e *endless) Read(p []byte) (int, error) {
	if len(e.rest) == 0 {
		if e.left == 0 {
			return 0, io.EOF
		}
		e.left--
		e.made++
		e.rest = fmt.Appendf(nil, "{\"n\":%d,\"text\":%q}\n", e.made, strings.Repeat("x", 1000))
		e.most = max(e.most, e.made-e.answered.Load())
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

func TestALargeFileIsNotInMemory(t *testing.T) {
	t.Parallel()
	var answered atomic.Int64
	server := newScripted(t, func(string, int) int {
		answered.Add(1)
		return http.StatusOK
	})
	const bodies = 10_000
	in := &endless{left: bodies, answered: &answered}
	r := newReplaying(t, server.URL, 4)
	if err := r.run(t, t.Context(), in, "-"); err != nil {
		t.Fatal(err)
	}
	// The window, and what the decoder reads at once.
	if in.most > ahead*4+100 {
		t.Errorf("%d bodies of 1 kB were read before they were posted", in.most)
	}
	if r.tally.acknowledged != bodies {
		t.Errorf("%d acknowledged", r.tally.acknowledged)
	}
}
