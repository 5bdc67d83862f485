package delivery

import (
	"math/rand/v2"
	"time"
)

// Backoff bounds how often a destination that refuses is tried.
type Backoff struct {
	Min   time.Duration // before the first probe; default 1 s
	Max   time.Duration // between later probes; default 30 s
	Alarm time.Duration // between probes when somebody must act; default 1 min
}

// maxRetryAfter bounds what the other side may ask for: a date in 2099 must not
// end delivery. One probe an hour harms nobody.
const maxRetryAfter = time.Hour

func (b Backoff) orDefault() Backoff {
	if b.Min <= 0 {
		b.Min = time.Second
	}
	if b.Max <= 0 {
		b.Max = max(b.Min, 30*time.Second)
	}
	if b.Alarm <= 0 {
		b.Alarm = max(b.Max, time.Minute)
	}
	return b
}

// GateState is whether a signal is being sent.
type GateState struct {
	Signal string
	Open   bool
	Reason string    // why it is held, one of the Held… constants; "" when open
	Detail string    // the last answer in words, see Answer.Detail; "" when open
	Alarm  bool      // it stays held until somebody acts
	Since  time.Time // when it was closed or opened
	Until  time.Time // the next probe; zero when open
}

// gate is the one retry loop of a signal: a destination that refuses one request
// for reasons of its own would refuse the next, so all wait, and one at a time
// asks again. It belongs to the goroutine of Run.
type gate struct {
	backoff Backoff
	state   GateState
	// generation counts state changes. Sends that began in an older one don't
	// change the gate: eight that time out together are one failure.
	generation int
	failures   int // since the last success, for the exponential back-off
	probing    bool
}

func newGate(signal string, b Backoff, now time.Time) *gate {
	return &gate{backoff: b, state: GateState{Signal: signal, Open: true, Since: now}}
}

// admit says how many of free may be sent now, and else how long to wait; a
// negative wait is for an answer, not for the clock.
func (g *gate) admit(free int, now time.Time) (n int, wait time.Duration) {
	if g.state.Open {
		return free, -1
	}
	if g.probing || free == 0 {
		return 0, -1
	}
	if wait := g.state.Until.Sub(now); wait > 0 {
		return 0, wait
	}
	return 1, -1
}

// begin marks sends that admit allowed; the ticket goes with each.
func (g *gate) begin() ticket {
	t := ticket{generation: g.generation, probe: !g.state.Open}
	g.probing = t.probe
	return t
}

// ticket ties an answer to the state in which its request was sent.
type ticket struct {
	generation int
	probe      bool
}

// answered changes the gate as an outcome demands and says whether its state is
// another one now.
func (g *gate) answered(t ticket, o outcome, now time.Time) (changed bool) {
	if t.generation != g.generation {
		if !g.state.Open && o.After > 0 {
			g.state.Until = later(g.state.Until, now.Add(stretch(o.After)))
		}
		return false
	}
	if t.probe {
		g.probing = false
	}
	switch o.Gate {
	case gateOpen:
		return g.open(now)
	case gateHold, gateAlarm:
		g.close(o, now)
		return true
	default:
		return false
	}
}

func (g *gate) open(now time.Time) (changed bool) {
	g.failures = 0
	if g.state.Open {
		return false
	}
	g.generation++
	g.state = GateState{Signal: g.state.Signal, Open: true, Since: now}
	return true
}

func (g *gate) close(o outcome, now time.Time) {
	g.generation++
	g.failures++
	since := g.state.Since
	if g.state.Open {
		since = now
	}
	g.state = GateState{
		Signal: g.state.Signal,
		Reason: o.Held,
		Detail: o.Detail,
		Alarm:  o.Gate == gateAlarm,
		Since:  since,
		Until:  now.Add(max(g.pause(o.Gate), stretch(o.After))),
	}
}

// pause before the next probe: doubling, half of it random so that replicas
// don't ask in step.
func (g *gate) pause(a gateAction) time.Duration {
	d := g.backoff.Alarm
	if a == gateHold {
		d = g.backoff.Min << min(g.failures-1, 20)
		if d > g.backoff.Max || d <= 0 {
			d = g.backoff.Max
		}
	}
	return d/2 + rand.N(d/2+1)
}

// stretch what was asked for by up to a tenth, for the same reason.
func stretch(after time.Duration) time.Duration {
	after = min(after, maxRetryAfter)
	if after <= 0 {
		return 0
	}
	return after + rand.N(after/10+1)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
