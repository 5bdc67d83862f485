package mapping

import (
	"slices"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// observed is where the observations of a call or conversation went, by index.
type observed struct {
	inputs []ObservationInput
	turns  map[int][]int // by the index of the turn
	root   []int
	all    []int // Trace.Observed
}

// observedTurn is a turn by what the synchronous webhooks know of it: its session,
// and how many turns there were before or with it.
type observedTurn struct {
	session string
	name    string // ObservedReceived or ObservedProcessed
	count   int
}

// joiner finds the turn of an observation. Turns are added in their order; of two
// with one turn count the first has it.
type joiner struct {
	turns    map[observedTurn]int
	sessions map[string]bool
	calls    map[string]bool // by SIP Call-ID
	// last is the highest turn count by session.
	last map[string]int
}

func newJoiner(identity Identity) *joiner {
	j := &joiner{
		turns: make(map[observedTurn]int), sessions: make(map[string]bool),
		calls: map[string]bool{identity.SIPCallID: true}, last: make(map[string]int),
	}
	for _, session := range identity.SessionIDs {
		j.sessions[session] = true
	}
	return j
}

// member makes a message's session and call those of the subject.
func (j *joiner) member(m *Message) {
	j.sessions[m.SessionID] = true
	j.calls[m.SIPCallID] = true
	if with, ok := turnCount(m.TurnCount); ok {
		j.last[m.SessionID] = max(j.last[m.SessionID], with)
	}
}

// turn adds the turn that has the message.
func (j *joiner) turn(index int, m *Message) {
	with, known := turnCount(m.TurnCount)
	before, said := turnCount(m.TurnsBefore)
	if !said && known && with > 0 {
		before, said = with-1, true
	}
	put := func(name string, count int) {
		key := observedTurn{m.SessionID, name, count}
		if _, taken := j.turns[key]; !taken {
			j.turns[key] = index
		}
	}
	if said {
		put(ObservedReceived, before)
	}
	if known {
		put(ObservedProcessed, with)
	}
}

func turnCount(n Number) (count int, ok bool) {
	if !n.Valid || n.Value < 0 || n.Value > maxPlace {
		return 0, false
	}
	return int(n.Value), true
}

// join gives each observation to its turn, else to the root. complete says that no
// later subject has turns of these sessions; without it one beyond the last turn
// here is left for them.
func (j *joiner) join(inputs []ObservationInput, complete bool) observed {
	o := observed{inputs: inputs, turns: make(map[int][]int)}
	for _, i := range ordered(inputs) {
		observation := inputs[i].Observation
		session := observation.SessionID
		ofSession := session != "" && j.sessions[session]
		if !ofSession && (observation.SIPCallID == "" || !j.calls[observation.SIPCallID]) {
			continue
		}
		turn, found := j.find(observation)
		switch {
		case ofSession && found:
			o.turns[turn] = append(o.turns[turn], i)
		case complete || !j.beyond(observation):
			o.root = append(o.root, i)
		default:
			continue
		}
		o.all = append(o.all, i)
	}
	slices.Sort(o.all)
	return o
}

// find returns the turn of an observation. What is received before the first turn has
// no count.
func (j *joiner) find(o *Observation) (turn int, found bool) {
	count, said := turnCount(o.TurnCount)
	if !said && (o.Name != ObservedReceived || o.TurnCount.Valid) {
		return 0, false
	}
	turn, found = j.turns[observedTurn{o.SessionID, o.Name, count}]
	return turn, found
}

// beyond says whether the observation is of a turn after the last one of its session
// here. Without numbers nothing is.
func (j *joiner) beyond(o *Observation) bool {
	last, numbered := j.last[o.SessionID]
	number, known := o.turn()
	return numbered && known && number > last
}

// observations adds the events of some observations to a span, moved into it.
func (b *builder) observations(span *tracepb.Span, o *observed, indexes []int, at bounds) {
	if !b.events.onSpans() {
		return
	}
	for _, i := range indexes {
		when := at.end
		if receipt := unixNano(o.inputs[i].ReceivedAt); receipt.ok {
			when = at.within(receipt.nanos)
		}
		from := b.mark()
		b.observation(o.inputs[i])
		b.event(span, o.inputs[i].Observation.event(), when, from)
	}
}

// observe finds the turns of the call's observations.
func (c *callMapping) observe(identity Identity) {
	if len(c.in.Observations) == 0 {
		return
	}
	j := newJoiner(identity)
	for i := range c.members {
		j.member(c.members[i].Message)
	}
	for i := range c.plan.turns {
		if message := c.plan.turns[i].message; message != nil {
			j.turn(i, message.Message)
		}
	}
	c.observed = j.join(c.in.Observations, true)
}

// observe finds the turns of the conversation's observations.
func (c *conversationMapping) observe(observations []ObservationInput, identity Identity) {
	if len(observations) == 0 {
		return
	}
	j := newJoiner(identity)
	for i := range c.exchange {
		j.member(c.exchange[i].Message)
		j.turn(i, c.exchange[i].Message)
	}
	c.observed = j.join(observations, false)
}

// ObservationRecord maps an observation to a log record as soon as it is made. Its
// trace is a prediction, none when it has no id; its turn cannot be computed from
// what it says, so it names no span. Headers are the kept request headers, names in
// lower case.
func (m *Mapper) ObservationRecord(in ObservationInput, headers map[string]string) *Records {
	var trace TraceID
	if kind, seed := Seed(in.Observation.Identity(), [32]byte{}); kind != SeedContentHash {
		trace = NewTraceID(m.config.Source, kind, seed)
	}
	b := m.newRecorder(trace, 1, in.ReceivedAt)
	from := b.mark()
	b.observation(in)
	b.event(new(tracepb.Span), in.Observation.event(), int64(b.receivedAt), from)
	return &Records{TraceID: trace, Request: b.logs(m.observed(headers), m.config.Version)}
}
