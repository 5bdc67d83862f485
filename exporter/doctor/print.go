package doctor

import (
	"fmt"
	"io"
	"strings"

	"cdr2otel/internal/wrap"
)

// Printer prints findings, one after the other: what was found, by which check, what was
// seen and what to do.
type Printer struct {
	Out io.Writer
	// Color paints the states, for a terminal.
	Color bool
	// Width of the terminal in characters, at which lines are broken; 0: they are not,
	// so that a finding stays one line for grep.
	Width int
}

// The text of a finding begins behind its state and check. On a narrow terminal it goes
// on further to the left.
const (
	margin       = 4 + 2 + 16 + 2
	narrowMargin = 6
	narrow       = 60
)

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
	if p.Width > 0 && p.Width < narrow {
		fmt.Fprintf(p.Out, "%s  %s\n%*s%s\n", p.paint(f.State, words[f.State]), f.Check, narrowMargin, "", wrap.Text(text, p.Width, narrowMargin))
		return
	}
	fmt.Fprintf(p.Out, "%s  %-16s  %s\n", p.paint(f.State, words[f.State]), f.Check, wrap.Text(text, p.Width, margin))
}

// Summary prints the last line: which checks failed.
func (p Printer) Summary(r Report) {
	failed, warned := r.Failed(), r.Warned()
	checks := count(r.Checked(), "check")
	state, text := OK, checks+", all is well"
	switch {
	case len(failed) > 0:
		state, text = Fail, fmt.Sprintf("%d of %s failed: %s", len(failed), checks, strings.Join(failed, ", "))
	case len(warned) > 0:
		state, text = Warn, fmt.Sprintf("%s, none failed, look at: %s", checks, strings.Join(warned, ", "))
	}
	fmt.Fprintf(p.Out, "\n%s\n", p.paint(state, wrap.Text(text, p.Width, 0)))
}

func (p Printer) paint(s State, text string) string {
	if !p.Color {
		return text
	}
	return "\x1b[" + colors[s] + "m" + text + "\x1b[0m"
}
