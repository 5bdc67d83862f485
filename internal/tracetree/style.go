package tracetree

import (
	"regexp"
	"unicode/utf8"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// style paints with ANSI colours, or not at all.
type style struct{ color bool }

// Select graphic rendition, ECMA-48 §8.3.117.
const (
	sgrBold    = "1"
	sgrDim     = "2"
	sgrRed     = "31"
	sgrGreen   = "32"
	sgrYellow  = "33"
	sgrMagenta = "35"
	sgrCyan    = "36"
)

func (s style) paint(sgr, text string) string {
	if !s.color || text == "" || sgr == "" {
		return text
	}
	return "\x1b[" + sgr + "m" + text + "\x1b[0m"
}

// painted is what paint adds.
var painted = regexp.MustCompile("\x1b\\[[0-9]*m")

// length of a text without its paint, in characters.
func (s style) length(text string) int {
	if s.color {
		text = painted.ReplaceAllString(text, "")
	}
	return utf8.RuneCountInString(text)
}

func (s style) bold(text string) string { return s.paint(sgrBold, text) }
func (s style) dim(text string) string  { return s.paint(sgrDim, text) }

func (s style) with(sgr string) func(string) string {
	return func(text string) string { return s.paint(sgr, text) }
}

// service gives each of the three services its colour, and errors theirs.
func (s style) service(span *tracepb.Span) func(string) string {
	if failed(span) {
		return s.with(sgrRed)
	}
	switch text(span.GetAttributes(), "service.peer.name") {
	case "speech_to_text":
		return s.with(sgrCyan)
	case "assistant":
		return s.with(sgrMagenta)
	case "text_to_speech":
		return s.with(sgrGreen)
	}
	if len(span.GetParentSpanId()) == 0 {
		return s.with(sgrBold)
	}
	return s.with("")
}

func (s style) event(event *tracepb.Span_Event) func(string) string {
	if event.GetName() == eventWarning {
		return s.with(sgrYellow)
	}
	return s.with(sgrDim)
}

// outcome paints a call's result.
func (s style) outcome(result string) string {
	if result == "failed" {
		return s.paint(sgrRed, result)
	}
	return s.paint(sgrGreen, result)
}

func failed(span *tracepb.Span) bool {
	return span.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR
}
