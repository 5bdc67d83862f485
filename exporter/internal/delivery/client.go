package delivery

import (
	"errors"
	"fmt"
	"os"
	"time"

	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"

	"cdr2otel/exporter/internal/otelenv"
)

// methods are the gRPC methods that take the requests of each signal.
var methods = map[string]string{
	SignalTraces:  coltracepb.TraceService_Export_FullMethodName,
	SignalLogs:    collogspb.LogsService_Export_FullMethodName,
	SignalMetrics: colmetricspb.MetricsService_Export_FullMethodName,
}

// NewClient makes the client of a signal that the settings ask for.
// It connects when something is sent: a collector that is not there yet is not an
// error.
//
// The stored bytes go out as they are. The clients of otlptracegrpc and
// otlptracehttp would decode them and encode them again for each attempt, return
// a partial success as an error, keep the HTTP status and Retry-After to
// themselves, follow redirects, and carry on without a certificate that can't be
// read; a test holds what we send against what they send.
func NewClient(signal string, s Settings) (Client, error) {
	method, known := methods[signal]
	if !known {
		return nil, fmt.Errorf("signal %q is not one of %s, %s, %s", signal, SignalTraces, SignalLogs, SignalMetrics)
	}
	s = s.orDefault(signal)
	if s.Timeout < 0 {
		return nil, errors.New("time-out is negative")
	}
	for name, value := range s.Headers {
		if err := otelenv.CheckHeader(name, value); err != nil {
			return nil, err
		}
	}
	switch {
	case s.Exporter == ExporterConsole:
		return &consoleClient{signal: signal, out: s.Console}, nil
	case s.Exporter != ExporterOTLP:
		return nil, fmt.Errorf("exporter %q sends nothing", s.Exporter)
	case s.Protocol == ProtocolGRPC:
		return newGRPCClient(s, method)
	case s.Protocol == ProtocolHTTP:
		return newHTTPClient(s, signal)
	default:
		return nil, fmt.Errorf("protocol %q is not one of %s, %s", s.Protocol, ProtocolGRPC, ProtocolHTTP)
	}
}

func (s Settings) orDefault(signal string) Settings {
	if s.Exporter == "" {
		s.Exporter = ExporterOTLP
	}
	if s.Protocol == "" {
		s.Protocol = ProtocolHTTP
	}
	if s.Endpoint == "" {
		s.Endpoint = map[string]string{ProtocolGRPC: defaultGRPC, ProtocolHTTP: defaultHTTP + "/v1/" + signal}[s.Protocol]
	}
	if s.Timeout == 0 {
		s.Timeout = 10 * time.Second
	}
	if s.Console == nil {
		s.Console = os.Stdout
	}
	if s.UserAgent == "" {
		s.UserAgent = "cdr2otel"
	}
	return s
}
