package mapping

func (r *reader) summaries() []Summary {
	r.turns, r.responses = 0, 0 // a repeated member starts again
	return list(r, maxSummaries, (*reader).summary)
}

// summary reads the rest of an element of assistant_interaction_summaries. The
// older schema's own start and stop are not used (docs/mapping.md, "Times").
func (r *reader) summary() (s Summary) {
	for r.more() {
		switch string(r.key()) {
		case "assistant_id":
			s.AssistantID = r.name()
		case "session_id":
			s.SessionID = r.id()
		case "turns":
			s.Turns = r.turnList()
		default:
			r.skip()
		}
	}
	return s
}

// turnList reads turns. An element that is null or no object is no turn: it is
// left out and takes no index.
func (r *reader) turnList() []Turn {
	turns := list(r, maxTurns-r.turns, (*reader).turn)
	r.turns += len(turns)
	return turns
}

func (r *reader) turn() (t Turn) {
	for r.more() {
		switch string(r.key()) {
		case "assistant":
			t.Assistant = r.assistantStep()
		case "request":
			t.Request = r.turnRequest()
		case "response":
			t.Response = r.turnResponses()
		default:
			r.skip()
		}
	}
	return t
}

func (r *reader) assistantStep() *AssistantStep {
	if !r.begin('{') {
		return nil
	}
	a := new(AssistantStep)
	for r.more() {
		switch string(r.key()) {
		case "log_id":
			a.LogID = r.id()
		case "start_timestamp":
			a.Start = r.instant()
		case "response_milliseconds":
			a.ResponseMilliseconds = r.number()
		default:
			r.skip()
		}
	}
	return a
}

func (r *reader) turnRequest() (q TurnRequest) {
	if !r.begin('{') {
		return q
	}
	for r.more() {
		switch string(r.key()) {
		case "type":
			q.Type = r.name()
		case "streaming_statistics":
			q.Streaming = r.streaming()
		default:
			r.skip()
		}
	}
	return q
}

func (r *reader) turnResponses() []TurnResponse {
	responses := list(r, min(maxResponsesPerTurn, maxResponses-r.responses), (*reader).turnResponse)
	r.responses += len(responses)
	return responses
}

func (r *reader) turnResponse() (p TurnResponse) {
	for r.more() {
		switch string(r.key()) {
		case "type":
			p.Type = r.name()
		case "barge_in_occurred":
			p.BargeIn = r.isTrue()
		case "streaming_statistics":
			p.Streaming = r.streaming()
		default:
			r.skip()
		}
	}
	return p
}
