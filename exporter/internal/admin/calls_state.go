package admin

import (
	"fmt"
	"time"

	"cdr2otel/exporter/internal/admin/waterfall"
)

// notice says one thing that a person must know before reading on.
type notice struct {
	Tone string // "", warn or bad
	ID   string
	Head string
	Text string
}

// Reasons for an assembly, in words.
var assemblyWords = map[string]string{
	"complete":     "everything it waited for was there",
	"not_expected": "its source sends no message logs",
	"grace":        "correlation.grace was over and message logs were missing",
	"window":       "correlation.window was over and no call record had come",
	"idle":         "it had been silent for correlation.chat_idle",
	"late":         "it came after its call had been exported",
	"size":         "the segment was full",
}

// Words say why it was assembled.
func (p CallPart) Words() string {
	if words := assemblyWords[p.Reason]; words != "" {
		return words
	}
	return p.Reason
}

// Name of a part.
func (p CallPart) Name() string {
	switch p.Kind {
	case "late":
		return "late message"
	case "log":
		return "log record of a message"
	}
	return p.Kind
}

// count of its requests in a state.
func (p CallPart) count(state string) (n int, lastError string) {
	for _, r := range p.Requests {
		if r.State == state {
			n++
			if r.LastError != "" {
				lastError = r.LastError
			}
		}
	}
	return n, lastError
}

// Export is what became of the part: open, pending, exported, dead.
func (p CallPart) Export() string {
	dead, _ := p.count("dead")
	pending, _ := p.count("pending")
	switch {
	case p.State == "dead", dead > 0:
		return "dead"
	case p.State == "open", pending > 0:
		return "pending"
	}
	return "exported"
}

// callState says where a call is, and what of it can't be shown.
func (p *pages) callState(main *CallPart, trace CallTrace) (state string, notices []notice) {
	add := func(tone, id, head, text string) { notices = append(notices, notice{tone, id, head, text}) }
	switch {
	case main.State == "open":
		add("warn", "open", "Not put together yet.", p.waitsFor(main))
	case main.State == "dead":
		add("bad", "dead", "It could not be mapped.", deadWords(main)+" The delivery of its record, below, can be retried.")
	default:
		if _, lastError := main.count("dead"); main.Export() == "dead" {
			add("bad", "dead", "The back end refused it for good.", sentence(lastError)+" The delivery of its record, below, can be retried.")
		}
		if n, lastError := main.count("pending"); n > 0 {
			text := "Its spans are made and do not change any more; they wait to be sent."
			if lastError != "" {
				text += " The last attempt: " + sentence(lastError)
			}
			add("warn", "undelivered", "Not delivered yet.", text)
		}
	}
	if main.State == "assembled" {
		if !drawable(trace) {
			add("", "evicted", "Its spans are not kept here any more.", p.goneWords(main))
		}
		for _, part := range trace.Parts {
			if part.Kind == "late" && part.State == "open" {
				add("", "late", "A message came late.", "It becomes a span of its own at once; what was exported does not change.")
				break
			}
		}
	}
	if trace.RequestsLeftOut > 0 || trace.MoreParts || trace.MoreEvents {
		add("warn", "too-large", "Not all of it is shown.", "It is too large for one page; the back end has everything.")
	}
	return main.Export(), notices
}

// waitsFor says what an open part waits for, and until when.
func (p *pages) waitsFor(part *CallPart) string {
	what := "the messages that its record names"
	switch part.Kind {
	case "conversation":
		what = "the rest of the conversation"
	case "late", "log":
		return "Messages of it have come. The record of the call comes after the call; what is known until then is below."
	}
	until := "at once"
	if left := part.DueAt.Sub(p.cfg.Now()); left > 0 {
		until = fmt.Sprintf("in %s, at %s", duration(left.Round(time.Second)), part.DueAt.UTC().Format("15:04:05"))
	}
	return "It waits for " + what + ". Its spans are made when they are there, at the latest " + until + "."
}

// drawable tells whether any span of the trace is left.
func drawable(trace CallTrace) bool {
	for _, part := range trace.Parts {
		for _, r := range part.Requests {
			if r.Signal == "traces" && r.Body != nil {
				return true
			}
		}
	}
	return false
}

// goneWords say why there is no picture.
func (p *pages) goneWords(part *CallPart) string {
	switch {
	case part.Evicted:
		return "The store was nearly full (store.max_size), and delivered requests make room first, oldest first. The numbers of the call stay until store.retention is over; the back end has the spans."
	case len(part.Requests) == 0:
		return "The export of traces is off (OTEL_TRACES_EXPORTER), so no spans were made to be sent."
	}
	return "They could not be read, or are too large to be shown; the log of this process says which. The numbers of the call are left."
}

// deadWords say why a part could not be mapped.
func deadWords(part *CallPart) string {
	for _, e := range part.Events {
		if e.State == "dead" && (e.Detail != "" || e.Reason != "") {
			return sentence(e.Reason + ": " + e.Detail)
		}
	}
	return "Its deliveries, below, say why."
}

// failureWords say what is wrong with a call whose status is Error.
func failureWords(root *waterfall.Span) string {
	if !root.Failed {
		return ""
	}
	text := orElse(root.Attributes.Text("error.type"), "the platform does not say which") + "."
	if message := root.Attributes.Text(wxa + "call.failure.message"); message != "" {
		text += " " + sentence(message)
	}
	return text
}

// sentence ends a text that a machine wrote.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	if last := text[len(text)-1]; last == '.' || last == '!' || last == '?' {
		return text
	}
	return text + "."
}
