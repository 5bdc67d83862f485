package waterfall

import (
	"fmt"
	"strings"
)

// Kinds of mark, each with a shape of its own.
const (
	markAudio     = "audio"
	markBargeIn   = "barge-in"
	markWarning   = "warning"
	markMessage   = "message"
	markExtension = "extension"
	markFailure   = "failure" // a message or a call of an extension that failed
	markAnswered  = "answered"
	markEnded     = "ended"
	markEvent     = "event"
)

// sameMark is how near two marks of a kind stand, in percent, to be drawn as one.
const sameMark = 0.5

// marks are the events of a span on the page.
func (l *layout) marks(s *Span) []Mark {
	var marks []Mark
	more := 0
	for _, e := range s.Events {
		if e.At < l.axis.start && l.axis.start > l.trace.Start || e.At > l.axis.end && l.axis.end < l.trace.End {
			continue // on another page
		}
		m := Mark{Kind: kindOf(e), X: Percent(l.axis.at(e.At)), At: l.trace.offset(e.At), Title: l.event(e)}
		if n := len(marks); n > 0 && marks[n-1].Kind == m.Kind && m.X-marks[n-1].X < sameMark {
			more++
			base, _, _ := strings.Cut(marks[n-1].Title, "\n")
			marks[n-1].Title = fmt.Sprintf("%s\nand %d more", base, more)
			continue
		}
		more = 0
		marks = append(marks, m)
	}
	return marks
}

func kindOf(e Event) string {
	switch e.Name {
	case eventAudioStart:
		return markAudio
	case eventBargeIn:
		return markBargeIn
	case eventWarning:
		return markWarning
	case eventMessage:
		if e.Attributes.Text(attrMessageError) != "" {
			return markFailure
		}
		return markMessage
	case eventExtension, eventModel:
		if e.Attributes.Text(attrErrorType) != "" {
			return markFailure
		}
		return markExtension
	case eventAnswered:
		return markAnswered
	case eventEnded:
		return markEnded
	}
	return markEvent
}

// event says what a mark stands for.
func (l *layout) event(e Event) string {
	text := EventWords(e)
	if e.At >= l.trace.Start {
		text += " at " + Duration(nanos(e.At-l.trace.Start))
	}
	return text
}

// EventWords say what an event is.
func EventWords(e Event) string {
	a := e.Attributes
	switch e.Name {
	case eventAudioStart:
		return "first audio"
	case eventBargeIn:
		return "the caller barges in"
	case eventWarning:
		return joined("warning", a.Text(attrWarningID), a.Text(attrWarningText))
	case eventMessage:
		about := a.Texts(attrIntents)
		if len(about) == 0 {
			about = a.Texts(attrActions)
		}
		return joined("message", strings.Join(about, ", "), a.Text(attrMessageError))
	case eventExtension:
		status := a.Scalar(attrHTTPStatus)
		failure := a.Text(attrErrorType)
		if failure == status {
			failure = ""
		}
		return joined("extension call", a.Text(attrHTTPMethod), status, failure)
	case eventModel:
		failure := ""
		if a.Text(attrErrorType) != "" {
			failure = "failed"
		}
		return joined("language model", a.Text(attrModel), failure)
	case eventReceived:
		return "seen by the webhook before the assistant"
	case eventProcessed:
		return "seen by the webhook after the assistant"
	case eventAnswered:
		return "answered"
	case eventEnded:
		return "ended"
	}
	return e.Name
}

// joined puts the words that are there after one another.
func joined(words ...string) string {
	var there []string
	for _, w := range words {
		if w != "" {
			there = append(there, w)
		}
	}
	return strings.Join(there, " ")
}

// LegendEntry explains a colour, a shading or a shape that is on the page.
type LegendEntry struct {
	Kind string // class of the swatch; of a mark, its shape
	Mark bool
	Text string
}

// legend explains what is on the page, and nothing else.
func legend(c *Chart) []LegendEntry {
	there := map[string]bool{}
	for _, r := range c.Rows {
		there[r.Role] = true
		if r.Error != "" {
			there["error"] = true
		}
		if r.Heard != nil && *r.Heard < r.W {
			there["synthesis"] = true
		}
		for _, m := range r.Marks {
			there["mark "+m.Kind] = true
		}
	}
	for _, g := range c.Gaps {
		there["wait "+g.Class] = true
	}
	var entries []LegendEntry
	for _, e := range explained {
		key := e.Kind
		if e.Mark {
			key = "mark " + key
		}
		if there[key] {
			entries = append(entries, LegendEntry{strings.ReplaceAll(e.Kind, " ", "-"), e.Mark, e.Text})
		}
	}
	return entries
}

// explained is everything that a picture can hold, in the order of the legend.
var explained = []LegendEntry{
	{"wait ok", false, "caller waits"},
	{"wait slow", false, "caller waits: slow"},
	{"wait dead_air", false, "caller waits: dead air"},
	{"wait none", false, "no answer"},
	{roleSetup, false, "setup"},
	{roleSpeech, false, "speech to text"},
	{roleAssistant, false, "assistant"},
	{"synthesis", false, "until the first audio"},
	{roleVoice, false, "caller hears"},
	{roleMessage, false, "late message"},
	{"error", false, "error"},
	{markAnswered, true, "answered"},
	{markEnded, true, "ended"},
	{markAudio, true, "first audio"},
	{markBargeIn, true, "barge-in"},
	{markMessage, true, "message"},
	{markExtension, true, "extension call"},
	{markFailure, true, "failed message or call"},
	{markWarning, true, "warning"},
	{markEvent, true, "other event"},
}
