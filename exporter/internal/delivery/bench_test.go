package delivery

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"cdr2otel/internal/otlptest"
)

// BenchmarkDeliver sends requests of 10 kB from an outbox in memory to the
// receiver in this process; sender and receiver share the cores.
func BenchmarkDeliver(b *testing.B) {
	body, err := proto.Marshal(&coltracepb.ExportTraceServiceRequest{ResourceSpans: []*tracepb.ResourceSpans{{
		ScopeSpans: []*tracepb.ScopeSpans{{Spans: []*tracepb.Span{{Name: strings.Repeat("call ", 2000)}}}},
	}}})
	if err != nil {
		b.Fatal(err)
	}
	for _, protocol := range []string{ProtocolGRPC, ProtocolHTTP} {
		b.Run(protocol, func(b *testing.B) {
			r := otlptest.New(b, otlptest.Options{Discard: true})
			c, err := NewClient(SignalTraces, Settings{Protocol: protocol, Endpoint: endpoint(r, protocol)})
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			o := &countdown{body: body, left: b.N, done: make(chan struct{})}
			d, err := New(Config{Signal: "traces", Client: c, Outbox: o, Split: halves, Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(body)))
			b.ResetTimer()

			ctx, stop := context.WithCancel(b.Context())
			ended := make(chan error, 1)
			go func() { ended <- d.Run(ctx) }()
			<-o.done
			b.StopTimer()
			stop()
			if err := <-ended; err != nil {
				b.Fatal(err)
			}
		})
	}
}

// countdown is an outbox of so many equal requests. It belongs to Run.
type countdown struct {
	body             []byte
	left, open, last int
	done             chan struct{}
}

func (c *countdown) Claim(_ context.Context, signal string, _ int64, limit int) ([]Request, error) {
	out := make([]Request, min(limit, c.left))
	for n := range out {
		c.last++
		out[n] = Request{ID: int64(c.last), Signal: signal, Body: c.body}
	}
	c.left -= len(out)
	c.open += len(out)
	return out, nil
}

func (c *countdown) Settle(_ context.Context, settled []Settlement) error {
	c.open -= len(settled)
	if c.left == 0 && c.open == 0 {
		close(c.done)
	}
	return nil
}
