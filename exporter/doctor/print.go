package doctor

import (
	"fmt"
	"io"
	"strings"
)

// Printer prints findings, one a line: what was found, by which check, what was seen
// and what to do.
type Printer struct {
	Out io.Writer
	// Color paints the states, for a terminal.
	Color bool
}

// words are the states as they are printed, padded to one width.
var words = map[State]string{OK: "ok  ", Warn: "warn", Fail: "FAIL", Note: "note", Skip: "skip"}

// Select graphic rendition, ECMA-48 §8.3.117: green, yellow, bold red, dim.
var colors = map[State]string{OK: "32", Warn: "33", Fail: "1;31", Note: "2", Skip: "2"}

// Finding prints one.
func (p Printer) Finding(f Finding) {
	text := f.Seen
	if f.Do != "" {
		text += "; " + f.Do
	}
	fmt.Fprintf(p.Out, "%s  %-16s  %s\n", p.paint(f.State, words[f.State]), f.Check, text)
}

// Summary prints the last line: which checks failed.
func (p Printer) Summary(r Report) {
	failed, warned := r.Failed(), r.Warned()
	checks := count(r.Checked(), "check")
	switch {
	case len(failed) > 0:
		fmt.Fprintf(p.Out, "\n%s\n", p.paint(Fail, fmt.Sprintf("%d of %s failed: %s", len(failed), checks, strings.Join(failed, ", "))))
	case len(warned) > 0:
		fmt.Fprintf(p.Out, "\n%s\n", p.paint(Warn, fmt.Sprintf("%s, none failed, look at: %s", checks, strings.Join(warned, ", "))))
	default:
		fmt.Fprintf(p.Out, "\n%s\n", p.paint(OK, checks+", all is well"))
	}
}

func (p Printer) paint(s State, text string) string {
	if !p.Color {
		return text
	}
	return "\x1b[" + colors[s] + "m" + text + "\x1b[0m"
}
