package waterfall_test

import (
	"cmp"
	"math"
	"slices"
	"testing"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"cdr2otel/exporter/internal/admin/waterfall"
)

// checkChart fails unless the picture of a trace is sound, whatever its spans.
func checkChart(t *testing.T, trace *waterfall.Trace, page int) {
	t.Helper()
	c := trace.Chart(page)
	const tiny = 1e-6
	bars := map[*waterfall.Span]*waterfall.Row{}
	y := -1
	for _, r := range c.Rows {
		if math.IsNaN(float64(r.X)) || r.X < 0 || r.W < 0.3-tiny || r.X+r.W > 100+tiny {
			t.Fatalf("row %s is at %v, %v wide: outside of the plot", r.Span.ID, r.X, r.W)
		}
		if r.Y <= y || r.Y+28 > c.Height {
			t.Fatalf("row %s is at height %d, after %d of %d", r.Span.ID, r.Y, y, c.Height)
		}
		y = r.Y
		for _, m := range r.Marks {
			if math.IsNaN(float64(m.X)) || m.X < 0 || m.X > 100 {
				t.Fatalf("a mark of %s is at %v", r.Span.ID, m.X)
			}
		}
		if r.Folded > 0 {
			continue
		}
		bars[r.Span] = r
		parent := r.Span.Parent
		if parent == nil {
			continue
		}
		above := bars[parent]
		if above == nil {
			t.Fatalf("%s is drawn before its parent", r.Span.ID)
		}
		if r.Span.Start >= parent.Start && r.Span.End <= parent.End && (r.X < above.X-tiny || r.X+r.W > above.X+above.W+tiny) {
			t.Fatalf("the bar of %s, %v and %v wide, leaves its parent's, %v and %v wide", r.Span.ID, r.X, r.W, above.X, above.W)
		}
	}
	for _, g := range c.Gaps {
		if math.IsNaN(float64(g.X+g.W)) || g.X < 0 || g.W <= 0 || g.X+g.W > 100+tiny || g.Y < 0 || g.Y+g.H > c.Height {
			t.Fatalf("a wait is at %v, %v wide, %d high at %d", g.X, g.W, g.H, g.Y)
		}
	}
	if len(c.Ticks) > 10 || !slices.IsSortedFunc(c.Ticks, func(a, b waterfall.Tick) int { return cmp.Compare(a.X, b.X) }) {
		t.Fatalf("ticks %v", c.Ticks)
	}
	checkMarkup(t, c)
}

// FuzzLayout draws arbitrary spans: missing, mutual and late parents, times that
// are zero, reversed or at the end of time.
func FuzzLayout(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00\xff\x02\x01\x10\x01\x20"), 1)
	f.Add([]byte("\x01\x02\x00\xf0\x0f\x02\x01\xff\x03\x00\x03\x03\x00\x00\x00"), 2)
	f.Add([]byte{}, 0)
	names := []string{"call inbound", "call setup", "turn dtmf", "turn speech_to_text", "invoke_agent", "text_to_speech", "speech_to_text", "message_logged", "conversation", "<x>"}
	times := []uint64{0, 1, noon, noon + 1, noon + 1000*millisecond, noon + 5000*millisecond, math.MaxInt64, math.MaxUint64}
	f.Fuzz(func(t *testing.T, data []byte, page int) {
		var spans []*tracepb.Span
		for ; len(data) >= 5 && len(spans) < 300; data = data[5:] {
			s := &tracepb.Span{
				SpanId: id(uint64(data[0])), ParentSpanId: id(uint64(data[1])), Name: names[int(data[2])%len(names)],
				StartTimeUnixNano: times[data[3]%8] + uint64(data[4])*millisecond, EndTimeUnixNano: times[data[4]%8] + uint64(data[3])*millisecond,
				Attributes: []*commonpb.KeyValue{
					text("wxa.turn.response.class", []string{"ok", "slow", "dead_air", "none", "", "<b>"}[data[4]%6]),
					double("wxa.stt.response.duration", math.Float64frombits(uint64(data[3])<<56)),
					double("wxa.turn.response.duration", float64(data[3])*math.Pow(10, float64(data[4]%20))),
				},
				Events: []*tracepb.Span_Event{{Name: "wxa.audio.start", TimeUnixNano: times[data[0]%8]}, {Name: "wxa.warning", TimeUnixNano: times[data[1]%8]}},
			}
			if data[1] == 0 {
				s.ParentSpanId = nil
			}
			spans = append(spans, s)
		}
		checkChart(t, decode(t, traces(t, spans...)), page)
	})
}

func TestEveryLengthOfCallIsDrawnSoundly(t *testing.T) {
	t.Parallel()
	for _, turns := range []uint64{0, 1, 2, 24, 25, 26, 50, 120} {
		trace := decode(t, traces(t, longCall(turns)...))
		for page := range 7 {
			checkChart(t, trace, page)
		}
	}
}
