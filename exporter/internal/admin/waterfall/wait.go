package waterfall

import (
	"cmp"
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

// Wait is a gap in which the caller hears nothing and waits, as the mapping
// measured it (docs/mapping.md, "The caller's wait").
type Wait struct {
	Turn       *Span
	Start, End uint64 // Unix nanoseconds
	Class      string // wxa.turn.response.class
	// Duration is wxa.turn.response.duration; of a turn without an answer the time
	// until the next turn.
	Duration time.Duration
	// Estimated: the record lacks an instant, and the parts stand in for it.
	Estimated bool
	Parts     []Part // what it was spent on, largest first
}

// Part is a share of a wait.
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
	if w.Estimated {
		parts = append(parts, "estimated from its parts")
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
	w := &Wait{Turn: turn, Class: turn.Attributes.Text(attrTurnClass), Estimated: turn.Attributes.True(attrTurnEstimated)}
	if w.Class == classNone {
		if firstAudio(turn) > 0 {
			return nil
		}
		w.Start, w.End = max(saidAt(turn), answered), max(next, turn.End)
		if w.End <= w.Start {
			return nil
		}
		w.Duration = nanos(w.End - w.Start)
		return w
	}
	waited, known := turn.Attributes.duration(attrTurnResponse)
	if !known || waited == 0 {
		return nil
	}
	w.Duration = waited
	w.End = firstAudio(turn)
	if w.End == 0 {
		w.End = saidAt(turn) + uint64(waited)
	}
	w.Start = w.End - min(w.End, uint64(waited))
	w.Parts = parts(turn, waited)
	return w
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
		if d, ok := child.Attributes.duration(attrSTTResponse); ok {
			at -= min(uint64(d), at-child.Start)
		}
		return at
	}
	return turn.Start
}

// minPart is below what the remainder of a wait, or the network's share of the
// assistant's round trip, is not worth a word.
const minPart = 10 * time.Millisecond

// parts are what a wait was spent on. What of it no part explains is on the turn;
// the rest is given to voice, assistant, network and recognition, from the first audio
// backwards: of the earliest a share may lie before the wait, while it rang.
func parts(turn *Span, waited time.Duration) []Part {
	unexplained, _ := turn.Attributes.duration(attrTurnUnexplained)
	left := waited - unexplained
	var parts []Part
	add := func(name string, d time.Duration) {
		if d = min(d, left); d > 0 {
			parts = append(parts, Part{name, d})
			left -= d
		}
	}
	add("voice", voiceTime(turn))
	trip, working := measuredTime(turn, roleAssistant, attrAssistant), measuredTime(turn, roleAssistant, attrProcessing)
	network := time.Duration(0)
	if working > 0 && trip-working >= minPart {
		trip, network = working, trip-working
	}
	add("assistant", trip)
	add("network", network)
	add("recognition", measuredTime(turn, roleSpeech, attrSTTResponse))
	slices.Reverse(parts) // of equal ones the earlier first
	if unexplained += left; unexplained >= minPart {
		parts = append(parts, Part{"unexplained", unexplained})
	}
	slices.SortStableFunc(parts, func(a, b Part) int { return cmp.Compare(b.Duration, a.Duration) })
	return parts
}

// voiceTime is what the first prompt of a turn took to be heard; one from the
// cache took nothing.
func voiceTime(turn *Span) time.Duration {
	for _, child := range turn.Children {
		if role(child) == roleVoice {
			d, _ := child.Attributes.duration(attrTTSResponse)
			if child.Attributes.True(attrTTSCached) {
				return 0
			}
			return d
		}
	}
	return 0
}

// measuredTime is the duration on the child of a turn that has the role.
func measuredTime(turn *Span, of, key string) time.Duration {
	for _, child := range turn.Children {
		if role(child) == of {
			if d, ok := child.Attributes.duration(key); ok {
				return d
			}
		}
	}
	return 0
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
