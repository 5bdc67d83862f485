package mapping

import (
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// assistant builds the invoke_agent span and hangs the message log on it.
func (c *callMapping) assistant(p *turnPlan) {
	summary := p.summary
	span := c.begin(c.m.agentSpanName(summary.AssistantID, p.message), tracepb.Span_SPAN_KIND_CLIENT, p.agentID, p.id, p.assistant)
	c.agent(c.m, agent{
		assistantID: summary.AssistantID,
		sessionID:   summary.SessionID,
		logID:       p.logID(),
		message:     p.message,
	}, &c.clock)
	c.duration(attrAssistantResponse, p.assistantResponse)
	p.agentError = p.message.errorType()
	c.status(span, p.agentError)
	var times messageTimes
	if p.message != nil {
		times = c.logged.message(p.message.Message)
		c.processing(times)
		c.flagCut(c.said(p.message.Message, p.turn.Request.Type == typeDTMF))
	}
	c.finish(span)
	if p.message != nil {
		message := p.message.Message
		c.message(span, message, times, p.assistant, c.logged, false)
	}
	c.warnings(span, p.agentID, p.assistant.end)
	if p.owned {
		c.refs[p.logID()] = c.ref(p.agentID, p.assistant)
	}
}

// speechToText builds the span of a recognition. Its transaction is one
// connection for the whole call, so the id names no single turn.
func (c *callMapping) speechToText(p *turnPlan) {
	streaming := p.turn.Request.Streaming
	logged := p.loggedSpeech()
	span := c.begin(opSpeechToText, tracepb.Span_SPAN_KIND_CLIENT, p.sttID, p.id, p.stt)
	c.str(attrPeerName, opSpeechToText)
	c.str(attrGenAIOperation, opSpeechToText)
	c.str(attrGenAIProvider, providerSpeech)
	c.duration(attrSTTResponse, p.sttResponse)
	if confidence, ok := p.confidence(); ok {
		c.double(attrSTTConfidence, confidence)
	}
	c.maybe(attrSTTEcho, streaming.EchoDetected)
	c.addID(attrSTTTransaction, first(streaming.TransactionID, logged.TransactionID))
	c.status(span, p.speechErrorType())
	c.finish(span)
	c.warnings(span, p.sttID, p.stt.end)
}

// audio builds the span of what the caller heard: synthesis and playback, or an
// audio file. Files are no GenAI operation, and their server is nobody's peer.
func (c *callMapping) audio(p *turnPlan, audio *audioPlan) {
	name := opTextToSpeech
	if audio.element.Type == typeURL {
		name = spanPlayAudio
	}
	span := c.begin(name, tracepb.Span_SPAN_KIND_CLIENT, audio.id, p.id, audio.at)
	if name == opTextToSpeech {
		c.textToSpeech(audio)
	}
	c.duration(attrTTSResponse, audio.response)
	c.str(attrTTSStartReading, audio.reading)
	c.bool(attrTTSBargeIn, audio.element.BargeIn)
	if audio.cached || audio.response.measured() {
		c.bool(attrTTSCached, audio.cached)
	}
	c.addID(attrTTSTransaction, audio.element.Streaming.TransactionID)
	c.finish(span)
	if audio.first.ok {
		c.event(span, eventAudioStart, audio.at.within(audio.first.nanos), c.mark())
	}
	if audio.element.BargeIn {
		c.event(span, eventBargeIn, audio.at.end, c.mark())
	}
	c.warnings(span, audio.id, audio.at.end)
}

func (c *callMapping) textToSpeech(audio *audioPlan) {
	c.str(attrPeerName, opTextToSpeech)
	c.str(attrGenAIOperation, opTextToSpeech)
	c.str(attrGenAIProvider, providerSpeech)
	c.str(attrGenAIOutputType, outputTypeSpeech)
	c.duration(attrGenAIFirstChunk, audio.response)
}
