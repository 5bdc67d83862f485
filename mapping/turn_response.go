package mapping

import "time"

// Classes of a turn's response.
const (
	classOK      = "ok"
	classSlow    = "slow"
	classDeadAir = "dead_air"
	classNone    = "none" // no audio after speech or keys
)

// answer is how long the caller waited for a turn's first audio.
type answer struct {
	duration measure
	class    string // empty when the duration is not known
}

// answered adds recognition, assistant and first audio. A part that applies and
// is not measured leaves the sum unknown: a sum without it would look fast. A
// cached prompt contributes nothing, it was there.
func (p *turnPlan) answered(slow, deadAir time.Duration) answer {
	if len(p.audio) == 0 {
		return answer{class: p.silentClass()}
	}
	sum := measure{known: true}
	if p.turn.Request.Type == typeSpeech || p.turn.Request.Streaming != nil {
		sum = sum.plus(p.sttResponse)
	}
	if p.turn.Assistant != nil {
		sum = sum.plus(p.assistantResponse)
	}
	first := &p.audio[0]
	if !first.cached {
		sum = sum.plus(first.response)
	}
	if !sum.measured() || p.audibleBefore(first.index) {
		return answer{}
	}
	switch waited := time.Duration(sum.nanos); {
	case waited >= deadAir:
		return answer{sum, classDeadAir}
	case waited >= slow:
		return answer{sum, classSlow}
	}
	return answer{sum, classOK}
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
