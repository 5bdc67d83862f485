package delivery

import (
	"context"
	"fmt"
	"strings"
	"time"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"cdr2otel/exporter/internal/otelenv"
)

// grpcClient sends over OTLP/gRPC.
type grpcClient struct {
	conn    *grpc.ClientConn
	method  string
	headers metadata.MD
	timeout time.Duration
	secrets []string
}

func newGRPCClient(s Settings, method string) (*grpcClient, error) {
	to, err := otelenv.GRPCTarget(s.Endpoint, s.Insecure)
	if err != nil {
		return nil, fmt.Errorf("endpoint: %w", err)
	}
	for name, value := range s.Headers {
		if err := checkMetadata(name, value); err != nil {
			return nil, err
		}
	}
	transport := insecure.NewCredentials()
	if to.Encrypted {
		transport = credentials.NewTLS(s.TLS)
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithUserAgent(s.UserAgent),
		grpc.WithDisableRetry(), // the gate is the one retry loop
		// gRPC's own pauses grow to two minutes: a collector that is back would
		// not be seen by the gate's probe.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 200 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
			MinConnectTimeout: s.Timeout,
		}),
		// Sets TCP_USER_TIMEOUT: a peer that vanished without a word is noticed
		// after 20 s of silence, not after the kernel's 15 minutes. Servers
		// tolerate a ping every 5 minutes.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 5 * time.Minute, Timeout: 20 * time.Second}),
	}
	if s.Gzip {
		options = append(options, grpc.WithDefaultCallOptions(grpc.UseCompressor(gzip.Name)))
	}
	conn, err := grpc.NewClient(to.Name, options...)
	if err != nil {
		return nil, fmt.Errorf("endpoint: %w", err)
	}
	return &grpcClient{conn: conn, method: method, headers: metadata.New(s.Headers), timeout: s.Timeout, secrets: secretsOf(s.Headers)}, nil
}

// checkMetadata is what gRPC allows beyond HTTP's rules: it would refuse each
// call, with a code that looks like the receiver's.
func checkMetadata(name, value string) error {
	lower := strings.ToLower(name)
	if strings.HasPrefix(lower, "grpc-") || strings.ContainsAny(lower, "!#$%&'*+^`|~") {
		return fmt.Errorf("%q can't be sent as gRPC metadata", name)
	}
	if strings.HasSuffix(lower, "-bin") {
		return nil
	}
	for _, b := range []byte(value) {
		if b < ' ' || b > '~' {
			return fmt.Errorf("the value of header %s is not printable ASCII, as gRPC wants it", name)
		}
	}
	return nil
}

func (c *grpcClient) Send(ctx context.Context, body []byte) Answer {
	ctx, cancel := context.WithTimeout(metadata.NewOutgoingContext(ctx, c.headers), c.timeout)
	defer cancel()

	// A message of unknown fields only is encoded as just these bytes. The
	// response of every signal has the shape of that of traces.
	request := &coltracepb.ExportTraceServiceRequest{}
	request.ProtoReflect().SetUnknown(body)
	r := &response{}
	if err := c.conn.Invoke(ctx, c.method, request, r); err != nil {
		return c.refused(status.Convert(err))
	}
	if !isResponse(r) {
		return Answer{Origin: FromGRPC, Foreign: true, Detail: "OK: not the answer of an OTLP receiver"}
	}
	return Answer{Origin: FromGRPC, Code: codes.OK, Partial: partialOf(r, c.secrets)}
}

func (c *grpcClient) refused(s *status.Status) Answer {
	a := Answer{Origin: FromGRPC, Code: s.Code(), Detail: words(s.Code().String()+": "+s.Message(), c.secrets)}
	for _, d := range s.Details() {
		if info, ok := d.(*errdetails.RetryInfo); ok {
			a.RetryInfo = true
			a.RetryAfter = max(info.GetRetryDelay().AsDuration(), 0)
		}
	}
	return a
}

func (c *grpcClient) Close() error { return c.conn.Close() }

// partialOf is the partial success of a response, nil when nothing is said.
func partialOf(r *response, secrets []string) *Partial {
	p := r.GetPartialSuccess()
	if p.GetRejectedSpans() == 0 && p.GetErrorMessage() == "" {
		return nil
	}
	return &Partial{Rejected: p.GetRejectedSpans(), Message: words(p.GetErrorMessage(), secrets)}
}
