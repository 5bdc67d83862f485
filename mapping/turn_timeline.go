package mapping

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
)

// turnPlan is one turn with its place in the call, its ids and, once decided,
// its times.
type turnPlan struct {
	turn    *Turn
	summary *Summary
	number  int  // 1-based over the call
	owned   bool // the path is turn/<log_id>
	message *MessageInput

	path, agentPath, sttPath string
	id, agentID, sttID       SpanID
	whole, assistant, stt    bounds
	audio                    []audioPlan

	sttStart, sttStop instant // as the CDR gave them
	agentStart        instant // likewise
	sttResponse       measure
	assistantResponse measure
	asked             instant // when the caller had asked, see ask
	askedInferred     bool
	wait              wait
	silence           measure // of the caller, before this turn's speech
	agentError        string  // error.type of the assistant's answer

	base []attribute.KeyValue // of its measurements
}

// audioPlan is one element of a turn's response that was heard.
type audioPlan struct {
	element  *TurnResponse
	index    int // in response[]
	path     string
	id       SpanID
	at       bounds
	sent     instant // the text to the synthesis, where the CDR says it
	first    instant // first audio
	stop     instant // playback stop
	response measure
	cached   bool
	reading  string // of the start that the CDR gives; empty when there is one reading
}

// decide fixes the bounds of the turn's spans. The assistant's start, the end of
// recognition and the first audio stand in for each other where one is missing
// (docs/mapping.md, "Times").
func (p *turnPlan) decide(clock *clock, previousEnd int64) {
	speech := p.readSpeech(clock)
	p.agentStart = p.readAssistant(clock)
	p.ask(p.agentStart)
	for i := range p.audio {
		p.audio[i].read(clock, p.answerReady())
	}
	if p.turn.Assistant != nil {
		p.assistant = p.placeAssistant(clock, p.agentStart, speech, previousEnd)
	}
	if p.turn.Request.Streaming != nil {
		p.stt = p.placeSpeech(clock, speech, previousEnd)
	}
	p.placeAudio(clock, previousEnd)
	p.envelop(clock, previousEnd)
}

// speech is what is known of the recognition's times.
type speech struct {
	start, stop           instant
	startFlags, stopFlags adjusted
}

// readSpeech reads the recognition's times from the CDR and repairs those it
// lacks from the message log, which holds the good ones when the CDR's stop is
// the sentinel.
func (p *turnPlan) readSpeech(clock *clock) speech {
	streaming := p.turn.Request.Streaming
	if streaming == nil {
		return speech{}
	}
	s := speech{start: clock.at(streaming.Start), stop: clock.at(streaming.Stop)}
	p.sttStart, p.sttStop = s.start, s.stop
	p.sttResponse = clock.milliseconds(streaming.ResponseMilliseconds)
	logged := p.loggedSpeech()
	if !s.start.ok {
		s.startFlags = missing(streaming.Start)
		s.start = clock.at(logged.Start)
	}
	if !s.stop.ok {
		s.stopFlags = missing(streaming.Stop)
		s.stop = clock.at(logged.Stop)
	}
	return s
}

// missing is the flag of a time that takes the place of one that is absent.
func missing(i Instant) adjusted {
	if i.Sentinel {
		return sentinel
	}
	return inferred
}

func (p *turnPlan) loggedSpeech() SpeechResult {
	if p.message == nil || p.message.Message.Speech == nil {
		return SpeechResult{}
	}
	return *p.message.Message.Speech
}

// confidence of the recognition: the CDR's, else the message log's. 0 is what is
// written for a recognition that has not ended, so the log's goes before it.
func (p *turnPlan) confidence() (confidence float64, ok bool) {
	logged := p.loggedSpeech().Confidence
	if confidence, ok = firstConfidence(p.turn.Request.Streaming.Confidence); ok && confidence > 0 {
		return confidence, true
	}
	if repaired, known := firstConfidence(logged); known {
		return repaired, true
	}
	return confidence, ok
}

func (p *turnPlan) readAssistant(clock *clock) instant {
	step := p.turn.Assistant
	if step == nil {
		return instant{}
	}
	p.assistantResponse = clock.milliseconds(step.ResponseMilliseconds)
	return clock.at(step.Start)
}

// placeAssistant derives a missing start from the first audio, else from the
// recognition, else from the previous turn.
func (p *turnPlan) placeAssistant(clock *clock, start instant, speech speech, previousEnd int64) bounds {
	flags := adjusted(0)
	if !start.ok {
		flags = inferred
		start = p.beforeAudio()
	}
	for _, stand := range [...]instant{speech.stop, speech.start, {previousEnd, true}} {
		if !start.ok {
			start = stand
		}
	}
	if !p.assistantResponse.known {
		flags |= inferred
	}
	return clock.span(start.nanos, start.nanos+p.assistantResponse.nanos, flags)
}

// beforeAudio is when the assistant must have been asked for the first audio to
// begin when it did.
func (p *turnPlan) beforeAudio() instant {
	if len(p.audio) == 0 || !p.audio[0].first.ok {
		return instant{}
	}
	first := p.audio[0]
	return instant{max(0, first.first.nanos-first.response.nanos-p.assistantResponse.nanos), true}
}

// placeSpeech ends a recognition without an end where the assistant begins.
func (p *turnPlan) placeSpeech(clock *clock, s speech, previousEnd int64) bounds {
	flags := s.startFlags | s.stopFlags
	if !s.stop.ok {
		flags |= inferred
		s.stop = instant{p.assistant.start, p.assistant.ok}
	}
	if !s.start.ok {
		flags |= inferred
		s.start = s.stop
	}
	if !s.start.ok {
		s.start = instant{previousEnd, true}
	}
	if !s.stop.ok {
		s.stop = s.start
	}
	return clock.span(s.start.nanos, s.stop.nanos, flags)
}

// placeAudio decides the bars of what was heard: from the text being sent to the
// last audio.
func (p *turnPlan) placeAudio(clock *clock, previousEnd int64) {
	cursor := previousEnd
	switch {
	case p.assistant.ok:
		cursor = p.assistant.end
	case p.stt.ok:
		cursor = p.stt.end
	}
	for i := range p.audio {
		audio := &p.audio[i]
		audio.at = audio.place(clock, p.assistant, cursor)
		cursor = audio.at.end
	}
}

// envelop makes the turn the envelope of its children. A turn has no times of
// its own.
func (p *turnPlan) envelop(clock *clock, previousEnd int64) {
	p.whole.cover(p.stt)
	p.whole.cover(p.assistant)
	for i := range p.audio {
		p.whole.cover(p.audio[i].at)
	}
	if !p.whole.ok {
		p.whole = clock.span(previousEnd, previousEnd+shortest, inferred)
	}
}

// Readings of a prompt's start_timestamp, the values of wxa.tts.start_reading.
const (
	readFirstAudio = "first_audio"
	readTextSent   = "text_sent"
)

// PromptReadingNames lists every name that Trace.PromptReadings can hold.
func PromptReadingNames() []string { return []string{readFirstAudio, readTextSent} }

// readings counts the prompts by how their start was read.
func (p *callPlan) readings() map[string]int {
	readings := make(map[string]int, 2)
	for i := range p.turns {
		for j := range p.turns[i].audio {
			if reading := p.turns[i].audio[j].reading; reading != "" {
				readings[reading]++
			}
		}
	}
	return readings
}

// rounding is by how much instants and durations in whole milliseconds may
// disagree.
const rounding = int64(2 * time.Millisecond)

// answerReady is when the assistant's answer was there, which is the earliest that
// its text can have been sent to the synthesis.
func (p *turnPlan) answerReady() instant {
	return instant{p.agentStart.nanos + p.assistantResponse.nanos, p.agentStart.ok && p.assistantResponse.measured()}
}

// read takes the start of a prompt for its first audio, which is what all known
// records mean, unless the text would then have been sent before the answer was
// ready. Then it is taken literally, as the time at which the transaction started,
// and the first audio follows the response time later.
func (a *audioPlan) read(clock *clock, ready instant) {
	streaming := a.element.Streaming
	a.first = clock.at(streaming.Start)
	a.stop = clock.at(streaming.Stop)
	a.response = clock.milliseconds(streaming.ResponseMilliseconds)
	if a.first.ok && a.response.measured() {
		a.reading = readFirstAudio
		if ready.ok && a.first.nanos-a.response.nanos < ready.nanos-rounding {
			a.reading = readTextSent
			a.sent = a.first
			a.first.nanos += a.response.nanos
			if a.stop.ok { // the caller cut it short before it was heard
				a.first.nanos = min(a.first.nanos, max(a.stop.nanos, a.sent.nanos))
			}
		}
	}
	// 0 ms with valid times is a cached prompt; without them it is not measured.
	a.cached = a.response.known && a.response.nanos == 0 && a.first.ok && a.stop.ok && a.stop.nanos >= a.first.nanos
}

// place puts the start response time before the first audio, but not before the assistant had answered; where the
// audio began before that, not before the assistant was asked.
func (a *audioPlan) place(clock *clock, assistant bounds, cursor int64) bounds {
	flags := adjusted(0)
	if !a.first.ok {
		flags = missing(a.element.Streaming.Start) | inferred
		start := cursor
		if a.stop.ok {
			start = min(start, a.stop.nanos)
		}
		return clock.span(start, max(start+a.response.nanos, a.stop.nanos), flags)
	}
	start := max(0, a.first.nanos-a.response.nanos)
	if assistant.ok {
		floor := assistant.end
		if a.first.nanos < floor {
			floor = assistant.start
		}
		start = min(max(start, floor), a.first.nanos)
	}
	if a.sent.ok {
		start = a.sent.nanos
	}
	if start != a.first.nanos {
		flags |= inferred
	}
	end := a.stop
	if !end.ok {
		flags |= missing(a.element.Streaming.Stop) | inferred
		end = a.first
	}
	if end.nanos < a.first.nanos {
		flags |= clamped
		clock.anomalies.add(anomalyClamped)
		end = a.first
	}
	return clock.span(start, end.nanos, flags)
}
