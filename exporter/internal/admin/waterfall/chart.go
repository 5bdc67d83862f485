package waterfall

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Heights of the picture in CSS pixels. Places across it are in percent of the
// plot, so it fits every width without its letters shrinking.
const (
	headHeight = 26
	rowHeight  = 28
	footHeight = 6
)

// minWidth of a bar in percent: about two pixels of a wide plot and one of a
// narrow one.
const minWidth = 0.3

// maxDepth is how far rows are indented.
const maxDepth = 4

// Chart is one page of the picture.
type Chart struct {
	Zero     uint64 // where the trace begins, Unix nanoseconds
	From, To int64  // the window, in nanoseconds since Zero, as every offset here
	Height   int
	Rows     []*Row
	Gaps     []Gap
	Ticks    []Tick
	Title    string
	Desc     string
	Legend   []LegendEntry

	Pages []PageLink // empty when there is one
	Page  int
	Strip *Strip // the whole call, when there are several pages
}

// Row is a span with its bar.
type Row struct {
	Span   *Span // of a folded row, that under which they are
	Role   string
	Depth  int
	Band   bool // every other turn has a ground of its own
	Y      int
	X, W   Percent
	From   int64 // offsets of the span
	To     int64
	Label  string // cut to fit
	Title  string // everything in words
	Number string // its duration
	Note   string
	Error  string // error.type of a span that ended with one
	Marks  []Mark
	Wait   *Wait
	// WaitX is where the words of the wait begin, or end with WaitEnd.
	WaitX   Percent
	WaitEnd bool
	// Heard is how much of the bar, from its right end, was audible; the rest is the
	// time until the first audio.
	Heard *Percent
	// NoteX is where the note begins, or ends with NoteEnd.
	NoteX   Percent
	NoteEnd bool
	// Tight: there is room for a note on neither side of the bar.
	Tight bool
	// Cut: the bar goes on beyond the page.
	CutLeft, CutRight bool
	Folded            int // how many spans this row stands for
}

// Mark is an event on a row.
type Mark struct {
	Kind  string
	X     Percent
	At    int64 // offset
	Title string
}

// Gap is a wait, drawn over the rows of its turn.
type Gap struct {
	Wait  *Wait
	X, W  Percent
	From  int64 // offsets
	To    int64
	Y, H  int
	Class string
	Title string
}

// Strip is the whole call in one line.
type Strip struct {
	Bars []StripBar
	X, W Percent // of the page that is shown
}

// StripBar is a turn in it.
type StripBar struct {
	X, W  Percent
	Class string
}

// Chart lays out a page, 1 or another that there is.
func (t *Trace) Chart(page int) *Chart {
	pages := t.pages()
	page = max(1, min(page, len(pages)))
	a := t.window(pages, page-1)
	c := &Chart{Zero: t.Start, From: t.offset(a.start), To: t.offset(a.end), Page: page, Pages: links(pages, page-1)}
	l := &layout{trace: t, chart: c, axis: a, waits: map[*Span]*Wait{}}
	for _, w := range t.Waits() {
		l.waits[w.Turn] = w
	}
	l.rows(pages[page-1])
	c.Height = headHeight + rowHeight*len(c.Rows) + footHeight
	c.Ticks = a.ticks(t.Start)
	c.Legend = legend(c)
	if len(pages) > 1 {
		c.Strip = t.strip(a)
	}
	c.Title, c.Desc = t.title(c), t.desc(l.waits)
	return c
}

// offset of an instant from the start of the trace, in nanoseconds. An event may
// lie before it.
func (t *Trace) offset(at uint64) int64 { return int64(at - t.Start) }

// layout makes the rows of a page.
type layout struct {
	trace *Trace
	chart *Chart
	axis  axis
	waits map[*Span]*Wait
	band  bool
}

func (l *layout) rows(page []unit) {
	var root *Span
	for _, u := range page {
		if u.root != root {
			root = u.root
			l.band = false
			l.row(root, nil, 0)
		}
		if u.span == nil {
			continue
		}
		from := len(l.chart.Rows)
		l.unit(u.span, l.last(root))
		l.gap(u.span, from)
		l.band = !l.band
	}
}

// last is the row of the span, which was made before.
func (l *layout) last(s *Span) *Row {
	for _, r := range slices.Backward(l.chart.Rows) {
		if r.Span == s && r.Folded == 0 {
			return r
		}
	}
	return nil
}

// unit makes the rows of a span and of what is under it, parents first.
func (l *layout) unit(top *Span, parent *Row) {
	type visit struct {
		span   *Span
		parent *Row
		depth  int
	}
	stack := []visit{{top, parent, 1}}
	from := len(l.chart.Rows)
	for len(stack) > 0 {
		v := stack[len(stack)-1]
		if len(l.chart.Rows)-from == unitRows-1 && (len(stack) > 1 || len(v.span.Children) > 0) {
			break
		}
		stack = stack[:len(stack)-1]
		row := l.row(v.span, v.parent, v.depth)
		for _, child := range slices.Backward(v.span.Children) {
			stack = append(stack, visit{child, row, v.depth + 1})
		}
	}
	if len(stack) == 0 {
		return
	}
	left := 0
	for _, v := range stack {
		left += v.span.size()
	}
	l.fold(top, left)
}

// size counts the span and everything under it.
func (s *Span) size() int {
	n := 0
	for stack := []*Span{s}; len(stack) > 0; n++ {
		top := stack[len(stack)-1]
		stack = append(stack[:len(stack)-1], top.Children...)
	}
	return n
}

// fold says how many spans are not drawn, where their bars would be.
func (l *layout) fold(top *Span, n int) {
	first := l.last(top)
	text := strconv.Itoa(n) + " more spans"
	l.chart.Rows = append(l.chart.Rows, &Row{
		Span: top, Role: roleFolded, Depth: 2, Band: l.band, Y: l.y(), X: first.X, W: first.W, From: first.From, To: first.To,
		Label: text, Title: text + " of this turn are not drawn; they are in the exported trace", Folded: n,
	})
}

func (l *layout) y() int { return headHeight + rowHeight*len(l.chart.Rows) }

// row makes the row of a span whose parent's row is known.
func (l *layout) row(s *Span, parent *Row, depth int) *Row {
	r := &Row{
		Span: s, Role: role(s), Depth: min(depth, maxDepth), Band: l.band && depth > 0, Y: l.y(),
		Label: cut(Label(s), labelSize-2*min(depth, maxDepth)), Number: Duration(nanos(s.End - s.Start)),
		Note: note(s), Error: failure(s), Wait: l.waits[s],
		From: l.trace.offset(s.Start), To: l.trace.offset(s.End),
		CutLeft: s.Start < l.axis.start, CutRight: s.End > l.axis.end,
	}
	r.place(l.axis.at(s.Start), l.axis.at(s.End), parent)
	r.Marks = l.marks(s)
	if heard := heardAt(s); heard > 0 {
		w := Percent(max(0, min(float64(r.X+r.W)-l.axis.at(heard), float64(r.W))))
		r.Heard = &w
	}
	r.NoteX, r.NoteEnd = r.X+r.W, false
	if r.NoteX > 70 {
		r.NoteX, r.NoteEnd, r.Tight = r.X, true, r.X < 20
	}
	r.Title = l.words(r)
	l.chart.Rows = append(l.chart.Rows, r)
	return r
}

// place gives the bar its exact bounds, and at least its smallest width: a bar
// that is too thin to be seen grows to the right, and back where it would leave
// its parent's bar or the plot.
func (r *Row) place(from, to float64, parent *Row) {
	left, right := 0.0, 100.0
	if parent != nil && from >= float64(parent.X) && to <= float64(parent.X+parent.W) {
		left, right = float64(parent.X), float64(parent.X+parent.W)
	}
	if to-from < minWidth {
		to = min(from+minWidth, right)
		from = max(to-minWidth, left)
	}
	r.X, r.W = Percent(from), Percent(to-from)
}

// gap shades the time in which the caller waits, over the rows of the turn from
// the given one on.
func (l *layout) gap(turn *Span, from int) {
	w := l.waits[turn]
	if w == nil {
		return
	}
	x, end := l.axis.at(w.Start), l.axis.at(w.End)
	x = max(0, min(x, 100-minWidth))
	g := Gap{
		Wait: w, From: l.trace.offset(w.Start), To: l.trace.offset(w.End), X: Percent(x), W: Percent(max(end-x, minWidth)), Class: w.Class,
		Y: headHeight + rowHeight*from, H: rowHeight * (len(l.chart.Rows) - from),
		Title: "The caller waits: " + w.Words(),
	}
	if g.Class == "" {
		g.Class = classOK
	}
	if spent := w.Spent(); spent != "" {
		g.Title += " (" + spent + ")"
	}
	l.chart.Gaps = append(l.chart.Gaps, g)
	head := l.chart.Rows[from]
	head.WaitX = g.X
	if g.X > 60 {
		head.WaitX, head.WaitEnd = g.X+g.W, true
	}
}

// words are everything that a row shows.
func (l *layout) words(r *Row) string {
	s := r.Span
	text := fmt.Sprintf("%s: from %s to %s, %s", strings.TrimSpace(Label(s)),
		Duration(nanos(s.Start-l.trace.Start)), Duration(nanos(s.End-l.trace.Start)), r.Number)
	if r.Wait != nil {
		text += ", " + r.Wait.Words()
	}
	if r.Error != "" {
		text += ", error: " + r.Error
	}
	if r.Note != "" {
		text += ", " + r.Note
	}
	if adjusted := s.Attributes.Texts(attrAdjusted); len(adjusted) > 0 {
		text += ", times " + strings.Join(adjusted, ", ")
	}
	return text
}

// title names the picture.
func (t *Trace) title(c *Chart) string {
	what := "Waterfall"
	if main := t.Main(); main != nil {
		what += " of a " + strings.ToLower(Label(main))
	}
	if len(c.Pages) > 0 {
		return fmt.Sprintf("%s, page %d of %d", what, c.Page, len(c.Pages))
	}
	return what
}

// desc says what one sees.
func (t *Trace) desc(waits map[*Span]*Wait) string {
	text := fmt.Sprintf("%d spans over %s", t.Spans(), Duration(nanos(t.End-t.Start)))
	if len(waits) > 0 {
		text += fmt.Sprintf("; the caller waits %d times for an answer", len(waits))
		if len(waits) == 1 {
			text = strings.Replace(text, "1 times", "once", 1)
		}
	}
	if w := t.Longest(); w != nil {
		text += ", longest " + Duration(w.Duration)
	}
	return text + ". The table below says the same."
}

// strip draws every turn of the call in one line.
func (t *Trace) strip(window axis) *Strip {
	a := axis{t.Start, max(t.End, t.Start+1)}
	s := &Strip{X: Percent(a.at(window.start))}
	s.W = Percent(max(minWidth, a.at(window.end)-float64(s.X)))
	s.X = min(s.X, 100-s.W)
	for _, root := range t.Roots {
		for _, child := range root.Children {
			class := child.Attributes.Text(attrTurnClass)
			if class == "" || class == classNone && role(child) != roleTurn {
				class = classOK
			}
			if failed(child) {
				class = "failed"
			}
			bar := Row{}
			bar.place(a.at(child.Start), a.at(child.End), nil)
			if n := len(s.Bars); n > 0 && s.Bars[n-1].Class == class && bar.X+bar.W <= s.Bars[n-1].X+s.Bars[n-1].W {
				continue // it could not be seen
			}
			s.Bars = append(s.Bars, StripBar{bar.X, bar.W, class})
		}
	}
	return s
}

// turnNumber is the number of a turn, else its place.
func turnNumber(s *Span, n int) string {
	if number, ok := s.Attributes.Int(attrTurnNumber); ok {
		return strconv.FormatInt(number, 10)
	}
	return strconv.Itoa(n)
}
