package delivery

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestARequestThatIsTooLargeIsSplitUntilItFits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOutbox("abcdefgh", "x")
		r := &receiver{answer: func(body string) Answer {
			if len(body) > 2 {
				return large
			}
			return ok
		}}
		run(t, Config{Client: r, Outbox: o, Workers: 1})
		settled := o.wait(t, finished(5))
		delivered := bodies(settled, VerdictDone)
		slices.Sort(delivered)
		if diff := cmp.Diff([]string{"ab", "cd", "ef", "gh", "x"}, delivered); diff != "" {
			t.Error(diff)
		}
	})
}

func TestASplitThatWouldTakeContentOutOfASpanIsNotMade(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// Two spans: "s" and the rest. A limit below the second one's size cuts it.
		cutting := func(body []byte, limit int) ([][]byte, error) {
			return [][]byte{body[:1], body[1:min(1+limit, len(body))]}, nil
		}
		o := newOutbox("s" + strings.Repeat("L", 100))
		r := &receiver{answer: func(body string) Answer {
			if len(body) > 100 {
				return large
			}
			return ok
		}}
		run(t, Config{Client: r, Outbox: o, Workers: 1, Split: cutting})
		settled := o.wait(t, finished(2))
		if diff := cmp.Diff([]string{"s", strings.Repeat("L", 100)}, bodies(settled, VerdictDone)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestWhatIsTooLargeAndCanNotBeSplitIsADeadLetterOnceOthersWentThrough(t *testing.T) {
	t.Parallel()
	useless := func(body []byte, _ int) ([][]byte, error) { return [][]byte{body, {}}, nil }
	lossy := func(body []byte, _ int) ([][]byte, error) { return [][]byte{{}, {}}, nil }
	for name, split := range map[string]func([]byte, int) ([][]byte, error){"by an error": halves, "into a part of the same size": useless, "without taking content out": lossy} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o := newOutbox("X", "a", "b")
				r := &receiver{answer: func(body string) Answer {
					if body == "X" {
						return large
					}
					return ok
				}}
				d, _ := run(t, Config{Client: r, Outbox: o, Split: split})
				o.wait(t, func(all []Settlement) bool { return len(bodies(all, VerdictRetry)) > 0 })
				pass(time.Millisecond)
				o.add("c")
				d.Wake()
				settled := o.wait(t, finished(4))
				dead := settled[slices.IndexFunc(settled, func(s Settlement) bool { return s.Verdict == VerdictDead })]
				if string(dead.Request.Body) != "X" || dead.Reason != DeadTooLarge {
					t.Errorf("dead letter %q, reason %q", dead.Request.Body, dead.Reason)
				}
			})
		})
	}
}

func TestARefusedRequestIsADeadLetterOnceAnotherWentThrough(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOutbox("bad", "good")
		r := &receiver{answer: func(body string) Answer {
			if body == "bad" {
				return Answer{Origin: FromHTTP, Status: 400}
			}
			return ok
		}}
		closed := 0
		d, _ := run(t, Config{Client: r, Outbox: o, Workers: 1, OnGate: func(GateState) { closed++ }})
		settled := o.wait(t, finished(2))
		if diff := cmp.Diff([]string{"bad", "good", "bad"}, r.sent); diff != "" {
			t.Error(diff)
		}
		if last := settled[2]; last.Verdict != VerdictDead || last.Reason != DeadInvalid {
			t.Errorf("settled %+v", settled)
		}
		if closed > 0 || !d.Gate().Open {
			t.Errorf("gate %+v, it changed %d times, want it open all the time", d.Gate(), closed)
		}
	})
}

// A header that is missing, or plain HTTP to a port that wants TLS.
func TestAReceiverThatCallsEveryRequestInvalidLosesNothingAndRaisesAnAlarm(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{1, 8} {
		synctest.Test(t, func(t *testing.T) {
			o := newOutbox(numbered(100)...)
			r := &receiver{answer: always(Answer{Origin: FromHTTP, Status: 400, Detail: "400 Bad Request: no org id"})}
			log := &bytes.Buffer{}
			d, _ := run(t, Config{Client: r, Outbox: o, Workers: workers, Logger: slog.New(slog.NewTextHandler(log, nil))})
			pass(24 * time.Hour)
			synctest.Wait()
			if g := d.Gate(); g.Open || g.Reason != HeldMisconfigured || !g.Alarm || !strings.Contains(g.Detail, "no org id") {
				t.Errorf("gate %+v, want an alarm with its cause", g)
			}
			if n := strings.Count(log.String(), "until somebody acts"); n != 1 {
				t.Errorf("said %d times:\n%s", n, log)
			}
			if n := len(r.sent); n < 24*60 || n > 24*60*2+20 {
				t.Errorf("%d requests were sent in a day, want one or two a minute", n)
			}
			r.set(always(ok))
			settled := o.wait(t, finished(100))
			if n := len(bodies(settled, VerdictDone)); n != 100 {
				t.Errorf("%d delivered, want all 100", n)
			}
		})
	}
}

// Requests were on their way when the receiver began to refuse.
func TestWhatWentThroughOnTheWayIsNoEvidenceAgainstTheRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOutbox("refused", "slow", "other")
		c := clientFunc(func(_ context.Context, body string) Answer {
			if body == "slow" { // sent before the first was refused
				pass(100 * time.Millisecond)
				return ok
			}
			return Answer{Origin: FromHTTP, Status: 400}
		})
		d, _ := run(t, Config{Client: c, Outbox: o, Workers: 3})
		pass(24 * time.Hour)
		synctest.Wait()
		if dead := bodies(o.settled, VerdictDead); len(dead) > 0 || d.Gate().Open {
			t.Errorf("dead letters %q, gate %+v", dead, d.Gate())
		}
	})
}

func TestAPartialSuccessIsDoneAndItsRejectedSpansAreTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOutbox("one", "two", "three", "claims", "denies")
		partial := map[string]*Partial{
			"one": {Rejected: 3, Message: "too old"}, "two": {Message: "deprecated"}, "three": {Message: "deprecated"},
			"claims": {Rejected: 1e18, Message: "all of it"}, "denies": {Rejected: -1e18, Message: "less than none"},
		}
		r := &receiver{answer: func(body string) Answer { return Answer{Origin: FromGRPC, Partial: partial[body]} }}
		log := &bytes.Buffer{}
		told := map[string]int64{}
		_, stop := run(t, Config{
			Client: r, Outbox: o, Workers: 1, Logger: slog.New(slog.NewTextHandler(log, nil)),
			OnSettled: func(s Settlement) { told[string(s.Request.Body)] = s.Rejected },
		})
		o.wait(t, finished(5))
		stop()
		if diff := cmp.Diff(map[string]int64{"one": 3, "two": 0, "three": 0, "claims": int64(len("claims")), "denies": 0}, told); diff != "" {
			t.Error(diff)
		}
		if n := strings.Count(log.String(), "deprecated"); n != 1 {
			t.Errorf("the same warning was logged %d times", n)
		}
		if !strings.Contains(log.String(), "too old") {
			t.Errorf("log lacks the receiver's message: %s", log)
		}
	})
}

func TestALostClaimDoesNotUndoOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOutbox("lost", "kept", "kept too")
		o.fenced[1] = true
		var told []string
		log := &bytes.Buffer{}
		_, stop := run(t, Config{
			Client: &receiver{answer: always(ok)}, Outbox: o, Logger: slog.New(slog.NewTextHandler(log, nil)),
			OnSettled: func(s Settlement) { told = append(told, string(s.Request.Body)) },
		})
		settled := o.wait(t, finished(2))
		stop()
		delivered := bodies(settled, VerdictDone)
		slices.Sort(delivered)
		slices.Sort(told)
		for _, got := range [][]string{delivered, told} {
			if diff := cmp.Diff([]string{"kept", "kept too"}, got); diff != "" {
				t.Error(diff)
			}
		}
		if n := strings.Count(log.String(), "sent again"); n != 1 {
			t.Errorf("the log says %d times that it is sent again:\n%s", n, log)
		}
	})
}

// The outbox goes away while requests are sent.
func TestWhatWasAnsweredWhileTheOutboxWasAwayIsSettledWhenItIsBackAndNotSentAgain(t *testing.T) {
	t.Parallel()
	for name, unsure := range map[string]bool{"nothing was done meanwhile": false, "what it was asked was done": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o := newOutbox("one", "two", "three", "four")
				o.unsure = unsure
				r := &receiver{answer: func(string) Answer {
					o.mu.Lock()
					defer o.mu.Unlock()
					if o.last == 4 { // the first answer
						o.last, o.away = 5, 30
					}
					return ok
				}}
				told := map[string]int{}
				log := &bytes.Buffer{}
				_, stop := run(t, Config{
					Client: r, Outbox: o, Workers: 2, Logger: slog.New(slog.NewTextHandler(log, nil)),
					OnSettled: func(s Settlement) { told[string(s.Request.Body)]++ },
				})
				o.wait(t, finished(4))
				pass(time.Minute)
				stop()
				if len(r.sent) != 4 || o.open() != 0 {
					t.Errorf("sent %q, %d are left, want each sent once", r.sent, o.open())
				}
				if diff := cmp.Diff(map[string]int{"one": 1, "two": 1, "three": 1, "four": 1}, told); diff != "" {
					t.Error(diff)
				}
				if o.most > 2 {
					t.Errorf("%d were claimed at once, want 2", o.most)
				}
				if n := strings.Count(log.String(), "level=WARN"); n > 2 || strings.Contains(log.String(), "sent again") {
					t.Errorf("the log:\n%s", log)
				}
			})
		})
	}
}

func TestTheEndDoesNotWaitForAnOutboxThatIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOutbox("one")
		r := &receiver{answer: func(string) Answer {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.away = 1 << 30
			return ok
		}}
		log := &bytes.Buffer{}
		_, stop := run(t, Config{Client: r, Outbox: o, Logger: slog.New(slog.NewTextHandler(log, nil))})
		pass(time.Minute)
		began := time.Now()
		stop()
		if took := time.Since(began); took > 0 {
			t.Errorf("it took %v", took)
		}
		if n := strings.Count(log.String(), "the request will be sent again"); n != 1 {
			t.Errorf("the log says %d times that it is sent again:\n%s", n, log)
		}
	})
}
