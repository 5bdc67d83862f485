package delivery

import (
	"context"
	"fmt"
	"io"
	"sync"

	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// consoleClient prints OTLP/JSON, one request a line: the OTLP file format.
type consoleClient struct {
	mu  sync.Mutex // one line at a time
	out io.Writer
}

func (c *consoleClient) Send(_ context.Context, body []byte) Answer {
	request := ptraceotlp.NewExportRequest()
	if err := request.UnmarshalProto(body); err != nil {
		return Answer{Origin: Unencodable, Detail: words(fmt.Sprintf("decode request: %v", err), nil)}
	}
	line, err := request.MarshalJSON()
	if err != nil {
		return Answer{Origin: Unencodable, Detail: words(fmt.Sprintf("encode request: %v", err), nil)}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.out.Write(append(line, '\n')); err != nil {
		return Answer{Origin: NoAnswer, Detail: words(err.Error(), nil)}
	}
	return Answer{Origin: Written}
}

func (c *consoleClient) Close() error { return nil }
