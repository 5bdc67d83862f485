package waterfall_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"cdr2otel/exporter/internal/admin/waterfall"
)

// shown is the order of the rows, by span id and depth.
func shown(c *waterfall.Chart) string {
	var rows []string
	for _, r := range c.Rows {
		rows = append(rows, fmt.Sprintf("%d:%s", r.Depth, strings.TrimLeft(r.Span.ID, "0")))
	}
	return strings.Join(rows, " ")
}

func TestRowsAreParentsFirstThenInOrderOfTime(t *testing.T) {
	t.Parallel()
	chart := decode(t, traces(t,
		span(5, 4, "text_to_speech", 600, 900),
		span(4, 1, "turn dtmf", 500, 900),
		span(3, 2, "invoke_agent", 110, 200),
		span(2, 1, "turn start", 100, 300),
		span(6, 2, "text_to_speech", 200, 300),
		span(1, 0, "call inbound", 0, 1000),
		span(7, 1, "call setup", 0, 100),
	)).Chart(1)
	if got, want := shown(chart), "0:1 1:7 1:2 2:3 2:6 1:4 2:5"; got != want {
		t.Errorf("rows %s, want %s", got, want)
	}
}

func TestBarsStandInExactProportion(t *testing.T) {
	t.Parallel()
	chart := decode(t, traces(t,
		span(1, 0, "call inbound", 0, 8000),
		span(2, 1, "turn start", 1000, 3000),
		span(3, 2, "invoke_agent", 1500, 1500),
		span(4, 1, "turn hangup", 8000, 8000),
	)).Chart(1)
	want := []struct{ x, w waterfall.Percent }{{0, 100}, {12.5, 25}, {18.75, 0.3}, {99.7, 0.3}}
	for i, row := range chart.Rows {
		if math.Abs(float64(row.X-want[i].x)) > 1e-9 || math.Abs(float64(row.W-want[i].w)) > 1e-9 {
			t.Errorf("row %d is at %v, %v wide; want %v, %v", i, row.X, row.W, want[i].x, want[i].w)
		}
	}
}

func TestTheWaitGoesFromTheLastWordToTheFirstAudio(t *testing.T) {
	t.Parallel()
	turn := span(2, 1, "turn speech_to_text", 1000, 6000, text("wxa.turn.response.class", "slow"), double("wxa.turn.response.duration", 3.0))
	voice := span(5, 2, "text_to_speech", 4500, 6000, double("wxa.tts.response.duration", 0.5))
	voice.Events = []*tracepb.Span_Event{event("wxa.audio.start", 5000)}
	trace := decode(t, traces(t,
		span(1, 0, "call inbound", 0, 8000), turn,
		span(3, 2, "speech_to_text", 1000, 2500, double("wxa.stt.response.duration", 0.5)),
		span(4, 2, "invoke_agent", 2500, 4500, double("wxa.assistant.response.duration", 2)), voice,
	))
	waits := trace.Waits()
	if len(waits) != 1 {
		t.Fatalf("%d waits, want 1", len(waits))
	}
	w := waits[0]
	if from, to := (w.Start-noon)/millisecond, (w.End-noon)/millisecond; from != 2000 || to != 5000 {
		t.Errorf("the caller waits from %d to %d ms, want 2000 to 5000", from, to)
	}
	if got, want := w.Words(), "waited 3.00 s · slow"; got != want {
		t.Errorf("words %q, want %q", got, want)
	}
	if got, want := w.Spent(), "assistant 2.00 s, recognition 500 ms, voice 500 ms"; got != want {
		t.Errorf("spent on %q, want %q", got, want)
	}
	if trace.Longest().Turn.ID != hexOf(2) {
		t.Error("the only wait is not the longest")
	}
}

func TestAWaitIsTheNumberOnTheSpanAndNamesWhatNoPartExplains(t *testing.T) {
	t.Parallel()
	voice := span(4, 2, "text_to_speech", 10500, 16000, double("wxa.tts.response.duration", 0.5))
	voice.Events = []*tracepb.Span_Event{event("wxa.audio.start", 11000)}
	turn := span(2, 1, "turn dtmf", 1000, 16000, text("wxa.turn.response.class", "dead_air"),
		double("wxa.turn.response.duration", 6.5), double("wxa.turn.response.unexplained.duration", 5))
	agent := span(3, 2, "invoke_agent", 4500, 5500, double("wxa.assistant.response.duration", 1))
	w := decode(t, traces(t, span(1, 0, "call inbound", 0, 18000), turn, agent, voice)).Longest()
	if w == nil || w.Words() != "waited 6.50 s · dead air" || (w.Start-noon)/millisecond != 4500 {
		t.Fatalf("wait %+v", w)
	}
	if got, want := w.Spent(), "unexplained 5.00 s, assistant 1.00 s, voice 500 ms"; got != want {
		t.Errorf("spent on %q, want %q", got, want)
	}
}

func TestWhatWasDoneWhileItRangIsNoShareOfTheWait(t *testing.T) {
	t.Parallel()
	voice := span(4, 2, "text_to_speech", 5600, 9000, double("wxa.tts.response.duration", 0.5))
	voice.Events = []*tracepb.Span_Event{event("wxa.audio.start", 6100)}
	turn := span(2, 1, "turn start", 100, 9000, text("wxa.turn.response.class", "ok"),
		double("wxa.turn.response.duration", 0.3), double("wxa.turn.response.unexplained.duration", 0))
	agent := span(3, 2, "invoke_agent", 100, 3700, double("wxa.assistant.response.duration", 3.6))
	w := decode(t, traces(t, span(1, 0, "call inbound", 0, 18000), turn, agent, voice)).Longest()
	if w == nil || w.Spent() != "voice 300 ms" {
		t.Errorf("wait %+v", w)
	}
}

func TestAnEstimatedWaitSaysSo(t *testing.T) {
	t.Parallel()
	turn := span(2, 1, "turn dtmf", 1000, 6000, text("wxa.turn.response.class", "ok"),
		double("wxa.turn.response.duration", 1), &commonpb.KeyValue{Key: "wxa.turn.response.estimated", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: true}}})
	agent := span(3, 2, "invoke_agent", 1000, 2000, double("wxa.assistant.response.duration", 1))
	w := decode(t, traces(t, span(1, 0, "call inbound", 0, 8000), turn, agent)).Longest()
	if w == nil || w.Spent() != "assistant 1.00 s, estimated from its parts" {
		t.Errorf("wait %+v", w)
	}
}

func TestNobodyWaitsForAnAnswerWhileItRings(t *testing.T) {
	t.Parallel()
	root := span(1, 0, "call inbound", 0, 8000)
	root.Events = []*tracepb.Span_Event{event("wxa.call.answered", 1800)}
	voice := span(3, 2, "text_to_speech", 1900, 6000)
	voice.Events = []*tracepb.Span_Event{event("wxa.audio.start", 2250)}
	waits := decode(t, traces(t, root, span(2, 1, "turn start", 100, 6000, double("wxa.turn.response.duration", 0.45)), voice)).Waits()
	if len(waits) != 1 || (waits[0].Start-noon)/millisecond != 1800 || waits[0].Duration.Milliseconds() != 450 {
		t.Errorf("waits %+v, want one from 1800 ms on, 450 ms long", waits)
	}
}

func TestATurnWithoutAnAnswerIsAWaitUntilTheNextTurn(t *testing.T) {
	t.Parallel()
	waits := decode(t, traces(t,
		span(1, 0, "call inbound", 0, 9000),
		span(2, 1, "turn dtmf", 1000, 1500, text("wxa.turn.response.class", "none")),
		span(3, 1, "turn dtmf", 4000, 4500, text("wxa.turn.response.class", "none")),
		span(4, 1, "turn hangup", 8000, 8001),
	)).Waits()
	if len(waits) != 2 {
		t.Fatalf("%d waits, want 2", len(waits))
	}
	for i, want := range [][2]uint64{{1000, 4000}, {4000, 8000}} {
		if got := [2]uint64{(waits[i].Start - noon) / millisecond, (waits[i].End - noon) / millisecond}; got != want {
			t.Errorf("wait %d is %v, want %v", i, got, want)
		}
		if waits[i].Words() != "no answer" {
			t.Errorf("wait %d says %q", i, waits[i].Words())
		}
	}
}

func TestASpanWithoutItsParentIsARowOfItsOwn(t *testing.T) {
	t.Parallel()
	chart := decode(t, traces(t, span(1, 0, "call inbound", 0, 1000), span(3, 9, "message_logged", 500, 501))).Chart(1)
	if got, want := shown(chart), "0:1 0:3"; got != want {
		t.Errorf("rows %s, want %s", got, want)
	}
	if note := chart.Rows[1].Note; note != "its parent left earlier" {
		t.Errorf("note %q", note)
	}
}

func TestSpansThatAreEachOthersParentsAreDrawnOnce(t *testing.T) {
	t.Parallel()
	chart := decode(t, traces(t, span(1, 3, "a", 0, 10), span(2, 1, "b", 0, 10), span(3, 2, "c", 0, 10), span(4, 4, "d", 0, 10))).Chart(1)
	if len(chart.Rows) != 4 {
		t.Errorf("%d rows of 4 spans: %s", len(chart.Rows), shown(chart))
	}
}

func TestASpanThatIsExportedTwiceIsDrawnOnce(t *testing.T) {
	t.Parallel()
	request := traces(t, span(1, 0, "call inbound", 0, 1000), span(2, 1, "turn start", 0, 1000))
	if trace := decode(t, request, request); trace.Spans() != 2 {
		t.Errorf("%d spans, want 2", trace.Spans())
	}
}

func TestEventsOfLogRecordsAreMarkedOnceOnTheirSpans(t *testing.T) {
	t.Parallel()
	agent := span(2, 1, "invoke_agent", 100, 200)
	agent.Events = []*tracepb.Span_Event{event("wxa.message", 200, text("wxa.log_id", "a"))}
	record := func(n uint64, name, log string) *logspb.LogRecord {
		return &logspb.LogRecord{EventName: name, SpanId: id(n), TimeUnixNano: noon + 150*millisecond, Attributes: []*commonpb.KeyValue{text("wxa.log_id", log)}}
	}
	trace := decode(t, traces(t, span(1, 0, "call inbound", 0, 1000), agent, span(3, 1, "invoke_agent", 300, 400)), logs(t,
		record(2, "wxa.message", "a"),  // said by the span
		record(99, "wxa.message", "a"), // a prediction that was wrong, said too
		record(3, "wxa.message", "b"),
		record(98, "wxa.message", "c"), // of a span that is not there
		record(3, "", "d"),             // no event
	))
	var got []string
	for _, e := range trace.Events("wxa.message") {
		got = append(got, strings.TrimLeft(e.Span.ID, "0")+e.Attributes.Text("wxa.log_id"))
	}
	slices.Sort(got)
	if want := []string{"1c", "2a", "3b"}; !slices.Equal(got, want) {
		t.Errorf("messages %v, want %v", got, want)
	}
}

func TestLogRecordsWithoutASpanAreLoose(t *testing.T) {
	t.Parallel()
	trace := decode(t, logs(t, &logspb.LogRecord{EventName: "wxa.message", TimeUnixNano: noon}))
	if len(trace.Loose) != 1 || len(trace.Events("wxa.message")) != 1 || trace.Main() != nil {
		t.Errorf("loose %v, main %v", trace.Loose, trace.Main())
	}
	if chart := trace.Chart(1); len(chart.Rows) != 0 {
		t.Errorf("%d rows without a span", len(chart.Rows))
	}
}

func TestARequestThatIsNoOTLPIsAnError(t *testing.T) {
	t.Parallel()
	for _, signal := range []string{"traces", "logs"} {
		if _, err := waterfall.Decode([]waterfall.Request{{Signal: signal, Body: []byte{0xff}}}); err == nil {
			t.Errorf("%s: no error", signal)
		}
	}
}

// longCall has as many turns of three spans each, a minute apart.
func longCall(turns uint64) []*tracepb.Span {
	spans := []*tracepb.Span{span(1, 0, "call inbound", 0, turns*60_000), span(2, 1, "call setup", 0, 900)}
	for i := range turns {
		n, from := 10*(i+1), i*60_000+1000
		class := "ok"
		if i%60 == 55 {
			class = "dead_air"
		}
		spans = append(spans,
			span(n, 1, "turn speech_to_text", from, from+30_000, text("wxa.turn.response.class", class), integer("wxa.turn.number", int64(i+1))),
			span(n+1, n, "invoke_agent", from, from+10_000), span(n+2, n, "text_to_speech", from+10_000, from+30_000))
	}
	return spans
}

func TestALongCallIsCutIntoPagesOfTwentyFiveTurns(t *testing.T) {
	t.Parallel()
	trace := decode(t, traces(t, longCall(333)...))
	if trace.Spans() != 1001 {
		t.Fatalf("%d spans", trace.Spans())
	}
	first := trace.Chart(1)
	if len(first.Pages) != 14 || first.Strip == nil || len(first.Strip.Bars) != 334 {
		t.Fatalf("%d pages, want 14 and a strip of every turn", len(first.Pages))
	}
	if p := first.Pages[2]; p.First != "51" || p.Last != "75" || p.Dead != 1 || p.Current {
		t.Errorf("third page %+v", p)
	}
	seen := map[string]bool{}
	for n := 1; n <= 14; n++ {
		chart := trace.Chart(n)
		if len(chart.Rows) > 2+3*25 {
			t.Errorf("page %d has %d rows", n, len(chart.Rows))
		}
		for _, row := range chart.Rows {
			seen[row.Span.ID] = true
		}
		if got := trace.PageOf(chart.Rows[len(chart.Rows)-1].Span); got != n {
			t.Errorf("the last span of page %d is said to be on page %d", n, got)
		}
	}
	if len(seen) != 1001 {
		t.Errorf("%d spans are on a page, want 1001", len(seen))
	}
	if beyond := trace.Chart(99); beyond.Page != 14 {
		t.Errorf("a page beyond the last is page %d", beyond.Page)
	}
}

func TestATurnOfAThousandSpansIsFolded(t *testing.T) {
	t.Parallel()
	spans := []*tracepb.Span{span(1, 0, "call inbound", 0, 5000), span(2, 1, "turn start", 0, 5000)}
	for i := range uint64(1000) {
		spans = append(spans, span(10+i, 2, "text_to_speech", i, i+1))
	}
	chart := decode(t, traces(t, spans...)).Chart(1)
	last := chart.Rows[len(chart.Rows)-1]
	if drawn := len(chart.Rows) - 1; drawn+last.Folded != 1002 || len(chart.Rows) > 70 {
		t.Errorf("%d rows, %d of them folded; want 1002 spans in at most 70 rows", drawn, last.Folded)
	}
}

func BenchmarkAThousandSpans(b *testing.B) {
	request := traces(b, longCall(333)...)
	for b.Loop() {
		if _, err := decode(b, request).Chart(7).SVG(); err != nil {
			b.Fatal(err)
		}
	}
}

func TestMarksOfAKindThatCoverEachOtherAreOne(t *testing.T) {
	t.Parallel()
	root := span(1, 0, "call inbound", 0, 10_000)
	for range 500 {
		root.Events = append(root.Events, event("wxa.warning", 5000, text("wxa.warning.id", "CWSMR0031W")))
	}
	marks := decode(t, traces(t, root)).Chart(1).Rows[0].Marks
	if len(marks) != 1 || !strings.HasSuffix(marks[0].Title, "and 499 more") {
		t.Errorf("marks %+v", marks)
	}
}

func TestTicksAreRoundAndFew(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		to   uint64 // milliseconds
		want string
	}{
		{1, "0 ms 0.2 ms 0.4 ms 0.6 ms 0.8 ms 1 ms"},
		{900, "0 s 0.2 s 0.4 s 0.6 s 0.8 s"},
		{43_512, "0 s 5 s 10 s 15 s 20 s 25 s 30 s 35 s 40 s"},
		{200_000, "0:00 0:30 1:00 1:30 2:00 2:30 3:00"},
		{3_600_000, "0:00 10:00 20:00 30:00 40:00 50:00 1:00:00"},
	} {
		ticks := decode(t, traces(t, span(1, 0, "call inbound", 0, c.to))).Chart(1).Ticks
		var labels []string
		for _, tick := range ticks {
			labels = append(labels, tick.Label)
		}
		if got := strings.Join(labels, " "); got != c.want {
			t.Errorf("%d ms: ticks %s, want %s", c.to, got, c.want)
		}
	}
}
