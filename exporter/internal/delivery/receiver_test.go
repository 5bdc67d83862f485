package delivery

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc/codes"

	"cdr2otel/internal/otlptest"
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
		if g := d.Gate(); g.Open || g.Reason != HeldUnavailable {
			t.Errorf("gate %+v", g)
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
		o := newOutbox(string(encoded(t, "poison")))
		d, _ := run(t, Config{
			Client: dial(t, Settings{Protocol: protocol, Endpoint: endpoint(r, protocol)}),
			Outbox: o, Workers: 4, Backoff: quick,
		})
		o.wait(t, func(all []Settlement) bool { return len(bodies(all, VerdictRetry)) > 0 })
		for n := range 40 {
			o.add(string(encoded(t, fmt.Sprintf("call %d", n))))
		}
		d.Wake()
		settled := o.wait(t, finished(41))
		if n := len(bodies(settled, VerdictDone)); n != 40 || len(r.Spans()) != 40 {
			t.Errorf("%d delivered, %d received, want 40", n, len(r.Spans()))
		}
		if diff := cmp.Diff([]string{string(encoded(t, "poison"))}, bodies(settled, VerdictDead)); diff != "" {
			t.Error(diff)
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
		if g := d.Gate(); g.Open || !g.Alarm || g.Reason != HeldCredentials {
			t.Errorf("gate %+v, want an alarm", g)
		}
		r.SetAnswer(nil)
		settled := o.wait(t, finished(20))
		if n := len(bodies(settled, VerdictDone)); n != 20 || len(r.Spans()) != 20 {
			t.Errorf("%d delivered, %d received, want 20", n, len(r.Spans()))
		}
	})
}

func TestOverASocketARequestAboveTheReceiversLimitIsSplit(t *testing.T) {
	t.Parallel()
	r := otlptest.New(t, otlptest.Options{MaxReceiveSize: 200})
	// Two requests one behind the other are, as bytes, one with both their spans.
	part := func(n int) []byte { return encoded(t, fmt.Sprintf("call with a long name %d", n)) }
	size := len(part(0))
	split := func(body []byte, _ int) ([][]byte, error) {
		half := len(body) / size / 2 * size
		return [][]byte{body[:half], body[half:]}, nil
	}
	var whole []byte
	for n := range 10 {
		whole = append(whole, part(n)...)
	}
	o := newOutbox(string(whole))
	_, stop := run(t, Config{
		Client: dial(t, Settings{Protocol: ProtocolGRPC, Endpoint: r.GRPCEndpoint()}),
		Outbox: o, Backoff: quick, Split: split,
	})
	o.wait(t, func([]Settlement) bool { return o.open() == 0 })
	stop()
	got := spanNames(r)
	slices.Sort(got)
	var want []string
	for n := range 10 {
		want = append(want, fmt.Sprintf("call with a long name %d", n))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
