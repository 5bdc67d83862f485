package tracetree

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// Widths of a drawing, in characters. A narrower terminal breaks the lines; a wider one
// would tear names and bars too far from each other.
const (
	narrowest    = 40
	widest       = 140
	defaultWidth = 100
)

// timeWidth is that of each of the two columns of times.
const timeWidth = 9

// layout is the widths of the columns: at 100, 50 + 9 + 9 + 2 + 30.
type layout struct {
	width int // of a line of facts; 0: it stays whole
	name  int
	tree  int // of the names' columns; deeper branches are cut on the left
	bar   int
}

func newLayout(width int) layout {
	l := layout{}
	if width <= 0 {
		width = defaultWidth
	} else {
		width = min(max(width, narrowest), widest)
		l.width = width
	}
	room := width - 2*timeWidth - 2
	l.bar = room * 3 / 8
	l.name = room - l.bar
	l.tree = l.name * 3 / 5
	return l
}

// What happens at an instant: an event of a span, or a log record of it.
const (
	eventMark  = "◆"
	recordMark = "◇"
)

// Options of a drawing. The zero value draws without colours and log records.
type Options struct {
	Color bool // ANSI colours, for a terminal
	// Width of a line in characters, from 40 to 140; 0: 100, but what a trace is about
	// stays on one line.
	Width int
	// Logs are drawn on the spans that their records name, those without such a span
	// on the first root of their trace; of a trace that is not drawn, nowhere.
	Logs []*collogspb.ExportLogsServiceRequest
}

// Render draws every trace in the requests. The only errors are those of w.
func Render(w io.Writer, requests []*coltracepb.ExportTraceServiceRequest, o Options) error {
	buffered := bufio.NewWriter(w)
	l := newLayout(o.Width)
	for i, t := range build(requests, o.Logs) {
		if i > 0 {
			buffered.WriteByte('\n')
		}
		d := drawing{
			out:    buffered,
			layout: l,
			style:  style{color: o.Color},
			scale:  scale{start: t.start, end: t.end, columns: l.bar},
		}
		d.header(t)
		for _, root := range t.roots {
			d.node(root, "", "", "")
		}
	}
	return buffered.Flush() // bufio keeps the first error for here
}

// drawing is the drawing of one trace.
type drawing struct {
	out    *bufio.Writer
	layout layout
	style  style
	scale  scale
}

func (d drawing) header(t *trace) {
	service := t.service
	if service == "" {
		service = "unknown_service"
	}
	at := time.Unix(0, int64(t.start)).UTC().Format("2006-01-02 15:04:05.000Z")
	d.fields("  ", d.style.bold("trace "+hex.EncodeToString([]byte(t.id))), cut(service, defaultWidth), d.style.dim(at))
	d.fields(" · ", t.facts(d.style)...)
	counts := plural(int64(t.spans), "span") + ", " + plural(int64(t.events), "event")
	if t.records > 0 {
		counts += ", " + plural(int64(t.records), "log record")
	}
	fmt.Fprintf(d.out, "%s\n", d.style.dim(fmt.Sprintf("%-*s%*s%*s  0%*s", d.layout.name, cut(counts, d.layout.name),
		timeWidth, "start", timeWidth, "duration", d.layout.bar-1, seconds(t.end-t.start)+" s")))
}

// fields writes texts side by side, as many on a line as fit.
func (d drawing) fields(separator string, texts ...string) {
	room := d.layout.width
	for i, text := range texts {
		length := d.style.length(text)
		switch between := utf8.RuneCountInString(separator); {
		case i == 0:
		case d.layout.width > 0 && between+length > room:
			d.out.WriteString("\n  ")
			room = d.layout.width - 2
		default:
			d.out.WriteString(separator)
			room -= between
		}
		d.out.WriteString(text)
		room -= length
	}
	d.out.WriteByte('\n')
}

// node draws a span, its events and its children. branch is what leads to it,
// under to its children.
func (d drawing) node(n *node, branch, under, mark string) {
	span := n.span
	name, note := span.GetName(), d.spanNote(n)
	paint := d.style.service(span)
	d.line(branch+mark, name, note, paint,
		d.offset(span.GetStartTimeUnixNano()),
		d.length(span),
		paint(d.scale.bar(span.GetStartTimeUnixNano(), audioStart(n), span.GetEndTimeUnixNano())))
	d.events(n, under)
	for i, child := range n.children {
		if i == len(n.children)-1 {
			d.node(child, under, under+"   ", "└─ ")
		} else {
			d.node(child, under, under+"│  ", "├─ ")
		}
	}
}

func (d drawing) events(n *node, under string) {
	stem := ""
	switch {
	case len(n.children) > 0:
		stem = "│  "
	case under == "":
		stem = "   "
	}
	for _, event := range n.span.GetEvents() {
		d.instant(under+stem, eventMark, event)
	}
	for _, record := range n.records {
		d.instant(under+stem, recordMark, record)
	}
}

// instant writes the line of an event or a log record.
func (d drawing) instant(tree, mark string, event *tracepb.Span_Event) {
	paint, at := d.style.event(event), event.GetTimeUnixNano()
	d.line(tree, mark+" "+event.GetName(), d.eventNote(event), paint, d.offset(at), "", paint(d.scale.mark(at, mark)))
}

// line writes the columns of one span or event.
func (d drawing) line(tree, name, note string, paint func(string) string, start, duration, bar string) {
	if deep := []rune(tree); len(deep) > d.layout.tree {
		tree = "…" + string(deep[len(deep)-d.layout.tree+1:])
	}
	room := d.layout.name - utf8.RuneCountInString(tree)
	name = cut(name, room)
	room -= utf8.RuneCountInString(name)
	note = cut(note, room-2)
	if note != "" {
		room -= utf8.RuneCountInString(note) + 2
		note = "  " + d.style.dim(note)
	}
	text := fmt.Sprintf("%s%s%s%s%*s%*s  %s", d.style.dim(tree), paint(name), note,
		strings.Repeat(" ", max(room, 0)), timeWidth, start, timeWidth, duration, bar)
	fmt.Fprintln(d.out, strings.TrimRight(text, " "))
}

func (d drawing) offset(at uint64) string {
	if at < d.scale.start {
		return "-" + seconds(d.scale.start-at)
	}
	return "+" + seconds(at-d.scale.start)
}

func (d drawing) length(span *tracepb.Span) string {
	start, end := span.GetStartTimeUnixNano(), span.GetEndTimeUnixNano()
	if end < start {
		return "-" + seconds(start-end)
	}
	if end-start < uint64(time.Millisecond) {
		return "<0.001"
	}
	return seconds(end - start)
}

func seconds(nanoseconds uint64) string {
	return fmt.Sprintf("%.3f", time.Duration(nanoseconds).Seconds())
}

// cut shortens text to width characters, with an ellipsis. Control characters
// never reach the terminal: names may come from a payload.
func cut(text string, width int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			return '�'
		}
		return r
	}, text)
	if width < 2 {
		return ""
	}
	if runes := []rune(text); len(runes) > width {
		return string(runes[:width-1]) + "…"
	}
	return text
}
