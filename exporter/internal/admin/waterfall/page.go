package waterfall

// Sizes of a page: a call of an hour stays legible and quick to load.
const (
	pageTurns = 25 // turns on a page
	unitRows  = 60 // rows of one turn; what is beyond is folded into one
)

// unit is what a page never cuts: a child of a root with everything under it, or
// a root that has no child.
type unit struct{ root, span *Span }

// top is the span that the unit is.
func (u unit) top() *Span {
	if u.span == nil {
		return u.root
	}
	return u.span
}

// pages cuts the trace into pages of as many turns, in order of time.
func (t *Trace) pages() [][]unit {
	var pages [][]unit
	var page []unit
	turns := 0
	add := func(u unit) {
		if role(u.top()) != roleSetup {
			turns++
		}
		if turns > pageTurns {
			pages, page, turns = append(pages, page), nil, 1
		}
		page = append(page, u)
	}
	for _, root := range t.Roots {
		for _, child := range root.Children {
			add(unit{root, child})
		}
		if len(root.Children) == 0 {
			add(unit{root, nil})
		}
	}
	return append(pages, page)
}

// PageOf is the number of the page on which a span is, 1 for one that is on none.
func (t *Trace) PageOf(s *Span) int {
	for s != nil && s.Parent != nil && s.Parent.Parent != nil {
		s = s.Parent
	}
	for i, page := range t.pages() {
		for _, u := range page {
			if u.top() == s {
				return i + 1
			}
		}
	}
	return 1
}

// window is the part of time that a page shows: the first one begins with the
// trace, the last one ends with it.
func (t *Trace) window(pages [][]unit, n int) axis {
	a := axis{t.Start, t.End}
	if len(pages) > 1 {
		first := true
		for _, u := range pages[n] {
			top := u.top()
			if first || top.Start < a.start {
				a.start = top.Start
			}
			if first || top.End > a.end {
				a.end = top.End
			}
			first = false
		}
		if n == 0 {
			a.start = t.Start
		}
		if n == len(pages)-1 {
			a.end = t.End
		}
	}
	if a.end <= a.start {
		a.end = a.start + 1 // nothing divides by a zero width
	}
	return a
}

// Link to a page of a long call.
type PageLink struct {
	Number     int
	First      string // of its turns
	Last       string
	Slow, Dead int // of its turns: slow, and dead air or without an answer
	Failed     int
	Current    bool
}

func links(pages [][]unit, current int) []PageLink {
	if len(pages) < 2 {
		return nil
	}
	list := make([]PageLink, len(pages))
	n := 0 // of the turn, for those that have no number of their own
	for i, page := range pages {
		l := PageLink{Number: i + 1, Current: i == current}
		for _, u := range page {
			top := u.top()
			if role(top) == roleSetup {
				continue
			}
			n++
			name := turnNumber(top, n)
			if l.First == "" {
				l.First = name
			}
			l.Last = name
			switch top.Attributes.Text(attrTurnClass) {
			case classSlow:
				l.Slow++
			case classDeadAir, classNone:
				l.Dead++
			}
			if failed(top) {
				l.Failed++
			}
		}
		list[i] = l
	}
	return list
}

// failed tells whether the span or one under it ended with an error.
func failed(s *Span) bool {
	if s.Failed {
		return true
	}
	for _, child := range s.Children {
		if child.Failed {
			return true
		}
	}
	return false
}
