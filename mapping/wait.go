package mapping

import "time"

// Classes of a turn's wait, the values of wxa.turn.response.class.
const (
	classOK      = "ok"
	classSlow    = "slow"
	classDeadAir = "dead_air"
	classNone    = "none" // no audio after speech or keys
)

// wait is how long the caller waited for the first audio of a turn's answer
// (docs/mapping.md, "The caller's wait"). Span, class, metrics, list and pages all
// take it from here.
type wait struct {
	duration measure // when known, 0 is a wait too
	// unexplained is the part of the duration in which neither recognition nor
	// assistant nor synthesis was at work; not known when estimated.
	unexplained measure
	estimated   bool   // the parts stand in for an instant that is missing
	class       string // empty when the duration is not known
}

// interval is a stretch of time in Unix nanoseconds.
type interval struct{ from, to int64 }

// waits decides the wait of every turn, in order of time. The waits of a call do
// not overlap and lie between its answer and its end, so their sum never exceeds
// the answered duration.
func (p *callPlan) waits(clock *clock, slow, deadAir time.Duration) {
	floor, ended := p.answered, p.ended
	if !floor.ok && p.setup.ok {
		floor = instant{p.setup.end, true}
	}
	if floor.ok && ended.nanos <= floor.nanos {
		ended = instant{} // its clock contradicts itself
	}
	left, limited := p.elapsed.nanos, p.elapsed.measured()
	if floor.ok && ended.ok {
		left, limited = ended.nanos-floor.nanos, true
	}
	for _, i := range p.order {
		turn := &p.turns[i]
		turn.wait = turn.waited(floor, ended)
		w := &turn.wait
		if !w.duration.known {
			continue
		}
		if limited && w.duration.nanos > left {
			clock.anomalies.add(anomalyImplausibleDuration)
			*w = wait{}
			continue
		}
		left -= w.duration.nanos
		w.classify(slow, deadAir)
		if first := turn.audio[0].first; first.ok && (!floor.ok || first.nanos > floor.nanos) {
			floor = first
		}
	}
}

func (w *wait) classify(slow, deadAir time.Duration) {
	switch waited := time.Duration(w.duration.nanos); {
	case waited >= deadAir:
		w.class = classDeadAir
	case waited >= slow:
		w.class = classSlow
	default:
		w.class = classOK
	}
}

// waited measures from when the caller had asked to when the answer was heard.
// Nobody waits before floor, which is when the call was answered or the answer to
// an earlier turn was heard, nor after the end of the call.
func (p *turnPlan) waited(floor, ended instant) wait {
	if len(p.audio) == 0 {
		return wait{class: p.silentClass()}
	}
	first := &p.audio[0]
	if p.audibleBefore(first.index) {
		return wait{}
	}
	rings := p.turn.Request.Type == typeStart // it may have begun before the answer
	sum := p.sumOfParts()
	asked, heard, w := p.asked, first.first, wait{estimated: p.askedInferred}
	switch {
	case rings && !floor.ok:
		return wait{}
	case asked.ok && heard.ok:
	case !sum.measured():
		return wait{}
	case heard.ok:
		asked, w.estimated = instant{heard.nanos - sum.nanos, true}, true
	case asked.ok:
		heard, w.estimated = instant{asked.nanos + sum.nanos, true}, true
	case rings:
		return wait{}
	default:
		return wait{duration: sum, estimated: true}
	}
	begin, end := asked.nanos, heard.nanos
	if floor.ok {
		begin = max(begin, floor.nanos)
	}
	if ended.ok {
		end = min(end, ended.nanos)
	}
	w.duration = measure{nanos: max(0, end-begin), known: true}
	if !w.estimated {
		w.unexplained = measure{nanos: p.unexplained(begin, begin+w.duration.nanos), known: true}
	}
	return w
}

// ask fixes when the caller had asked: at the end of their speech, which is when
// the recogniser noticed silence, else when the assistant was asked. It reads the
// CDR alone: the message log's instants are those of another clock.
func (p *turnPlan) ask(agent instant) {
	if p.turn.Request.Type != typeSpeech && p.turn.Request.Streaming == nil {
		p.asked = agent
		return
	}
	final := p.sttStop
	if !final.ok {
		final, p.askedInferred = agent, true // it is asked with the final result
	}
	if final.ok && p.sttResponse.measured() {
		p.asked = instant{final.nanos - p.sttResponse.nanos, true}
		if p.sttStart.ok {
			p.asked.nanos = max(p.asked.nanos, p.sttStart.nanos)
		}
	}
}

// sumOfParts adds recognition, assistant and synthesis. A part that applies and is
// not measured leaves the sum unknown: a sum without it would look fast. A cached
// prompt contributes nothing, it was there.
func (p *turnPlan) sumOfParts() measure {
	sum := measure{known: true}
	if p.turn.Request.Type == typeSpeech || p.turn.Request.Streaming != nil {
		sum = sum.plus(p.sttResponse)
	}
	if p.turn.Assistant != nil {
		sum = sum.plus(p.assistantResponse)
	}
	if first := &p.audio[0]; !first.cached {
		sum = sum.plus(first.response)
	}
	return sum
}

// unexplained is how much of a wait no part covers.
func (p *turnPlan) unexplained(begin, end int64) int64 {
	first := &p.audio[0]
	left := end - begin
	for _, part := range [...]interval{
		{p.asked.nanos, p.asked.nanos + p.sttResponse.nanos},
		{p.agentStart.nanos, p.agentStart.nanos + p.assistantResponse.nanos},
		{first.first.nanos - first.response.nanos, first.first.nanos},
	} {
		part.from, part.to = max(part.from, begin), min(part.to, end)
		if part.to > part.from {
			left -= part.to - part.from
			begin = part.to // what two parts cover counts once
		}
	}
	return left
}

// silentClass is the class of a turn of which no audio is timed.
func (p *turnPlan) silentClass() string {
	request := p.turn.Request.Type
	if request != typeSpeech && request != typeDTMF || p.audibleBefore(len(p.turn.Response)) {
		return ""
	}
	return classNone
}

// audibleBefore says whether an element before the given one was heard without
// being timed (an audio file without statistics): what the caller waited for is
// then not known.
func (p *turnPlan) audibleBefore(index int) bool {
	for i := range p.turn.Response[:index] {
		if audible(p.turn.Response[i].Type) {
			return true
		}
	}
	return false
}

func audible(responseType string) bool {
	return responseType == typeSpoken || responseType == typeURL
}

// plus adds two measurements; what is not measured makes the sum unknown.
func (m measure) plus(n measure) measure {
	if !m.known || !n.measured() {
		return measure{}
	}
	return measure{nanos: m.nanos + n.nanos, known: true}
}

// silentSince is how long the caller was silent: from the stop of the previous
// playback to the start of speech. A caller who barged in was not.
func (p *turnPlan) silentSince(playbackStop instant) measure {
	if !p.sttStart.ok || !playbackStop.ok || p.sttStart.nanos <= playbackStop.nanos {
		return measure{}
	}
	return measure{nanos: p.sttStart.nanos - playbackStop.nanos, known: true}
}
