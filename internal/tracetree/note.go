package tracetree

import (
	"fmt"
	"slices"
	"strings"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// Events that the drawing knows (docs/mapping.md).
const (
	eventWarning    = "wxa.warning"
	eventMessage    = "wxa.message"
	eventAudioStart = "wxa.audio.start"
	eventExtension  = "wxa.extension.call"
	eventModel      = "wxa.model.call"
)

// facts are what a call is about, at a glance.
func (t *trace) facts(s style) []string {
	var facts []string
	root := t.roots[0].span
	if result := text(root.GetAttributes(), "wxa.call.result"); result != "" {
		fact := s.outcome(result)
		if reason := text(root.GetAttributes(), "wxa.call.end_reason"); reason != "" && reason != result {
			fact += " (" + cut(reason, 40) + ")"
		}
		facts = append(facts, fact)
	}
	if channel := text(root.GetAttributes(), "wxa.message.channel"); channel != "" {
		facts = append(facts, cut(channel, 40))
	}
	if truth(root.GetAttributes(), "wxa.cdr.missing") {
		facts = append(facts, "its CDR is missing")
	}
	whole := seconds(t.end-t.start) + " s"
	if answered, ok := number(root.GetAttributes(), "wxa.call.duration"); ok {
		whole += fmt.Sprintf(", %.3f s of it answered", answered)
	}
	facts = append(facts, whole)
	facts = counted(facts, root.GetAttributes(), "wxa.call.turn_count", "turn")
	facts = counted(facts, root.GetAttributes(), "wxa.call.barge_in_count", "barge-in")
	return counted(facts, root.GetAttributes(), "wxa.call.warning_count", "warning")
}

// counted adds an attribute that counts something, unless it is absent or 0.
func counted(facts []string, attributes []*commonpb.KeyValue, key, what string) []string {
	if n := value(attributes, key).GetIntValue(); n > 0 {
		facts = append(facts, plural(n, what))
	}
	return facts
}

func plural(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// spanNote is the one thing to know about a span beside its times.
func (d drawing) spanNote(n *node) string {
	a := n.span.GetAttributes()
	var notes []string
	if failed(n.span) {
		notes = append(notes, "✗ "+first(text(a, "error.type"), n.span.GetStatus().GetMessage(), "error"))
	}
	if n.detached {
		notes = append(notes, "parent sent earlier")
	}
	switch class := text(a, "wxa.turn.response.class"); class {
	case "slow", "dead_air":
		notes = append(notes, strings.ReplaceAll(class, "_", " "))
	}
	notes = measured(notes, a, "wxa.turn.response.duration", "waited %.3f s")
	notes = measured(notes, a, "wxa.stt.confidence", "confidence %.2f")
	if truth(a, "wxa.stt.echo_detected") {
		notes = append(notes, "echo")
	}
	notes = measured(notes, a, "wxa.search.duration", "search %.3f s")
	notes = measured(notes, a, "wxa.generation.duration", "model %.3f s")
	if truth(a, "wxa.tts.cached") {
		notes = append(notes, "cached")
	} else {
		notes = measured(notes, a, "wxa.tts.response.duration", "audio after %.3f s")
	}
	return strings.Join(notes, ", ")
}

func measured(notes []string, a []*commonpb.KeyValue, key, format string) []string {
	if v, ok := number(a, key); ok {
		notes = append(notes, fmt.Sprintf(format, v))
	}
	return notes
}

// eventNote is the one thing to know about an event.
func (d drawing) eventNote(event *tracepb.Span_Event) string {
	a := event.GetAttributes()
	switch event.GetName() {
	case eventWarning:
		return text(a, "wxa.warning.id")
	case eventMessage:
		about := strings.Join(texts(a, "wxa.message.intents"), ", ")
		return first(text(a, "wxa.message.error"), about, strings.Join(texts(a, "wxa.message.actions"), ", "))
	case eventModel:
		if failure := text(a, "error.type"); failure != "" {
			return text(a, "gen_ai.request.model") + " failed"
		}
		return text(a, "gen_ai.request.model")
	case eventExtension:
		status, failure := "", text(a, "error.type")
		if code := value(a, "http.response.status_code").GetIntValue(); code != 0 {
			status = fmt.Sprint(code)
		}
		if failure == status {
			failure = ""
		}
		return strings.Join(strings.Fields(text(a, "http.request.method")+" "+status+" "+failure), " ")
	}
	return ""
}

// audioStart is when the first audio of a prompt was heard, 0 if that is unknown.
func audioStart(n *node) uint64 {
	for _, event := range slices.Concat(n.span.GetEvents(), n.records) {
		if event.GetName() == eventAudioStart {
			return event.GetTimeUnixNano()
		}
	}
	return 0
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
