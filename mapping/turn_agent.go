package mapping

// agent is what is known of one answer of an assistant.
type agent struct {
	assistantID, sessionID, logID string
	message                       *MessageInput // nil if it did not come
}

// agentName is the configured name of an assistant, by the id in the CDR or in
// the message; either may be an assistant's or an environment's.
func (m *Mapper) agentName(assistantID string, message *MessageInput) string {
	if name := m.config.Agents[assistantID]; name != "" || message == nil {
		return name
	}
	return m.config.Agents[message.Message.AssistantID]
}

// agentSpanName is named by configuration only, so that it stays of low
// cardinality.
func (m *Mapper) agentSpanName(assistantID string, message *MessageInput) string {
	if name := m.agentName(assistantID, message); name != "" {
		return Text(opInvokeAgent+" "+name, MaxString)
	}
	return opInvokeAgent
}

// agent writes the attributes of an invoke_agent span.
func (b *builder) agent(m *Mapper, a agent, clock *clock) {
	b.str(attrPeerName, peerAssistant)
	b.str(attrGenAIOperation, opInvokeAgent)
	b.str(attrGenAIProvider, providerAssistant)
	b.str(attrGenAIAgentName, m.agentName(a.assistantID, a.message))
	b.addID(attrLogID, a.logID)
	if a.message == nil {
		b.addID(attrGenAIAgentID, a.assistantID)
		b.addID(attrGenAIConversation, a.sessionID)
		return
	}
	message := a.message.Message
	b.addID(attrGenAIAgentID, first(a.assistantID, message.AssistantID))
	b.addID(attrGenAIConversation, first(a.sessionID, message.SessionID))
	b.name(attrGenAIAgentVersion, labelName, message.Snapshot)
	b.addID(attrSkillID, message.SkillID)
	b.name(attrLanguage, languageName, message.Language)
	b.generation(message, clock)
}

// processing is how long the assistant itself took, by its own clock: what the
// round trip took beyond it is the network.
func (b *builder) processing(times messageTimes) {
	b.duration(attrAssistantProcessing, times.took())
}

// generation sums the calls of language models that the answer took.
func (b *builder) generation(message *Message, clock *clock) {
	var model string
	var input, output count
	var search, generated measure
	for i := range message.TurnEvents {
		event := &message.TurnEvents[i]
		if event.Event != turnEventGenerativeAI {
			continue
		}
		model = first(model, event.Model)
		input = input.plus(clock.count(event.InputTokens))
		output = output.plus(clock.count(event.OutputTokens))
		search.nanos += clock.milliseconds(event.SearchMilliseconds).nanos
		generated.nanos += clock.milliseconds(event.GenerationMilliseconds).nanos
	}
	search.known, generated.known = true, true
	b.name(attrGenAIModel, modelName, model)
	b.count(attrGenAIInputTokens, input)
	b.count(attrGenAIOutputTokens, output)
	b.duration(attrSearchDuration, search)
	b.duration(attrGenerationDuration, generated)
}
