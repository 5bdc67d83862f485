package mapping

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
)

func text(key, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
}

// treeSpanID numbers spans: the root is 1, turn n is 100·n, its children follow.
func treeSpanID(n int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

func treeOf(id, parent, bytes int) *tracepb.Span {
	s := &tracepb.Span{
		TraceId: make([]byte, 16), SpanId: treeSpanID(id), Name: fmt.Sprintf("span %d", id),
		Attributes: []*commonpb.KeyValue{text("a", strings.Repeat("x", bytes))},
	}
	if parent > 0 {
		s.ParentSpanId = treeSpanID(parent)
	}
	return s
}

// callRequest is a call of turns with three spans each of about size bytes, in
// the order that a trace has: by depth within a turn.
func callRequest(turns, size int) *coltracepb.ExportTraceServiceRequest {
	spans := []*tracepb.Span{treeOf(1, 0, size)}
	for i := 1; i <= turns; i++ {
		spans = append(spans, treeOf(100*i, 1, size), treeOf(100*i+1, 100*i, size), treeOf(100*i+2, 100*i, size))
	}
	return requestOf(spans...)
}

func requestOf(spans ...*tracepb.Span) *coltracepb.ExportTraceServiceRequest {
	return &coltracepb.ExportTraceServiceRequest{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource:  &resourcepb.Resource{Attributes: []*commonpb.KeyValue{text("service.name", "bot")}},
		SchemaUrl: "https://opentelemetry.io/schemas/1.40.0",
		ScopeSpans: []*tracepb.ScopeSpans{{
			Scope: &commonpb.InstrumentationScope{Name: "cdr2otel", Version: "v1"}, SchemaUrl: "s", Spans: spans,
		}},
	}}}
}

func mustEncode(t testing.TB, req *coltracepb.ExportTraceServiceRequest) []byte {
	t.Helper()
	b, err := Encode(req)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// mustSplit splits and asserts what holds for every split: no part over the
// limit, resource and scope in each, and the ids of the spans in each part.
func mustSplit(t testing.TB, encoded []byte, limit int) (parts [][]byte, ids [][]uint64) {
	t.Helper()
	parts, err := Split(encoded, limit)
	if err != nil {
		t.Fatal(err)
	}
	for i, part := range parts {
		if len(part) > limit {
			t.Errorf("part %d has %d bytes, limit %d", i, len(part), limit)
		}
		req := decodeRequest(t, part)
		spans := spansOf(req)
		var in []uint64
		for _, s := range spans {
			in = append(in, binary.BigEndian.Uint64(s.GetSpanId()))
		}
		ids = append(ids, in)
		if diff := cmp.Diff(requestOf(spans...), req, protocmp.Transform()); diff != "" {
			t.Errorf("part %d: resource and scope: -want +got:\n%s", i, diff)
		}
	}
	return parts, ids
}

func decodeRequest(t testing.TB, encoded []byte) *coltracepb.ExportTraceServiceRequest {
	t.Helper()
	req := new(coltracepb.ExportTraceServiceRequest)
	if err := proto.Unmarshal(encoded, req); err != nil {
		t.Fatal(err)
	}
	return req
}

func spansOf(req *coltracepb.ExportTraceServiceRequest) (spans []*tracepb.Span) {
	for _, rs := range req.GetResourceSpans() {
		for _, ss := range rs.GetScopeSpans() {
			spans = append(spans, ss.GetSpans()...)
		}
	}
	return spans
}

func TestEqualRequestsEncodeToEqualBytes(t *testing.T) {
	t.Parallel()
	want := mustEncode(t, callRequest(5, 100))
	for range 20 {
		if got := mustEncode(t, callRequest(5, 100)); !slices.Equal(got, want) {
			t.Fatal("bytes differ")
		}
	}
}

func TestARequestThatFitsIsNotSplit(t *testing.T) {
	t.Parallel()
	encoded := mustEncode(t, callRequest(3, 100))
	parts, err := Split(encoded, len(encoded))
	if err != nil || len(parts) != 1 || &parts[0][0] != &encoded[0] {
		t.Errorf("%d parts, %v", len(parts), err)
	}
}

func TestTheRootComesFirstAndTurnsStayWhole(t *testing.T) {
	t.Parallel()
	encoded := mustEncode(t, callRequest(4, 1000))
	_, ids := mustSplit(t, encoded, 7000)
	want := [][]uint64{{1, 100, 101, 102}, {200, 201, 202, 300, 301, 302}, {400, 401, 402}}
	if diff := cmp.Diff(want, ids); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestATurnThatFitsInNoRequestIsSpread(t *testing.T) {
	t.Parallel()
	encoded := mustEncode(t, callRequest(2, 1000))
	_, ids := mustSplit(t, encoded, 2500)
	want := [][]uint64{{1, 100}, {101, 102}, {200, 201}, {202}}
	if diff := cmp.Diff(want, ids); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestEverySpanKeepsItsBytes(t *testing.T) {
	t.Parallel()
	encoded := mustEncode(t, callRequest(30, 700))
	whole, err := parseRequest(encoded, (*spanTree).link)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, s := range whole.spans {
		want[string(s.raw)] = true
	}
	parts, _ := mustSplit(t, encoded, 5000)
	for _, part := range parts {
		tree, err := parseRequest(part, (*spanTree).link)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range tree.spans {
			if !want[string(s.raw)] {
				t.Error("a span's bytes changed, or it is there twice")
			}
			delete(want, string(s.raw))
		}
	}
	if len(want) != 0 {
		t.Errorf("%d spans lost", len(want))
	}
}

func TestAPartIsSplitAgainInAtLeastTwoUntilOneSpanIsLeft(t *testing.T) {
	t.Parallel()
	open := [][]byte{mustEncode(t, callRequest(6, 300))}
	seen := map[uint64]int{}
	for len(open) > 0 {
		part := open[0]
		open = open[1:]
		if spans := spansOf(decodeRequest(t, part)); len(spans) == 1 {
			seen[binary.BigEndian.Uint64(spans[0].GetSpanId())]++
			continue
		}
		parts, err := Split(part, len(part)/2)
		if errors.Is(err, ErrTooLarge) { // two spans of one size and a frame
			parts, err = Split(part, len(part)*2/3)
		}
		if err != nil || len(parts) < 2 {
			t.Fatalf("%d parts: %v", len(parts), err)
		}
		open = append(open, parts...)
	}
	if len(seen) != 19 {
		t.Errorf("%d spans, want 19", len(seen))
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("span %d is there %d times", id, n)
		}
	}
}

func TestASpanOverTheLimitLosesItsContentFirst(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("c", 10_000)
	agent := treeOf(101, 100, 10)
	agent.Attributes = []*commonpb.KeyValue{text("gen_ai.input.messages", long), text("gen_ai.output.messages", long), text("wxa.log_id", "l"), text("wxa.z", "z")}
	agent.Events = []*tracepb.Span_Event{{Name: "wxa.message", Attributes: []*commonpb.KeyValue{text("gen_ai.input.messages", long), text("wxa.log_id", "l")}}}
	encoded := mustEncode(t, requestOf(treeOf(1, 0, 10), treeOf(100, 1, 10), agent))
	parts, _ := mustSplit(t, encoded, 1000)
	if len(parts) < 2 {
		t.Fatalf("%d parts", len(parts))
	}
	spans := spansOf(decodeRequest(t, parts[len(parts)-1]))
	want := proto.Clone(agent).(*tracepb.Span)
	want.Attributes = []*commonpb.KeyValue{text("wxa.log_id", "l"), {Key: truncatedKey, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: true}}}, text("wxa.z", "z")}
	want.DroppedAttributesCount = 2
	want.Events[0].Attributes = []*commonpb.KeyValue{text("wxa.log_id", "l")}
	want.Events[0].DroppedAttributesCount = 1
	if diff := cmp.Diff(want, spans[len(spans)-1], protocmp.Transform()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestASpanOverTheLimitThenLosesEventsFromTheEnd(t *testing.T) {
	t.Parallel()
	root := treeOf(1, 0, 10)
	for i := range 100 {
		root.Events = append(root.Events, &tracepb.Span_Event{Name: fmt.Sprintf("event %d %s", i, strings.Repeat("e", 90))})
	}
	parts, _ := mustSplit(t, mustEncode(t, requestOf(root)), 1000)
	if len(parts) != 1 {
		t.Fatalf("%d parts", len(parts))
	}
	got := spansOf(decodeRequest(t, parts[0]))[0]
	if n := len(got.Events); n < 5 || n+int(got.DroppedEventsCount) != 100 || got.Events[n-1].Name != root.Events[n-1].Name {
		t.Errorf("%d events left, %d dropped", n, got.DroppedEventsCount)
	}
	again, _ := mustSplit(t, parts[0], 600)
	got = spansOf(decodeRequest(t, again[0]))[0]
	if n := len(got.Events); n+int(got.DroppedEventsCount) != 100 || len(got.Attributes) != 2 {
		t.Errorf("cut again: %d events left, %d dropped, %d attributes", n, got.DroppedEventsCount, len(got.Attributes))
	}
}

func TestASpanThatCannotFitIsAnError(t *testing.T) {
	t.Parallel()
	for _, encoded := range [][]byte{mustEncode(t, callRequest(1, 2000)), mustEncode(t, requestOf(treeOf(1, 0, 2000)))} {
		for _, limit := range []int{1000, 10, 0, -1} {
			if parts, err := Split(encoded, limit); !errors.Is(err, ErrTooLarge) {
				t.Errorf("limit %d: %d parts, %v", limit, len(parts), err)
			}
		}
	}
}

func TestSpansWithoutParentsOrInCirclesAreNotLost(t *testing.T) {
	t.Parallel()
	encoded := mustEncode(t, requestOf(treeOf(1, 2, 500), treeOf(2, 1, 500), treeOf(3, 3, 500), treeOf(4, 99, 500), treeOf(1, 4, 500)))
	_, ids := mustSplit(t, encoded, 800)
	if got := slices.Concat(ids...); !slices.Equal(got, []uint64{1, 2, 3, 4, 1}) {
		t.Errorf("spans %v", got)
	}
}

func TestWhatIsNoRequestIsAnError(t *testing.T) {
	t.Parallel()
	for _, encoded := range []string{"\x0a\x05abc", "garbage", "\xff\xff\xff\xff"} {
		if _, err := Split([]byte(encoded), 1); err == nil {
			t.Errorf("%q was split", encoded)
		}
	}
}

func FuzzSplit(f *testing.F) {
	f.Add(uint64(1), uint16(900), []byte{0, 1, 1, 2, 0, 9, 4})
	f.Fuzz(func(t *testing.T, size uint64, limit uint16, parents []byte) {
		if len(parents) > 64 {
			return
		}
		var spans []*tracepb.Span
		for i, parent := range parents {
			spans = append(spans, treeOf(i+1, int(parent%70), int(size>>(i%8))&0x1FF))
		}
		encoded := mustEncode(t, requestOf(spans...))
		parts, err := Split(encoded, int(limit))
		if errors.Is(err, ErrTooLarge) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(encoded) > int(limit) && len(spans) > 1 && len(parts) < 2 {
			t.Error("one part")
		}
		seen := map[uint64]bool{}
		for _, part := range parts {
			if len(part) > int(limit) {
				t.Errorf("a part has %d bytes, limit %d", len(part), limit)
			}
			for _, s := range spansOf(decodeRequest(t, part)) {
				seen[binary.BigEndian.Uint64(s.GetSpanId())] = true
			}
		}
		if len(seen) != len(spans) {
			t.Errorf("%d of %d spans", len(seen), len(spans))
		}
	})
}

// BenchmarkSplit splits the request of a call of 500 turns in ten.
func BenchmarkSplit(b *testing.B) {
	encoded := mustEncode(b, callRequest(500, 500))
	b.SetBytes(int64(len(encoded)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Split(encoded, len(encoded)/9); err != nil {
			b.Fatal(err)
		}
	}
}
