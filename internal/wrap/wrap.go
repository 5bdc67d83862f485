// Package wrap fits text to the width of a terminal.
package wrap

import (
	"strings"
	"unicode/utf8"
)

// Text breaks text at blanks, so that it fits between column hang and column width: the
// caller has written something as long as hang before it, and the other lines are
// indented by as much. A longer word, such as a URL, stays whole. A width of 0 or less
// breaks nothing.
func Text(text string, width, hang int) string {
	if width <= 0 {
		return text
	}
	width = max(width-hang, 1)
	var out strings.Builder
	room := width
	for i, word := range strings.Fields(text) {
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
		out.WriteString(word)
		room -= length
	}
	return out.String()
}
