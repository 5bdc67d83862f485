package main

import (
	"encoding/hex"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"

	"cdr2otel/mapping"
)

// requests are the traces of the bodies.
func (b *bodies) requests(m *mapping.Mapper) []*coltracepb.ExportTraceServiceRequest {
	return b.signals(m).traces
}

// signals joins the bodies as the sidecar does when all of them are there
// before assembly (docs/architecture.md): a message belongs to the call that
// names its log_id, else to that of its SIP Call-ID, else to that of its
// session; what is left are conversations.
func (b *bodies) signals(m *mapping.Mapper) signals {
	var s signals
	calls, rest := b.join()
	for _, call := range calls {
		s.add(m, m.Call(call), mapping.CallID(call.CDR.Identity(), call.ContentHash), call.Messages)
	}
	for _, segment := range conversations(rest) {
		s.add(m, m.Conversation(segment), "", segment.Messages)
	}
	return s
}

func (b *bodies) join() (calls []mapping.CallInput, rest []mapping.MessageInput) {
	calls = distinctCalls(b.calls)
	byLog, byCall, bySession := map[string]int{}, map[string]int{}, map[string]int{}
	for i := range calls {
		id := calls[i].CDR.Identity()
		owned := map[string]bool{}
		for _, log := range id.LogIDs {
			owned[log] = claim(byLog, log, i)
		}
		calls[i].Owns = func(logID string) bool { return owned[logID] }
		claim(byCall, id.SIPCallID, i)
		for _, session := range id.SessionIDs {
			claim(bySession, session, i)
		}
	}
	for _, message := range distinctMessages(b.messages) {
		id := message.Message.Identity()
		i, found := -1, false
		for _, log := range id.LogIDs {
			i, found = lookUp(byLog, log)
		}
		if !found {
			i, found = lookUp(byCall, id.SIPCallID)
		}
		for _, session := range id.SessionIDs {
			if !found {
				i, found = lookUp(bySession, session)
			}
		}
		if !found {
			rest = append(rest, message)
			continue
		}
		calls[i].Messages = append(calls[i].Messages, message)
	}
	return calls, rest
}

// claim gives key to call i unless an earlier one has it.
func claim(owners map[string]int, key string, i int) bool {
	if _, taken := owners[key]; taken || key == "" {
		return false
	}
	owners[key] = i
	return true
}

func lookUp(owners map[string]int, key string) (int, bool) {
	i, found := owners[key]
	return i, found
}

// distinctCalls keeps the first of the CDRs that stand for one call: the sidecar
// keeps another as a dead letter.
func distinctCalls(calls []mapping.CallInput) []mapping.CallInput {
	seen := map[string]bool{}
	var kept []mapping.CallInput
	for _, call := range calls {
		id := mapping.CallID(call.CDR.Identity(), call.ContentHash)
		if !seen[id] {
			seen[id] = true
			kept = append(kept, call)
		}
	}
	return kept
}

// distinctMessages keeps the first of the messages with one log_id.
func distinctMessages(messages []mapping.MessageInput) []mapping.MessageInput {
	seen := map[string]bool{}
	var kept []mapping.MessageInput
	for _, message := range messages {
		id := mapping.PathID(message.Message.LogID, message.ContentHash)
		if !seen[id] {
			seen[id] = true
			kept = append(kept, message)
		}
	}
	return kept
}

// segmentSize is the number of messages at which the sidecar closes a segment.
const segmentSize = 200

// conversations gathers messages by session, else by SIP Call-ID; a message
// with neither is alone.
func conversations(messages []mapping.MessageInput) []mapping.ConversationInput {
	var segments []mapping.ConversationInput
	open := map[string]int{}
	for _, message := range messages {
		key := gatherKey(message)
		i, found := open[key]
		if !found || len(segments[i].Messages) == segmentSize {
			i = len(segments)
			open[key] = i
			segments = append(segments, mapping.ConversationInput{})
		}
		segments[i].Messages = append(segments[i].Messages, message)
		segments[i].CDRMissing = segments[i].CDRMissing || message.Message.Phone
	}
	return segments
}

func gatherKey(message mapping.MessageInput) string {
	switch m := message.Message; {
	case m.SessionID != "":
		return "session " + m.SessionID
	case m.SIPCallID != "":
		return "call " + m.SIPCallID
	}
	return "message " + hex.EncodeToString(message.ContentHash[:])
}
