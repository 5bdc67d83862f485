package main

import (
	"fmt"
	"io"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"

	"cdr2otel/internal/tracetree"
	"cdr2otel/mapping"
)

// signals are OTLP requests of traces and of what mapping.events sends as log
// records.
type signals struct {
	traces []*coltracepb.ExportTraceServiceRequest
	logs   []*collogspb.ExportLogsServiceRequest
}

// add takes in a call or conversation. Its messages' log records name the spans
// that the trace has: offline nothing needs to be predicted. callID is empty for a
// conversation.
func (s *signals) add(m *mapping.Mapper, trace *mapping.Trace, callID string, messages []mapping.MessageInput) {
	s.traces = append(s.traces, trace.Request)
	if m.Events() == mapping.EventsSpan {
		return
	}
	for _, message := range messages {
		parent, named := trace.Turns[message.Message.LogID]
		if !named {
			parent = trace.Root
		}
		record := m.Record(mapping.RecordInput{MessageInput: message, Parent: parent, Named: named, CallID: callID})
		s.logs = append(s.logs, record.Request)
	}
	if trace.Logs != nil {
		s.logs = append(s.logs, trace.Logs)
	}
}

// draw draws the traces. Log records are drawn where the spans do not say the same.
func (s signals) draw(w io.Writer, events mapping.Events) error {
	options := tracetree.Options{Color: colored(w), Width: columns(w)}
	if events == mapping.EventsLog {
		options.Logs = s.logs
	}
	return tracetree.Render(w, s.traces, options)
}

// writeJSON writes one request a line in OTLP/JSON (OTLP 1.x, "JSON Protobuf
// Encoding": ids in hex, enums as numbers), first those of traces.
func (s signals) writeJSON(w io.Writer) error {
	for _, request := range s.traces {
		encoded, err := mapping.Encode(request)
		if err == nil {
			err = writeLine(w, encoded, ptraceotlp.NewExportRequest())
		}
		if err != nil {
			return err
		}
	}
	for _, request := range s.logs {
		encoded, err := mapping.EncodeLogs(request)
		if err == nil {
			err = writeLine(w, encoded, plogotlp.NewExportRequest())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// otlpRequest is a request of any signal.
type otlpRequest interface {
	UnmarshalProto([]byte) error
	MarshalJSON() ([]byte, error)
}

func writeLine(w io.Writer, encoded []byte, as otlpRequest) error {
	if err := as.UnmarshalProto(encoded); err != nil {
		return err
	}
	line, err := as.MarshalJSON()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", line)
	return err
}
