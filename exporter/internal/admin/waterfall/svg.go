package waterfall

import (
	_ "embed"
	"html/template"
	"strings"
	"time"
)

//go:embed svg.html
var drawing string

// noteSize is how many letters of a note find room beside its bar.
const noteSize = 40

// templates of the picture. Every text in them is escaped for its place, and no
// script or style is in them: the page's policy would refuse it.
var templates = template.Must(template.New("waterfall").Funcs(template.FuncMap{
	"parent": func(s *Span) string {
		if s.Parent == nil {
			return ""
		}
		return s.Parent.ID
	},
	"short":  func(text string) string { return cut(text, noteSize) },
	"number": func(p Percent) string { return strings.TrimSuffix(p.String(), "%") },
}).Parse(drawing))

// SVG is the picture, to stand in a page. Offsets in its data attributes are
// nanoseconds since the start of the trace.
func (c *Chart) SVG() (template.HTML, error) { return c.execute("chart", c) }

// LegendHTML explains it.
func (c *Chart) LegendHTML() (template.HTML, error) { return c.execute("legend", c.Legend) }

// StripSVG is the whole call in one line; empty when there is one page.
func (c *Chart) StripSVG() (template.HTML, error) {
	if c.Strip == nil {
		return "", nil
	}
	return c.execute("strip", c.Strip)
}

func (c *Chart) execute(name string, data any) (template.HTML, error) {
	var b strings.Builder
	if err := templates.ExecuteTemplate(&b, name, data); err != nil {
		return "", err
	}
	return template.HTML(b.String()), nil // it comes out of a template that escapes
}

// HeadHeight and RowHeight are for the template.
func (c *Chart) HeadHeight() int { return headHeight }

// RowHeight is the distance of rows.
func (c *Chart) RowHeight() int { return rowHeight }

// Shapes are the marks that the page draws.
func (c *Chart) Shapes() []string {
	var shapes []string
	for _, e := range c.Legend {
		if e.Mark {
			shapes = append(shapes, e.Kind)
		}
	}
	return shapes
}

// Indent of the label.
func (r *Row) Indent() int { return 12*r.Depth + 4 }

// HeardX is where the bar begins to be audible.
func (r *Row) HeardX() Percent { return r.X + r.W - *r.Heard }

// StartsAt is when the span starts, since the start of the trace.
func (r *Row) StartsAt() string { return Duration(time.Duration(r.From)) }
