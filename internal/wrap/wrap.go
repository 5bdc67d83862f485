// Package wrap fits text to the width of a terminal.
package wrap

import (
	"strings"
	"unicode/utf8"
)

const noBreak = "\u00a0"

// Text breaks text at blanks, so that it fits between column hang and column width: the
// caller has written something as long as hang before it, and the other lines are
// indented by as much. A longer word, such as a URL, stays whole. A no-break space is
// written as a blank. A width of 0 or less breaks nothing.
func Text(text string, width, hang int) string {
	if width <= 0 {
		return strings.ReplaceAll(text, noBreak, " ")
	}
	width = max(width-hang, 1)
	var out strings.Builder
	room := width
	for i, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' }) {
		length := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case length+1 > room:
			out.WriteString("\n" + strings.Repeat(" ", hang))
			room = width
		default:
			out.WriteByte(' ')
			room--
		}
		out.WriteString(strings.ReplaceAll(word, noBreak, " "))
		room -= length
	}
	return out.String()
}
