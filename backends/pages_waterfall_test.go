package backends

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// drawn is a row of the waterfall as the browser laid it out, in pixels.
type drawn struct {
	ID, Parent          string
	Left, Right, Top    float64
	Bottom              float64
	CanvasLeft          float64
	CanvasRight         float64
	CanvasTop, CanvasBe float64
	Marks               []drawnMark
}

// drawnMark is a mark on a row; X is where it points.
type drawnMark struct {
	Kind string
	X    float64
}

// drawnRows measures every row that is a span.
const drawnRows = `(() => {
	const canvas = document.querySelector("#waterfall").getBoundingClientRect();
	return [...document.querySelectorAll("#waterfall .wf-row[data-span-id]")].map(row => {
		const bar = row.querySelector(".wf-bar").getBoundingClientRect();
		return {
			ID: row.dataset.spanId, Parent: row.dataset.parent, Left: bar.left, Right: bar.right, Top: bar.top, Bottom: bar.bottom,
			CanvasLeft: canvas.left, CanvasRight: canvas.right, CanvasTop: canvas.top, CanvasBe: canvas.bottom,
			Marks: [...row.querySelectorAll("use")].map(use => {
				const m = use.getScreenCTM(); // the mark stands at its x and y in this coordinate system
				return {Kind: use.dataset.kind, X: m.a * use.x.baseVal.value + m.e};
			}),
		};
	});
})()`

// rounding is how far a pixel may be off: one, and what half a thousandth of a
// percent is of the width.
const rounding = 1.05

// thinnest is the share of the picture's width that a bar has at least.
const thinnest = 0.003

func TestTheBarsOfTheWaterfallAreInOrderAndInProportionToTheExportedSpans(t *testing.T) {
	t.Parallel()
	s := startSite(t, exporterOptions{})
	s.post(t, sampleCall(t, "speech_call")...)
	s.post(t, sampleCall(t, "dtmf_call")...)
	s.awaitExported(t, 11)
	b := openTab(t, s)
	for _, trace := range []string{speechTrace, dtmfTrace} {
		spans := s.spans(trace)
		first, last := extent(spans)
		for _, width := range []int64{wide, narrow} {
			b.size(width, tall)
			b.open("/calls/" + trace)
			rows := measure[[]drawn](b, drawnRows)
			if len(rows) != len(spans) {
				t.Fatalf("%d bars of %d spans", len(rows), len(spans))
			}
			above := map[string]drawn{}
			for i, row := range rows {
				span := spans[row.ID]
				if span == nil {
					t.Fatalf("a bar of the span %s, which was not exported", row.ID)
				}
				scale := (row.CanvasRight - row.CanvasLeft) / float64(last-first)
				left := row.CanvasLeft + float64(span.StartTimeUnixNano-first)*scale
				right := row.CanvasLeft + float64(span.EndTimeUnixNano-first)*scale
				// A bar that would be too thin to see is made wider, and holds its span.
				thin := (row.CanvasRight - row.CanvasLeft) * thinnest
				holds := row.Left <= left+rounding && right-rounding <= row.Right && row.Right-row.Left <= thin+rounding
				exact := math.Abs(row.Left-left) <= rounding && math.Abs(row.Right-right) <= rounding
				if !exact && (right-left > thin || !holds) {
					t.Errorf("%d px: %s is drawn from %.2f to %.2f, its times are %.2f to %.2f", width, span.Name, row.Left, row.Right, left, right)
				}
				if row.Left < row.CanvasLeft-rounding || row.Right > row.CanvasRight+rounding || row.Top < row.CanvasTop || row.Bottom > row.CanvasBe {
					t.Errorf("%d px: %s is not inside the picture: %+v", width, span.Name, row)
				}
				if i > 0 && row.Top <= rows[i-1].Top {
					t.Errorf("%d px: %s is not below the row before it", width, span.Name)
				}
				if _, ok := above[row.Parent]; row.Parent != "" && !ok {
					t.Errorf("%d px: %s is above its parent", width, span.Name)
				}
				above[row.ID] = row
			}
			confirmed(t, "%d bars at %d px are where their spans are", len(rows), width)
		}
	}
}

// extent is when the first span starts and the last one ends.
func extent(spans map[string]*tracepb.Span) (first, last uint64) {
	all := slices.Collect(maps.Values(spans))
	first = slices.MinFunc(all, func(a, b *tracepb.Span) int { return cmp.Compare(a.StartTimeUnixNano, b.StartTimeUnixNano) }).StartTimeUnixNano
	last = slices.MaxFunc(all, func(a, b *tracepb.Span) int { return cmp.Compare(a.EndTimeUnixNano, b.EndTimeUnixNano) }).EndTimeUnixNano
	return first, last
}

func TestMarksStandWhereTheirEventsHappened(t *testing.T) {
	t.Parallel()
	s := startSite(t, exporterOptions{})
	s.post(t, sampleCall(t, "speech_call")...)
	s.awaitExported(t, 7)
	spans := s.spans(speechTrace)
	first, last := extent(spans)
	b := openTab(t, s)
	b.open("/calls/" + speechTrace)
	marks := 0
	for _, row := range measure[[]drawn](b, drawnRows) {
		scale := (row.CanvasRight - row.CanvasLeft) / float64(last-first)
		for _, mark := range row.Marks {
			marks++
			if !slices.ContainsFunc(spans[row.ID].GetEvents(), func(e *tracepb.Span_Event) bool {
				return math.Abs(row.CanvasLeft+float64(e.TimeUnixNano-first)*scale-mark.X) <= rounding
			}) {
				t.Errorf("the mark %q on %s stands at %.2f, where no event of the span is", mark.Kind, spans[row.ID].Name, mark.X)
			}
		}
	}
	if marks < 12 {
		t.Errorf("only %d marks", marks)
	}
	confirmed(t, "%d marks stand where their events are", marks)
}
