package mapping

import "slices"

// maxAgents bounds how many sessions and assistants a root names.
const maxAgents = 10

// agents are the sessions and assistants of a call or conversation, each once, in
// the order in which they came. They stand on its root as well, because some back
// ends find a trace only by attributes of one span.
type agents struct{ sessions, ids, names, versions []string }

// add notes one answer of an assistant.
func (a *agents) add(m *Mapper, of agent) {
	name, version := m.agentName(of.assistantID, of.message), ""
	if of.message != nil {
		message := of.message.Message
		of.assistantID = first(of.assistantID, message.AssistantID)
		of.sessionID = first(of.sessionID, message.SessionID)
		version = message.Snapshot
	}
	for _, one := range [...]struct {
		list  *[]string
		value string
	}{{&a.sessions, of.sessionID}, {&a.ids, of.assistantID}, {&a.names, name}, {&a.versions, version}} {
		if one.value != "" && len(*one.list) < maxAgents && !slices.Contains(*one.list, one.value) {
			*one.list = append(*one.list, one.value)
		}
	}
}

// agents writes them: one as a string, as on invoke_agent, several as an array.
func (b *builder) agents(a *agents) {
	b.oneOrMore(attrGenAIConversation, each(a.sessions, b.policy.ids.Shown))
	b.oneOrMore(attrGenAIAgentID, each(a.ids, b.policy.ids.Shown))
	b.oneOrMore(attrGenAIAgentName, a.names)
	b.oneOrMore(attrGenAIAgentVersion, each(a.versions, func(v string) string { return b.policy.name(labelName, v) }))
}

func (b *builder) oneOrMore(key string, values []string) {
	if len(values) == 1 {
		b.str(key, values[0])
		return
	}
	b.strs(key, values)
}
