package delivery

import (
	"testing"
	"time"
)

var (
	noon     = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	bounds   = Backoff{Min: time.Second, Max: 30 * time.Second, Alarm: time.Minute}
	refusal  = outcome{Verdict: VerdictHold, Gate: gateHold, Held: HeldUnavailable}
	accepted = outcome{Verdict: VerdictDone, Gate: gateOpen}
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
	if n, _ := g.admit(8, later); n != 1 {
		t.Fatalf("%d admitted, want one probe", n)
	}
	probe := g.begin()
	if n, _ := g.admit(8, later.Add(time.Hour)); n != 0 {
		t.Fatalf("%d admitted beside the probe", n)
	}
	g.answered(probe, accepted, later)
	if n, _ := g.admit(8, later); n != 8 {
		t.Errorf("%d admitted after the probe, want all", n)
	}
}

func TestRetryAfterIsALowerBoundWithinReason(t *testing.T) {
	t.Parallel()
	for asked, least := range map[time.Duration]time.Duration{
		90 * time.Second:           90 * time.Second,
		100 * 365 * 24 * time.Hour: maxRetryAfter,
	} {
		g := newGate("traces", bounds, noon)
		o := refusal
		o.After = asked
		g.answered(g.begin(), o, noon)
		if pause := g.state.Until.Sub(noon); pause < least || pause > least+least/10+1 {
			t.Errorf("asked for %v: pause %v, want %v and up to a tenth more", asked, pause, least)
		}
	}
}

func TestALateAnswerMayProlongThePauseOnly(t *testing.T) {
	t.Parallel()
	g := newGate("traces", bounds, noon)
	slow, fast := g.begin(), g.begin()
	g.answered(fast, refusal, noon)
	o := refusal
	o.After = time.Minute
	g.answered(slow, o, noon)
	if pause := g.state.Until.Sub(noon); pause < time.Minute {
		t.Errorf("pause %v, want at least the minute that was asked for", pause)
	}
}

func TestAnAlarmIsProbedSlowly(t *testing.T) {
	t.Parallel()
	g := newGate("traces", bounds, noon)
	g.answered(g.begin(), outcome{Verdict: VerdictHold, Gate: gateAlarm, Held: HeldCredentials}, noon)
	if pause := g.state.Until.Sub(noon); pause < bounds.Alarm/2 || !g.state.Alarm {
		t.Errorf("state %+v, want an alarm and half a minute at least", g.state)
	}
}
