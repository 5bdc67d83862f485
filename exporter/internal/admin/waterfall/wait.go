package waterfall

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"
)

// Classes of a turn's response (docs/mapping.md).
const (
	classOK      = "ok"
	classSlow    = "slow"
	classDeadAir = "dead_air"
	classNone    = "none"
)

// Wait is a gap in which the caller hears nothing and waits: from the end of
// what was said or pressed to the first audio of the answer.
type Wait struct {
	Turn       *Span
	Start, End uint64 // Unix nanoseconds
	Class      string // wxa.turn.response.class; empty when it is not known
	// Duration is wxa.turn.response.duration, the sum of what the source measured,
	// where the caller waited for all of it; else the time between the bounds.
	Duration time.Duration
	// Clock is the time between the bounds where the two don't agree, 0 where they
	// do.
	Clock time.Duration
	Parts []Part // what it was spent on, largest first
}

// Part is a share of a wait, as the spans measured it.
type Part struct {
	Name     string
	Duration time.Duration
}

// Slow tells whether the wait was slow or dead air.
func (w *Wait) Slow() bool { return w.Class == classSlow || w.Class == classDeadAir }

// Words say what the wait is.
func (w *Wait) Words() string {
	switch w.Class {
	case classNone:
		return "no answer"
	case classSlow:
		return "waited " + Duration(w.Duration) + " · slow"
	case classDeadAir:
		return "waited " + Duration(w.Duration) + " · dead air"
	}
	return "waited " + Duration(w.Duration)
}

// Spent lists what the wait was spent on.
func (w *Wait) Spent() string {
	var parts []string
	for _, p := range w.Parts {
		parts = append(parts, p.Name+" "+Duration(p.Duration))
	}
	return strings.Join(parts, ", ")
}

// Failures are the errors of the turn: what is slow often fails in the end.
func (w *Wait) Failures() []string {
	var failures []string
	for _, s := range append([]*Span{w.Turn}, w.Turn.Children...) {
		if what := failure(s); what != "" {
			failures = append(failures, Label(s)+": "+what)
		}
	}
	return failures
}

// Waits are the gaps of every turn, in order of time.
func (t *Trace) Waits() []*Wait {
	var waits []*Wait
	for _, root := range t.Roots {
		var turns []*Span
		for _, child := range root.Children {
			if role(child) == roleTurn {
				turns = append(turns, child)
			}
		}
		for i, turn := range turns {
			next := root.End
			if i+1 < len(turns) {
				next = turns[i+1].Start
			}
			if w := waitOf(turn, answeredAt(root), next); w != nil {
				waits = append(waits, w)
			}
		}
	}
	return waits
}

// Longest is the wait to look at first: the longest one that ended in an answer,
// else nil.
func (t *Trace) Longest() *Wait {
	var longest *Wait
	for _, w := range t.Waits() {
		if w.Class != classNone && (longest == nil || w.Duration > longest.Duration) {
			longest = w
		}
	}
	return longest
}

// answeredAt is when the call was answered: nobody waits for an answer while it
// rings. 0 when it isn't known.
func answeredAt(root *Span) uint64 {
	for _, e := range root.Events {
		if e.Name == eventAnswered {
			return e.At
		}
	}
	return 0
}

func waitOf(turn *Span, answered, next uint64) *Wait {
	heard, said := firstAudio(turn), saidAt(turn)
	w := &Wait{Turn: turn, Start: max(said, answered), End: heard, Class: turn.Attributes.Text(attrTurnClass)}
	switch {
	case heard > 0 && w.Class != classNone:
	case heard == 0 && w.Class == classNone:
		w.End = max(next, turn.End)
	default:
		return nil // an answer that is not timed, or a turn that asks for none
	}
	if w.End <= w.Start {
		if !w.Slow() {
			return nil
		}
		w.Start = w.End // its clocks deny the wait that its parts add up to
	}
	w.measure(w.Start == said || w.Start == w.End)
	w.Parts = parts(turn)
	return w
}

// measure decides how long the wait was; whole is whether the caller waited for
// all that the turn's response took.
func (w *Wait) measure(whole bool) {
	clock := nanos(w.End - w.Start)
	w.Duration = clock
	s, ok := w.Turn.Attributes.Seconds(attrTurnResponse)
	if !whole || !ok || !(s > 0 && s < 1e6) {
		return
	}
	w.Duration = time.Duration(math.Round(s * 1e9))
	if (w.Duration - clock).Abs() > max(50*time.Millisecond, w.Duration/10) {
		w.Clock = clock
	}
}

// firstAudio is when the turn's answer began to be heard; 0 when it did not or
// that is not known.
func firstAudio(turn *Span) uint64 {
	var first uint64
	for _, child := range turn.Children {
		if at := heardAt(child); at > 0 && (first == 0 || at < first) {
			first = at
		}
	}
	return first
}

// heardAt is when a span's audio began; 0 if it has none.
func heardAt(s *Span) uint64 {
	if role(s) != roleVoice {
		return 0
	}
	for _, e := range s.Events {
		if e.Name == eventAudioStart {
			return e.At
		}
	}
	return 0
}

// saidAt is when the caller had said or pressed what the turn answers: the
// recognition span ends with the final text, its response before that with the
// caller's last word.
func saidAt(turn *Span) uint64 {
	for _, child := range turn.Children {
		if role(child) != roleSpeech {
			continue
		}
		at := child.End
		if s, ok := child.Attributes.Seconds(attrSTTResponse); ok && s > 0 && s < 1e6 {
			at -= min(uint64(s*1e9), at-child.Start)
		}
		return at
	}
	return turn.Start
}

// parts are the measured shares of a turn's response.
func parts(turn *Span) []Part {
	var parts []Part
	add := func(name string, s *Span, key string) {
		if v, ok := s.Attributes.Seconds(key); ok && v > 0 && v < 1e6 {
			parts = append(parts, Part{name, time.Duration(math.Round(v * 1e9))})
		}
	}
	spoken := false
	for _, child := range turn.Children {
		switch role(child) {
		case roleSpeech:
			add("recognition", child, attrSTTResponse)
		case roleAssistant:
			add("assistant", child, attrAssistant)
		case roleVoice:
			if !spoken && !child.Attributes.True(attrTTSCached) {
				add("voice", child, attrTTSResponse)
			}
			spoken = true
		}
	}
	slices.SortStableFunc(parts, func(a, b Part) int { return cmp.Compare(b.Duration, a.Duration) })
	return parts
}

// Share is the place of a part in a bar of all of them.
type Share struct {
	Name string
	X, W float64 // percent
}

// Shares are the parts beside each other.
func (w *Wait) Shares() []Share {
	var sum time.Duration
	for _, p := range w.Parts {
		sum += p.Duration
	}
	var shares []Share
	x := 0.0
	for _, p := range w.Parts {
		width := round(100 * float64(p.Duration) / float64(sum))
		shares = append(shares, Share{p.Name, round(x), width})
		x += width
	}
	return shares
}
