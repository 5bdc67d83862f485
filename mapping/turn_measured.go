package mapping

// measureTurn records a turn and the services it went through.
func (c *callMapping) measureTurn(p *turnPlan) {
	k := &c.points
	request := p.turn.Request.Type
	from := k.mark()
	k.str(attrTurnRequestType, closed(request, requestTypeKnown(request)))
	requestType := k.since(from)
	k.str(attrTurnResponseClass, p.wait.class)
	k.str(attrErrorType, p.errorType())
	k.add(MetricTurns, 1, p.base, p.id, k.since(from))
	k.known(MetricTurnResponse, p.wait.duration, p.base, p.id, requestType)
	if p.assistantResponse.measured() {
		k.duration(MetricAssistantResponse, p.assistantResponse, p.base, p.agentID, k.one(attrErrorType, p.agentError))
	}
	c.measureSpeech(p)
	c.measureResponses(p)
}

func (c *callMapping) measureSpeech(p *turnPlan) {
	if !p.stt.ok {
		return
	}
	k := &c.points
	if p.sttResponse.measured() {
		k.duration(MetricSTTResponse, p.sttResponse, p.base, p.sttID, k.one(attrErrorType, p.speechErrorType()))
	}
	streaming := p.turn.Request.Streaming
	if confidence, ok := p.confidence(); ok {
		k.add(MetricSTTConfidence, confidence, p.base, p.sttID, nil)
	}
	if streaming.EchoDetected != nil && *streaming.EchoDetected {
		k.add(MetricSTTEchoes, 1, p.base, p.sttID, nil)
	}
}

// measureResponses counts the commands of a turn and records what was heard. A
// prompt from the cache took no time to synthesise: 0 ms is no measurement.
func (c *callMapping) measureResponses(p *turnPlan) {
	k := &c.points
	heard := p.audio
	for i := range p.turn.Response {
		response := &p.turn.Response[i]
		k.add(MetricCommands, 1, p.base, p.id,
			k.one(attrCommandType, closed(response.Type, responseTypeKnown(response.Type))))
		span := p.id
		if len(heard) > 0 && heard[0].index == i {
			span = heard[0].id
			if response.Type != typeURL {
				k.duration(MetricTTSResponse, heard[0].response, p.base, span, nil)
			}
			heard = heard[1:]
		}
		if response.BargeIn {
			k.add(MetricBargeIns, 1, p.base, span, nil)
		}
	}
}
