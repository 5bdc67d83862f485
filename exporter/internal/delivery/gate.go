package delivery

import (
	"math/rand/v2"
	"time"
)

// Backoff bounds how often a destination that refuses is tried.
type Backoff struct {
	Min   time.Duration // before the first probe; default 1 s
	Max   time.Duration // between later probes; default 30 s
	Alarm time.Duration // between later probes when an operator must act; default 1 min
}

// maxPause bounds every wait, whatever the other side asks for: a date in 2099 must not
// end delivery. One probe in a quarter of an hour does no harm.
const maxPause = 15 * time.Minute

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

// pause before try number n, from 1 on: doubling up to a bound, half of it random so that
// replicas don't ask in step.
func (b Backoff) pause(n int, bound time.Duration) time.Duration {
	d := b.Min << min(n-1, 20)
	if d > bound || d <= 0 {
		d = bound
	}
	return d/2 + rand.N(d/2+1)
}

// GateState is whether a signal is being sent.
type GateState struct {
	Signal string
	Open   bool
	Reason string    // why it is held, one of the Held… constants; "" when open
	Detail string    // the answer for which it is held, in words; "" when open
	Alarm  bool      // it stays held until somebody acts
	Since  time.Time // when it was closed or opened
	Until  time.Time // the next probe; zero when open
}

// gate is the one retry loop of a signal: a destination that refuses one request
// for reasons of its own would refuse the next, so all wait, and one at a time
// asks again. It belongs to the goroutine of Run.
//
//	open ──one refused──► in doubt ──another refused, or there is none──► held
//	 ▲                        │                                            │
//	 └────────────────────────┴──────────────another goes through──────────┘
//
// Where the answer is one that any request would get, open becomes held at once. A request
// that was refused while others went through changes nothing any more: see outcome.ofSuspect.
type gate struct {
	backoff Backoff
	state   GateState
	// doubt is the refusal of one request while the gate is open: the request may be at
	// fault. One at a time is sent until another answer decides.
	doubt *judged
	// generation counts state changes. Sends that began in an older one don't
	// change the gate: eight that time out together are one failure.
	generation int
	failures   int // since the last success, for the exponential back-off
	probing    bool
}

// judged is an outcome, and its answer in words.
type judged struct {
	outcome outcome
	detail  string
}

func newGate(signal string, b Backoff, now time.Time) *gate {
	return &gate{backoff: b, state: GateState{Signal: signal, Open: true, Since: now}}
}

// admit says how many may be sent now, of as many workers as are free or busy, and else
// how long to wait; a negative wait is for an answer, not for the clock.
func (g *gate) admit(free, busy int, now time.Time) (n int, wait time.Duration) {
	switch {
	case g.state.Open && g.doubt == nil:
		return free, -1
	case g.state.Open && busy > 0: // their answers may decide
		return 0, -1
	case g.state.Open:
		return min(free, 1), -1
	case g.probing || free == 0:
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
func (g *gate) answered(t ticket, r judged, now time.Time) (changed bool) {
	o := r.outcome
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
	case gateDoubt:
		if g.state.Open && g.doubt == nil && o.After == 0 {
			g.doubt = &r
			return false
		}
		g.close(r, now)
		return true
	case gateClose:
		g.close(r, now)
		return true
	default:
		return false
	}
}

// alone says that no other request is there that could decide a doubt, and whether the
// state is another one now.
func (g *gate) alone(now time.Time) (changed bool) {
	if g.doubt == nil {
		return false
	}
	g.close(*g.doubt, now)
	return true
}

func (g *gate) open(now time.Time) (changed bool) {
	g.failures, g.doubt = 0, nil
	if g.state.Open {
		return false
	}
	g.generation++
	g.state = GateState{Signal: g.state.Signal, Open: true, Since: now}
	return true
}

func (g *gate) close(r judged, now time.Time) {
	g.generation++
	g.failures++
	g.doubt = nil
	since := g.state.Since
	if g.state.Open {
		since = now
	}
	bound := g.backoff.Max
	if r.outcome.Alarm {
		bound = g.backoff.Alarm
	}
	g.state = GateState{
		Signal: g.state.Signal,
		Reason: r.outcome.Held,
		Detail: r.detail,
		Alarm:  r.outcome.Alarm,
		Since:  since,
		Until:  now.Add(max(g.backoff.pause(g.failures, bound), stretch(r.outcome.After))),
	}
}

// stretch what was asked for by up to a tenth, so that replicas don't ask in step.
func stretch(after time.Duration) time.Duration {
	switch {
	case after <= 0:
		return 0
	case after >= maxPause:
		return maxPause - rand.N(maxPause/10)
	}
	return min(after+rand.N(after/10+1), maxPause)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
