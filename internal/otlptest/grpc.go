package otlptest

import (
	"context"
	"crypto/x509"
	"fmt"
	"strings"

	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/encoding/gzip" // clients may compress
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// grpcServer serves the three collector services. They are registered by hand
// because the generated stubs decode, and the bytes as sent are what is kept.
func (r *Receiver) grpcServer(options []grpc.ServerOption) *grpc.Server {
	s := grpc.NewServer(append(options, grpc.ForceServerCodecV2(rawCodec{}))...)
	for name, signal := range map[string]string{
		coltracepb.TraceService_ServiceDesc.ServiceName:     "traces",
		collogspb.LogsService_ServiceDesc.ServiceName:       "logs",
		colmetricspb.MetricsService_ServiceDesc.ServiceName: "metrics",
	} {
		s.RegisterService(&grpc.ServiceDesc{
			ServiceName: name,
			HandlerType: (*any)(nil),
			Methods: []grpc.MethodDesc{{
				MethodName: "Export",
				Handler: func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
					return r.export(ctx, signal, "/"+name+"/Export", decode)
				},
			}},
		}, nil)
	}
	return s
}

func (r *Receiver) export(ctx context.Context, signal, method string, decode func(any) error) (any, error) {
	var body []byte
	if err := decode(&body); err != nil {
		return nil, err
	}
	q := Request{Signal: signal, Protocol: ProtocolGRPC, Path: method, Body: body, Header: map[string][]string{}}
	if err := r.decode(&q); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	if md, ok := metadata.FromIncomingContext(ctx); ok {
		q.Header = md
	}
	q.Deadline, _ = ctx.Deadline()
	p, _ := peer.FromContext(ctx)
	q.PeerCertificates = peerCertificates(p)

	a := r.take(q).Answer
	if !wait(ctx, a.Until) {
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	if a.Reset {
		r.grpc.cut(p.Addr.String())
		<-ctx.Done() // the transport ends the call
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	if a.Code != codes.OK {
		return nil, a.status().Err()
	}
	return a.response(), nil
}

// decode fills in Traces, Logs or Metrics.
func (r *Receiver) decode(q *Request) error {
	if r.options.Undecoded {
		return nil
	}
	var into proto.Message
	switch q.Signal {
	case "traces":
		q.Traces = &coltracepb.ExportTraceServiceRequest{}
		into = q.Traces
	case "logs":
		q.Logs = &collogspb.ExportLogsServiceRequest{}
		into = q.Logs
	case "metrics":
		q.Metrics = &colmetricspb.ExportMetricsServiceRequest{}
		into = q.Metrics
	default:
		return nil
	}
	if err := proto.Unmarshal(q.Body, into); err != nil {
		return fmt.Errorf("decode request: %s", strings.ReplaceAll(err.Error(), "\u00a0", " "))
	}
	return nil
}

func peerCertificates(p *peer.Peer) []*x509.Certificate {
	if p == nil {
		return nil
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok {
		return nil
	}
	return info.State.PeerCertificates
}

// wait for a channel to be closed (nil: not at all); false when the client left.
func wait(ctx context.Context, until <-chan struct{}) bool {
	if until == nil {
		return true
	}
	select {
	case <-until:
		return true
	case <-ctx.Done():
		return false
	}
}

// rawCodec hands requests over as they came and encodes responses.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	b, err := proto.Marshal(v.(proto.Message))
	return mem.BufferSlice{mem.SliceBuffer(b)}, err
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}
