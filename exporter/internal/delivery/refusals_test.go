package delivery

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
)

// trickle adds a request whenever one is refused, so that another one goes through in
// between.
func trickle(o *fakeOutbox, c *Config, body string) (wake func(*Delivery)) {
	var d *Delivery
	c.OnSettled = func(s Settlement) {
		if s.Verdict == VerdictRetry || s.Verdict == VerdictSplit {
			o.add(body)
			d.Wake()
		}
	}
	return func(of *Delivery) { d = of }
}

func TestAPoisonousRequestBecomesADeadLetterWhileOthersFlow(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			o := newOutbox("poison")
			r := &receiver{answer: func(body string) Answer {
				if strings.Contains("poison", body) {
					return internal
				}
				return ok
			}}
			var told []string
			c := Config{Client: r, Outbox: o, Workers: workers, OnGate: func(g GateState) { told = append(told, g.Reason) }}
			wake := trickle(o, &c, "another call")
			d, stop := start(t, c, wake)
			settled := o.wait(t, func(all []Settlement) bool { return len(bodies(all, VerdictDead)) == 2 })
			stop()

			// It is split once, and each half is tried as often before it is given up.
			if diff := cmp.Diff([]string{"poison"}, bodies(settled, VerdictSplit)); diff != "" {
				t.Error(diff)
			}
			if n := len(bodies(settled, VerdictRetry)); n != 3*4 {
				t.Errorf("%d attempts were counted before the last, want 4 for the whole and for each half", n)
			}
			for _, dead := range settled {
				if dead.Verdict == VerdictDead && (dead.Reason != DeadFailing || dead.Detail != internal.Detail) {
					t.Errorf("dead letter %q, reason %q, detail %q", dead.Request.Body, dead.Reason, dead.Detail)
				}
			}
			// Alone and refused it held the gate once, as each half did at most. While others
			// went through it held up no other.
			if n := len(told); n > 6 || !d.Gate().Open {
				t.Errorf("the gate was %q, %+v at the end", told, d.Gate())
			}
		})
	}
}

// Whatever one request is told, 200 others do not wait for it.
func TestOneRequestThatIsRefusedForEverHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]Answer{
		"invalid":                      {Origin: FromHTTP, Status: 400},
		"failing":                      internal,
		"out of range":                 {Origin: FromGRPC, Code: codes.OutOfRange, Detail: "OutOfRange: no"},
		"overloaded":                   {Origin: FromGRPC, Code: codes.ResourceExhausted},
		"unavailable":                  {Origin: FromHTTP, Status: 502},
		"forbidden, by a firewall":     expired,
		"accepted by something else":   {Origin: FromHTTP, Status: 200, Foreign: true},
		"a time-out":                   down,
		"too large, can't be split":    large,
		"unavailable, and asks for 1s": {Origin: FromHTTP, Status: 503, RetryInfo: true, RetryAfter: time.Second},
	} {
		for _, workers := range []int{1, 8} {
			t.Run(fmt.Sprint(name, workers), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					o := newOutbox("p")
					r := &receiver{answer: func(body string) Answer {
						if body == "p" {
							return answer
						}
						return ok
					}}
					closed := 0
					d, _ := run(t, Config{Client: r, Outbox: o, Workers: workers, OnGate: func(g GateState) {
						if !g.Open {
							closed++
						}
					}})
					began := time.Now()
					for n := range 200 { // four a second
						o.add(fmt.Sprintf("call %03d", n))
						d.Wake()
						pass(250 * time.Millisecond)
					}
					settled := o.wait(t, func(all []Settlement) bool { return len(bodies(all, VerdictDone)) >= 200 })
					took := time.Since(began) - 50*time.Second
					if took > 2*time.Second {
						t.Errorf("the last of the others waited %v", took)
					}
					most := 2 // it came first and alone, so it may have held the gate, and its only witness was sent before
					if answer.RetryAfter > 0 {
						most = 10 // each time it asks all to wait, and it is asked less and less often
					}
					if closed > most {
						t.Errorf("the gate was closed %d times", closed)
					}
					if dead := bodies(settled, VerdictDead); len(dead) > 1 || len(dead) == 1 && dead[0] != "p" {
						t.Errorf("dead letters %q", dead)
					}
				})
			})
		}
	}
}

func TestRequestsThatAllFailStayHeldUntilAnotherGoesThrough(t *testing.T) {
	t.Parallel()
	for _, answer := range []Answer{internal, {Origin: FromHTTP, Status: 400}, large} {
		synctest.Test(t, func(t *testing.T) {
			o := newOutbox("p", "q")
			r := &receiver{answer: func(body string) Answer {
				if body == "p" || body == "q" {
					return answer
				}
				return ok
			}}
			d, _ := run(t, Config{Client: r, Outbox: o})
			pass(24 * time.Hour)
			synctest.Wait()
			if g := d.Gate(); g.Open || g.Detail != answer.Detail || g.Alarm != (answer.Code != codes.Internal) {
				t.Errorf("gate %+v, want it held", g)
			}
			if o.open() != 2 {
				t.Fatalf("%d requests wait, want both", o.open())
			}
			if n := len(r.sent); n > 24*60*5 {
				t.Errorf("%d requests were sent in a day", n)
			}

			for n := range 20 {
				o.add(fmt.Sprint("good ", n))
				d.Wake()
				pass(time.Minute)
			}
			settled := o.wait(t, finished(22))
			if n := len(bodies(settled, VerdictDone)); n != 20 {
				t.Errorf("%d went through, want 20", n)
			}
			if n := len(bodies(settled, VerdictDead)); n != 2 {
				t.Errorf("%d dead letters, want 2", n)
			}
		})
	}
}

func TestAsManyRefusedRequestsAsThereMayBeAreRemembered(t *testing.T) {
	t.Parallel()
	r := newRefusals()
	for id := range int64(2 * maxRefused) {
		r.sending()
		r.add(id, true)
	}
	if n := len(r.of); n != maxRefused {
		t.Errorf("%d are remembered, want %d", n, maxRefused)
	}
}

// It gets whole calls, and few.
func TestAReceiverThatIsOverloadedGetsNoMoreRequestsThanItWould(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOutbox(numbered(5)...)
		r := &receiver{answer: always(Answer{Origin: FromGRPC, Code: codes.ResourceExhausted, Detail: "ResourceExhausted: too many requests"})}
		d, _ := run(t, Config{Client: r, Outbox: o})
		pass(time.Hour)
		synctest.Wait()
		if g := d.Gate(); g.Open || g.Alarm || g.Reason != HeldThrottled {
			t.Errorf("gate %+v, want it throttled", g)
		}
		if n := len(r.sent); n > 5+260 {
			t.Errorf("%d requests were sent in an hour, want one each 15 to 30 s", n)
		}
		r.set(always(ok))
		settled := o.wait(t, finished(5))
		if done, cut := bodies(settled, VerdictDone), bodies(settled, VerdictSplit); len(done) != 5 || len(cut) > 0 {
			t.Errorf("delivered %q, split %q, want five whole calls", done, cut)
		}
	})
}
