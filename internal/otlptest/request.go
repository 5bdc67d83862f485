package otlptest

import (
	"crypto/x509"
	"time"

	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Protocols, as OTEL_EXPORTER_OTLP_PROTOCOL names them.
const (
	ProtocolGRPC = "grpc"
	ProtocolHTTP = "http/protobuf"
)

// Request is one export request as it arrived.
type Request struct {
	N        int    // order of arrival, from 0
	Signal   string // "traces", "logs", "metrics"
	Protocol string // ProtocolGRPC or ProtocolHTTP
	// Header holds HTTP headers or gRPC metadata, names in lower case.
	Header map[string][]string
	// Path of the HTTP request with its query; the method over gRPC.
	Path string
	// Body is the protobuf message, byte for byte, after decompression.
	Body []byte
	// Traces is Body decoded; nil when the signal is not traces.
	Traces *coltracepb.ExportTraceServiceRequest
	// Logs is Body decoded; nil when the signal is not logs.
	Logs *collogspb.ExportLogsServiceRequest
	// Metrics is Body decoded; nil when the signal is not metrics.
	Metrics *colmetricspb.ExportMetricsServiceRequest
	// PeerCertificates of the client, leaf first, when it showed any.
	PeerCertificates []*x509.Certificate
	// Deadline that the client sent along (gRPC); zero when it sent none.
	Deadline time.Time
	// Answer it gets.
	Answer Answer
}

// Accepted says whether the answer tells the client that the request was taken.
func (q Request) Accepted() bool {
	if q.Answer.Reset {
		return false
	}
	if q.Protocol == ProtocolGRPC {
		return q.Answer.Code == codes.OK
	}
	return q.Answer.httpStatus()/100 == 2
}

// Spans of the request in document order; nil when it is not traces.
func (q Request) Spans() []*tracepb.Span {
	var spans []*tracepb.Span
	for _, r := range q.Traces.GetResourceSpans() {
		for _, s := range r.GetScopeSpans() {
			spans = append(spans, s.GetSpans()...)
		}
	}
	return spans
}

// LogRecords of the request in document order; nil when it is not logs.
func (q Request) LogRecords() []*logspb.LogRecord {
	var records []*logspb.LogRecord
	for _, r := range q.Logs.GetResourceLogs() {
		for _, s := range r.GetScopeLogs() {
			records = append(records, s.GetLogRecords()...)
		}
	}
	return records
}

// Answer to a request. The zero value accepts it.
type Answer struct {
	// Code is the gRPC code. Over HTTP it is used when Status is 0.
	Code codes.Code
	// Status is the HTTP status; 0 follows from Code. It has no effect over gRPC.
	Status int
	// Message of an error.
	Message string
	// Retry, when set, is sent as RetryInfo or Retry-After.
	Retry *time.Duration
	// RetryDate sends Retry-After as a date instead of seconds.
	RetryDate bool
	// Partial, when set, is sent as partial_success. It needs an accepting answer.
	Partial *Partial
	// Header is added to an HTTP answer, last: it may replace Content-Type.
	Header map[string]string
	// Body, when set, replaces the body of an HTTP answer.
	Body []byte
	// Until, when set, delays the answer until it is closed or the client leaves.
	Until <-chan struct{}
	// Reset cuts the connection instead of answering.
	Reset bool
}

// Partial is a partial success.
type Partial struct {
	Rejected int64
	Message  string
}

func (p *Partial) traces() *coltracepb.ExportTracePartialSuccess {
	if p == nil {
		return nil
	}
	return &coltracepb.ExportTracePartialSuccess{RejectedSpans: p.Rejected, ErrorMessage: p.Message}
}

// response is wire compatible with the responses of logs and metrics.
func (a Answer) response() *coltracepb.ExportTraceServiceResponse {
	return &coltracepb.ExportTraceServiceResponse{PartialSuccess: a.Partial.traces()}
}

func (a Answer) status() *status.Status {
	s := status.New(a.Code, a.Message)
	if a.Retry == nil || a.Code == codes.OK {
		return s
	}
	info := &errdetails.RetryInfo{RetryDelay: durationpb.New(*a.Retry)}
	// WithDetails errs only on a code of OK.
	s, _ = s.WithDetails(protoadapt.MessageV1Of(info))
	return s
}

// httpStatus is the HTTP status; from the code as collectors map it.
func (a Answer) httpStatus() int {
	if a.Status != 0 {
		return a.Status
	}
	switch a.Code {
	case codes.OK:
		return 200
	case codes.InvalidArgument:
		return 400
	case codes.Unauthenticated:
		return 401
	case codes.PermissionDenied:
		return 403
	case codes.Unimplemented:
		return 404
	case codes.ResourceExhausted:
		return 429
	case codes.Unavailable:
		return 503
	default:
		return 500
	}
}
