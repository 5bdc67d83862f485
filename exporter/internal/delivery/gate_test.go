package delivery

import (
	"math"
	"testing"
	"time"
)

var (
	noon      = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	bounds    = Backoff{Min: time.Second, Max: 30 * time.Second, Alarm: time.Minute}
	refusal   = judged{outcome: outcome{Verdict: VerdictHold, Gate: gateClose, Held: HeldUnavailable}}
	uncertain = judged{outcome: outcome{Verdict: VerdictRetry, Gate: gateDoubt, Held: HeldMisconfigured, Alarm: true}, detail: "400"}
	accepted  = judged{outcome: outcome{Verdict: VerdictDone, Gate: gateOpen}}
)

func TestPausesDoubleUpToTheMaximumAndHalfOfEachIsRandom(t *testing.T) {
	t.Parallel()
	for range 100 {
		g := newGate("traces", bounds, noon)
		for _, full := range []time.Duration{1, 2, 4, 8, 16, 30, 30, 30} {
			full *= time.Second
			g.answered(g.begin(), refusal, noon)
			if pause := g.state.Until.Sub(noon); pause < full/2 || pause > full {
				t.Fatalf("pause %v, want between %v and %v", pause, full/2, full)
			}
		}
	}
}

func TestManyFailuresDoNotOverflowThePause(t *testing.T) {
	t.Parallel()
	g := newGate("traces", bounds, noon)
	for range 1000 {
		g.answered(g.begin(), refusal, noon)
		if pause := g.state.Until.Sub(noon); pause <= 0 || pause > bounds.Max {
			t.Fatalf("pause %v", pause)
		}
	}
}

func TestSendsThatFailTogetherAreOneFailure(t *testing.T) {
	t.Parallel()
	g := newGate("traces", bounds, noon)
	tickets := make([]ticket, 8)
	for n := range tickets {
		tickets[n] = g.begin()
	}
	for _, one := range tickets {
		g.answered(one, refusal, noon)
	}
	if g.failures != 1 {
		t.Errorf("%d failures, want 1", g.failures)
	}
}

func TestOnlyTheProbeOpensTheGate(t *testing.T) {
	t.Parallel()
	g := newGate("traces", bounds, noon)
	slow, fast := g.begin(), g.begin()
	g.answered(fast, refusal, noon)
	g.answered(slow, accepted, noon)
	if g.state.Open {
		t.Fatal("a request that was sent before the refusal opened the gate")
	}

	later := noon.Add(time.Second)
	if n, _ := g.admit(8, 0, later); n != 1 {
		t.Fatalf("%d admitted, want one probe", n)
	}
	probe := g.begin()
	if n, _ := g.admit(8, 0, later.Add(time.Hour)); n != 0 {
		t.Fatalf("%d admitted beside the probe", n)
	}
	g.answered(probe, accepted, later)
	if n, _ := g.admit(8, 0, later); n != 8 {
		t.Errorf("%d admitted after the probe, want all", n)
	}
}

func TestRetryAfterIsALowerBoundAndAProbeComesEachQuarterOfAnHourAtLeast(t *testing.T) {
	t.Parallel()
	for asked, least := range map[time.Duration]time.Duration{
		90 * time.Second:             90 * time.Second,
		maxPause - 1:                 maxPause - 1,
		maxPause:                     maxPause * 9 / 10,
		100 * 365 * 24 * time.Hour:   maxPause * 9 / 10,
		time.Duration(math.MaxInt64): maxPause * 9 / 10,
	} {
		for range 100 {
			g := newGate("traces", bounds, noon)
			r := refusal
			r.outcome.After = asked
			g.answered(g.begin(), r, noon)
			if pause := g.state.Until.Sub(noon); pause < least || pause > min(min(asked, maxPause)*11/10+1, maxPause) {
				t.Fatalf("asked for %v: pause %v, want %v at least and up to a tenth more, at most %v", asked, pause, least, maxPause)
			}
		}
	}
}

func TestALateAnswerMayProlongThePauseOnly(t *testing.T) {
	t.Parallel()
	g := newGate("traces", bounds, noon)
	slow, fast := g.begin(), g.begin()
	g.answered(fast, refusal, noon)
	r := refusal
	r.outcome.After = time.Minute
	g.answered(slow, r, noon)
	if pause := g.state.Until.Sub(noon); pause < time.Minute {
		t.Errorf("pause %v, want at least the minute that was asked for", pause)
	}
}

func TestAnAlarmIsProbedMoreAndMoreSlowly(t *testing.T) {
	t.Parallel()
	g := newGate("traces", bounds, noon)
	r := judged{outcome: outcome{Verdict: VerdictHold, Gate: gateClose, Held: HeldCredentials, Alarm: true}, detail: "401"}
	for _, full := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		full *= time.Second
		g.answered(g.begin(), r, noon)
		if pause := g.state.Until.Sub(noon); pause < full/2 || pause > full {
			t.Errorf("pause %v, want between %v and %v", pause, full/2, full)
		}
	}
	if !g.state.Alarm || g.state.Detail != "401" || g.state.Since != noon {
		t.Errorf("state %+v, want an alarm, its cause and since when", g.state)
	}
}

// What the next answers make of one refusal that may be the request's own fault.
func TestADoubtIsDecidedByAnotherRequest(t *testing.T) {
	t.Parallel()
	keep := judged{outcome: outcome{Verdict: VerdictSplit, Gate: gateKeep}}
	asks := uncertain
	asks.outcome.After = time.Minute
	for name, c := range map[string]struct {
		answers []judged
		alone   bool
		open    bool
		reason  string
		doubt   bool
	}{
		"one refused":                                {answers: []judged{uncertain}, open: true, doubt: true},
		"another goes through":                       {answers: []judged{uncertain, accepted}, open: true},
		"another is refused too":                     {answers: []judged{uncertain, uncertain}, reason: HeldMisconfigured},
		"another gets no answer":                     {answers: []judged{uncertain, refusal}, reason: HeldUnavailable},
		"there is no other":                          {answers: []judged{uncertain}, alone: true, reason: HeldMisconfigured},
		"another is split":                           {answers: []judged{uncertain, keep}, open: true, doubt: true},
		"it asks to wait":                            {answers: []judged{asks}, reason: HeldMisconfigured},
		"nothing was refused, and there is no other": {alone: true, open: true},
	} {
		g := newGate("traces", bounds, noon)
		for _, a := range c.answers {
			g.answered(g.begin(), a, noon)
		}
		if c.alone {
			g.alone(noon)
		}
		if g.state.Open != c.open || g.state.Reason != c.reason || (g.doubt != nil) != c.doubt {
			t.Errorf("%s: %+v, in doubt %t", name, g.state, g.doubt != nil)
		}
		want := map[bool]int{true: 8, false: 0}[c.open]
		if c.doubt {
			want = 1
		}
		if n, _ := g.admit(8, 0, noon); n != want {
			t.Errorf("%s: %d admitted, want %d", name, n, want)
		}
		if n, _ := g.admit(7, 1, noon); c.doubt && n != 0 {
			t.Errorf("%s: %d admitted beside one whose answer may decide", name, n)
		}
	}
}
