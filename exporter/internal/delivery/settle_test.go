package delivery

import (
	"bytes"
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

func TestARefusedRequestIsADeadLetterAtOnceAndTheNextGoesThrough(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOutbox("bad", "good")
		r := &receiver{answer: func(body string) Answer {
			if body == "bad" {
				return Answer{Origin: FromHTTP, Status: 400}
			}
			return ok
		}}
		d, _ := run(t, Config{Client: r, Outbox: o, Workers: 1})
		settled := o.wait(t, finished(2))
		if settled[0].Verdict != VerdictDead || settled[0].Reason != DeadInvalid || settled[1].Verdict != VerdictDone {
			t.Errorf("settled %+v", settled)
		}
		if !d.Gate().Open || len(r.sent) != 2 {
			t.Errorf("sent %q, gate %+v", r.sent, d.Gate())
		}
	})
}

func TestAPartialSuccessIsDoneAndItsRejectedSpansAreTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOutbox("one", "two", "three")
		partial := map[string]*Partial{"one": {Rejected: 3, Message: "too old"}, "two": {Message: "deprecated"}, "three": {Message: "deprecated"}}
		r := &receiver{answer: func(body string) Answer { return Answer{Origin: FromGRPC, Partial: partial[body]} }}
		log := &bytes.Buffer{}
		told := map[string]int64{}
		_, stop := run(t, Config{
			Client: r, Outbox: o, Workers: 1, Logger: slog.New(slog.NewTextHandler(log, nil)),
			OnSettled: func(s Settlement) { told[string(s.Request.Body)] = s.Rejected },
		})
		o.wait(t, finished(3))
		stop()
		if diff := cmp.Diff(map[string]int64{"one": 3, "two": 0, "three": 0}, told); diff != "" {
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
		run(t, Config{Client: &receiver{answer: always(ok)}, Outbox: o})
		settled := o.wait(t, finished(2))
		delivered := bodies(settled, VerdictDone)
		slices.Sort(delivered)
		if diff := cmp.Diff([]string{"kept", "kept too"}, delivered); diff != "" {
			t.Error(diff)
		}
	})
}
