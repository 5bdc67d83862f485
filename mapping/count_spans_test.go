package mapping_test

import (
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"cdr2otel/mapping"
)

func TestSpansOfAnEncodedRequestAreCounted(t *testing.T) {
	t.Parallel()
	for _, dir := range scenarios(t) {
		for _, trace := range loadScenario(t, dir).traces(t) {
			request := encoded(t, trace)
			want := len(spansOf(trace))
			if got := mapping.CountSpans(request); got != want {
				t.Errorf("%s: %d spans, want %d", dir, got, want)
			}
			parts, err := mapping.Split(request, max(1500, len(request)/2))
			if err != nil {
				continue // a span alone is larger
			}
			sum := 0
			for _, part := range parts {
				sum += mapping.CountSpans(part)
			}
			if sum != want {
				t.Errorf("%s: %d spans in %d parts, want %d", dir, sum, len(parts), want)
			}
		}
	}
}

func TestWhatIsNoRequestHasNoSpans(t *testing.T) {
	t.Parallel()
	request := encoded(t, loadScenario(t, "testdata/a-call-is-transferred").traces(t)[0])
	for i := range request {
		if n := mapping.CountSpans(request[:i]); n != 0 {
			t.Fatalf("%d spans in the first %d of %d bytes", n, i, len(request))
		}
	}
	spans := protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), []byte{0xff})
	for name, malformed := range map[string][]byte{
		"words":                      []byte("hello"),
		"a cut envelope":             protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), spans),
		"a number in a span's place": protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 7),
		"nothing":                    nil,
	} {
		if n := mapping.CountSpans(malformed); n != 0 {
			t.Errorf("%s: %d spans", name, n)
		}
	}
}

func TestCountingSpansDoesNotAllocate(t *testing.T) {
	request := encoded(t, loadScenario(t, "testdata/a-call-is-transferred").traces(t)[0])
	if n := testing.AllocsPerRun(10, func() { mapping.CountSpans(request) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
