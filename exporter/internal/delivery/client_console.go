package delivery

import (
	"context"
	"fmt"
	"io"
	"sync"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// consoleClient prints OTLP/JSON, one request a line: the OTLP file format.
type consoleClient struct {
	signal string
	out    io.Writer
}

// consoleLine lets one line out at a time: the clients of all signals share the
// standard output.
var consoleLine sync.Mutex

// convertible is a request that can be read as protobuf and written as JSON.
type convertible interface {
	UnmarshalProto([]byte) error
	MarshalJSON() ([]byte, error)
}

func (c *consoleClient) request() convertible {
	switch c.signal {
	case SignalLogs:
		return plogotlp.NewExportRequest()
	case SignalMetrics:
		return pmetricotlp.NewExportRequest()
	}
	return ptraceotlp.NewExportRequest()
}

func (c *consoleClient) Send(_ context.Context, body []byte) Answer {
	request := c.request()
	if err := request.UnmarshalProto(body); err != nil {
		return Answer{Origin: Unencodable, Detail: words(fmt.Sprintf("decode request: %v", err), nil)}
	}
	line, err := request.MarshalJSON()
	if err != nil {
		return Answer{Origin: Unencodable, Detail: words(fmt.Sprintf("encode request: %v", err), nil)}
	}
	consoleLine.Lock()
	defer consoleLine.Unlock()
	if _, err := c.out.Write(append(line, '\n')); err != nil {
		return Answer{Origin: NoAnswer, Detail: words(err.Error(), nil)}
	}
	return Answer{Origin: Written}
}

func (c *consoleClient) Close() error { return nil }
