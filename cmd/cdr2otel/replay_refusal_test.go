package main

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"cdr2otel/internal/client"
)

// A body on which a proxy in front of the sidecar dies.
func TestABodyThatNeverGetsAnAnswerDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	bodies := numbered(200)
	poison := bodies[20]
	var others sync.WaitGroup // so many others must be answered before the poison is, each time
	others.Add(1)
	var release sync.Once
	server := newScripted(t, func(body string, n int) int {
		switch body {
		case poison:
			if n == maxAttempts {
				others.Wait()
			}
			return 0
		case bodies[25]:
			defer release.Do(others.Done)
		}
		return http.StatusOK
	})
	r := newReplaying(t, server.URL, 4)
	r.fails(t, bodies, "1 body refused; the same command")
	if r.tally.acknowledged != 199 {
		t.Errorf("%d others were acknowledged", r.tally.acknowledged)
	}
	if want := regexp.MustCompile(`(?m)^refused: no answer: 1 body, first at stdin line 21 \(byte \d+\), "(connection reset by peer|EOF)"$`); !want.MatchString(r.errOut.String()) {
		t.Errorf("said %s", r.errOut.String())
	}
}

func TestARefusalOfEverybodyEndsTheReplay(t *testing.T) {
	t.Parallel()
	for _, status := range []int{401, 403, 404, 405, 307} {
		var open atomic.Bool
		server := newScripted(t, func(string, int) int {
			if open.Load() {
				return http.StatusOK
			}
			return status
		})
		r := newReplaying(t, server.URL, 4)
		bodies := numbered(1000)
		r.fails(t, bodies, fmt.Sprintf("%d %s; nothing was acknowledged", status, http.StatusText(status)))
		if n := len(server.posted()); n > ahead*4 {
			t.Errorf("%d: %d bodies were posted", status, n)
		}
		if want := fmt.Sprintf("refused: %d %s: ", status, http.StatusText(status)); !strings.HasPrefix(r.errOut.String(), want) ||
			!strings.Contains(r.errOut.String(), "first at stdin line 1 (byte 0)") || !strings.Contains(r.errOut.String(), "; ") {
			t.Errorf("said %q", r.errOut.String())
		}
		open.Store(true)
		r.all(t, bodies)
	}
}

func TestWhatIsRefusedIsSaidAndOnlyThatIsPostedAgain(t *testing.T) {
	t.Parallel()
	bodies := numbered(30)
	refuse := true
	server := newScripted(t, func(body string, _ int) int {
		switch i := slices.Index(bodies, body); {
		case refuse && i%10 == 3:
			return http.StatusRequestEntityTooLarge
		case refuse && i == 15:
			return http.StatusBadRequest
		}
		return http.StatusOK
	})
	r := newReplaying(t, server.URL, 4)
	r.fails(t, bodies, "4 bodies refused; the same command goes on from here")
	want := "refused: 400 Bad Request: 1 body, first at stdin line 16 (byte 125)\n" +
		"refused: 413 Request Entity Too Large: 3 bodies, first at stdin line 4 (byte 24); raise webhook.max_request_body_size there, and the limit of what is in front of it\n"
	if r.errOut.String() != want {
		t.Errorf("said\n%swant\n%s", r.errOut.String(), want)
	}
	if !strings.HasPrefix(r.out.String(), "26 bodies acknowledged in 1s, 4 refused\n") {
		t.Errorf("said %q", r.out.String())
	}
	refuse = false
	server.forget()
	r.all(t, bodies)
	if again := server.posted(); len(again) != 4 {
		t.Errorf("posted again: %v", again)
	}
	if !strings.HasPrefix(r.out.String(), "4 bodies acknowledged in 1s, 26 by an earlier run and not posted again\n") {
		t.Errorf("said %q", r.out.String())
	}
	server.acknowledgedOnce(t, bodies)
}

func TestEveryAnswerHasAConsequence(t *testing.T) {
	t.Parallel()
	for status := 200; status < 600; status++ {
		fate, want := refused, settled
		switch {
		case status < 300:
			fate = acknowledged
		case status < 400, slices.Contains([]int{401, 403, 404, 405, 407}, status):
			want = hopeless
		case status >= 500, slices.Contains([]int{408, 425, 429}, status):
			want = again
		}
		o, step := judge(client.Answer{Status: status}, nil)
		if o.fate != fate || step != want {
			t.Errorf("%d: fate %d, step %d", status, o.fate, step)
		}
	}
}
