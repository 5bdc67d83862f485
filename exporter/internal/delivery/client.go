package delivery

import (
	"errors"
	"fmt"
	"os"
	"time"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
)

// NewTraceClient makes the client of the trace signal that the settings ask for.
// It connects when something is sent: a collector that is not there yet is not an
// error.
//
// The stored bytes go out as they are. The clients of otlptracegrpc and
// otlptracehttp would decode them and encode them again for each attempt, return
// a partial success as an error, keep the HTTP status and Retry-After to
// themselves, follow redirects, and carry on without a certificate that can't be
// read; a test holds what we send against what they send.
func NewTraceClient(s Settings) (Client, error) {
	s = s.orDefault()
	if s.Timeout < 0 {
		return nil, errors.New("time-out is negative")
	}
	for name, value := range s.Headers {
		if err := checkHeader(name, value); err != nil {
			return nil, err
		}
	}
	switch {
	case s.Exporter == ExporterConsole:
		return &consoleClient{out: s.Console}, nil
	case s.Exporter != ExporterOTLP:
		return nil, fmt.Errorf("exporter %q sends nothing", s.Exporter)
	case s.Protocol == ProtocolGRPC:
		return newGRPCClient(s, coltracepb.TraceService_Export_FullMethodName)
	case s.Protocol == ProtocolHTTP:
		return newHTTPClient(s)
	default:
		return nil, fmt.Errorf("protocol %q is not one of %s, %s", s.Protocol, ProtocolGRPC, ProtocolHTTP)
	}
}

func (s Settings) orDefault() Settings {
	if s.Exporter == "" {
		s.Exporter = ExporterOTLP
	}
	if s.Protocol == "" {
		s.Protocol = ProtocolHTTP
	}
	if s.Endpoint == "" {
		s.Endpoint = map[string]string{ProtocolGRPC: defaultGRPC, ProtocolHTTP: defaultHTTP + "/v1/" + signalTraces}[s.Protocol]
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
