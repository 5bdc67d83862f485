package delivery

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"cdr2otel/internal/otlptest"
	"cdr2otel/mapping"
)

// quick are bounds for tests with sockets, where time is real.
var quick = Backoff{Min: time.Millisecond, Max: 20 * time.Millisecond, Alarm: 20 * time.Millisecond}

func spanNames(r *otlptest.Receiver) []string {
	var names []string
	for _, s := range r.Spans() {
		names = append(names, s.GetName())
	}
	return names
}

func TestACollectorThatComesBackReceivesAllInOrderOverASocket(t *testing.T) {
	t.Parallel()
	protocols(t, func(t *testing.T, protocol string) {
		r := otlptest.New(t, otlptest.Options{})
		r.SetDown(true) // starts without a collector
		o := newOutbox()
		var calls []string
		for n := range 50 {
			calls = append(calls, fmt.Sprintf("call %03d", n))
			o.add(string(encoded(t, calls[n])))
		}
		held := make(chan struct{}, 100)
		d, stop := run(t, Config{
			Client: dial(t, Settings{Protocol: protocol, Endpoint: endpoint(r, protocol)}),
			Outbox: o, Workers: 1, Backoff: quick,
			OnGate: func(g GateState) {
				if !g.Open {
					select {
					case held <- struct{}{}:
					default:
					}
				}
			},
		})
		for range 3 {
			<-held
		}
		if g := d.Gate(); g.Open || g.Reason != HeldUnavailable || g.Detail == "" {
			t.Errorf("gate %+v, want it held, with the answer", g)
		}
		r.SetDown(false)
		o.wait(t, finished(50))
		stop()

		got := spanNames(r)
		probe := got[0]
		rest := slices.DeleteFunc(slices.Clone(calls), func(c string) bool { return c == probe })
		if diff := cmp.Diff(append([]string{probe}, rest...), got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestOverASocketAPoisonousRequestDoesNotStopOthersNorLoseThem(t *testing.T) {
	t.Parallel()
	protocols(t, func(t *testing.T, protocol string) {
		r := otlptest.New(t, otlptest.Options{Answer: func(_ int, req *coltracepb.ExportTraceServiceRequest) otlptest.Answer {
			if req.GetResourceSpans()[0].GetScopeSpans()[0].GetSpans()[0].GetName() == "poison" {
				return otlptest.Answer{Code: codes.Internal, Message: "boom"}
			}
			return otlptest.Answer{}
		}})
		poison := string(encoded(t, "poison"))
		o := newOutbox(poison)
		c := Config{
			Client: dial(t, Settings{Protocol: protocol, Endpoint: endpoint(r, protocol)}),
			Outbox: o, Workers: 4, Backoff: quick, Poll: 5 * time.Millisecond, Split: mapping.Split,
		}
		wake := trickle(o, &c, string(encoded(t, "call")))
		start(t, c, wake)
		settled := o.wait(t, func(all []Settlement) bool { return len(bodies(all, VerdictDead)) > 0 })
		if diff := cmp.Diff([]string{poison}, bodies(settled, VerdictDead)); diff != "" {
			t.Error(diff)
		}
		if n := len(bodies(settled, VerdictDone)); n != 4 {
			t.Errorf("%d delivered in between, want 4", n)
		}
	})
}

func TestOverASocketExpiredCredentialsThatAreRenewedLoseNothing(t *testing.T) {
	t.Parallel()
	protocols(t, func(t *testing.T, protocol string) {
		r := otlptest.New(t, otlptest.Options{Answer: answering(otlptest.Answer{Code: codes.Unauthenticated})})
		o := newOutbox()
		for n := range 20 {
			o.add(string(encoded(t, fmt.Sprintf("call %d", n))))
		}
		d, _ := run(t, Config{
			Client: dial(t, Settings{Protocol: protocol, Endpoint: endpoint(r, protocol)}),
			Outbox: o, Backoff: quick,
		})
		if err := r.Wait(t.Context(), func(all []otlptest.Request) bool { return len(all) >= 12 }); err != nil {
			t.Fatal(err)
		}
		if g := d.Gate(); g.Open || !g.Alarm || g.Reason != HeldCredentials || g.Detail == "" {
			t.Errorf("gate %+v, want an alarm, with the answer", g)
		}
		r.SetAnswer(nil)
		settled := o.wait(t, finished(20))
		if n := len(bodies(settled, VerdictDone)); n != 20 || len(r.Spans()) != 20 {
			t.Errorf("%d delivered, %d received, want 20", n, len(r.Spans()))
		}
	})
}

// aCall is a root with turns, and a second level below the first turn.
func aCall(t *testing.T, turns int) []byte {
	t.Helper()
	span := func(id, parent byte, name string) *tracepb.Span {
		s := &tracepb.Span{TraceId: bytes.Repeat([]byte{1}, 16), SpanId: []byte{id, 1, 1, 1, 1, 1, 1, 1}, Name: name, StartTimeUnixNano: 1, EndTimeUnixNano: 2}
		if parent > 0 {
			s.ParentSpanId = []byte{parent, 1, 1, 1, 1, 1, 1, 1}
		}
		return s
	}
	spans := []*tracepb.Span{span(1, 0, "call"), span(2, 1, "turn 0"), span(3, 2, "invoke_agent")}
	for n := 1; n < turns; n++ {
		spans = append(spans, span(byte(3+n), 1, fmt.Sprintf("turn %d %s", n, strings.Repeat("x", 5000))))
	}
	b, err := proto.Marshal(&coltracepb.ExportTraceServiceRequest{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource:   &resourcepb.Resource{Attributes: []*commonpb.KeyValue{{Key: "service.name", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: "bot"}}}}},
		ScopeSpans: []*tracepb.ScopeSpans{{Scope: &commonpb.InstrumentationScope{Name: "cdr2otel"}, Spans: spans}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOverASocketACallAboveTheReceiversLimitArrivesInParts(t *testing.T) {
	t.Parallel()
	protocols(t, func(t *testing.T, protocol string) {
		const limit = smallRequest // below it RESOURCE_EXHAUSTED means overloaded
		r := otlptest.New(t, otlptest.Options{})
		r.SetAnswer(func(_ int, q *coltracepb.ExportTraceServiceRequest) otlptest.Answer {
			if proto.Size(q) <= limit {
				return otlptest.Answer{}
			}
			return otlptest.Answer{Code: codes.ResourceExhausted, Status: http.StatusRequestEntityTooLarge, Message: "received message larger than max"}
		})
		call := aCall(t, 20)
		o := newOutbox(string(call))
		_, stop := run(t, Config{
			Client: dial(t, Settings{Protocol: protocol, Endpoint: endpoint(r, protocol)}),
			Outbox: o, Backoff: quick, Split: mapping.Split,
		})
		o.wait(t, func([]Settlement) bool { return o.open() == 0 })
		stop()

		whole := &coltracepb.ExportTraceServiceRequest{}
		if err := proto.Unmarshal(call, whole); err != nil {
			t.Fatal(err)
		}
		byID := cmpopts.SortSlices(func(a, b *tracepb.Span) bool { return bytes.Compare(a.GetSpanId(), b.GetSpanId()) < 0 })
		want := whole.GetResourceSpans()[0].GetScopeSpans()[0].GetSpans()
		if diff := cmp.Diff(want, r.Spans(), byID, protocmp.Transform()); diff != "" {
			t.Error(diff)
		}
	})
}
