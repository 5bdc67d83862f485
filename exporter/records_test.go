package exporter_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"cdr2otel/exporter/config"
	"cdr2otel/internal/otlptest"
)

// dtmfMessages are the message logs of the sample call.
var dtmfMessages = []string{"dtmf_call.message-1-start.json", "dtmf_call.message-2-dtmf.json", "dtmf_call.message-3-hangup.json"}

// ofSignal are the accepted requests of one signal.
func ofSignal(requests []otlptest.Request, signal string) []otlptest.Request {
	var found []otlptest.Request
	for _, q := range requests {
		if q.Signal == signal && q.Accepted() {
			found = append(found, q)
		}
	}
	return found
}

// awaitSignal returns once the receiver accepted n requests of a signal.
func awaitSignal(t testing.TB, r *otlptest.Receiver, signal string, n int) []otlptest.Request {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := r.Wait(ctx, func(requests []otlptest.Request) bool { return len(ofSignal(requests, signal)) >= n })
	if err != nil {
		t.Fatalf("waiting for %d requests of %s, there are %d: %v", n, signal, len(ofSignal(r.Requests(), signal)), err)
	}
	return ofSignal(r.Requests(), signal)
}

// awaitState returns once that many events are in a state.
func (s *sidecar) awaitState(t testing.TB, state string, n int64) {
	t.Helper()
	s.awaitReadiness(t, func(_ int, r readiness) bool { return r.Events[state] == n })
}

// namesOfEvents are the names of the events of spans, by span id.
func namesOfEvents(spans []*tracepb.Span) map[string][]string {
	names := map[string][]string{}
	for _, span := range spans {
		for _, event := range span.Events {
			names[string(span.SpanId)] = append(names[string(span.SpanId)], event.Name)
		}
	}
	return names
}

// namesOfRecords are the names of log records, by span id.
func namesOfRecords(records []*logspb.LogRecord) map[string][]string {
	names := map[string][]string{}
	for _, record := range records {
		names[string(record.SpanId)] = append(names[string(record.SpanId)], record.EventName)
	}
	return names
}

func TestAMessageLeavesAsALogRecordWhileItsCallGoesOn(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{otlptest.ProtocolGRPC, otlptest.ProtocolHTTP} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			receiver := otlptest.New(t, otlptest.Options{})
			cfg := configuration(t.TempDir())
			cfg.Mapping.Events = config.EventsLog
			s := start(t, cfg, overriding(receiver, protocol))
			for i, name := range dtmfMessages {
				s.accepted(t, sample(t, name))
				awaitSignal(t, receiver, "logs", i+1)
			}
			if n := len(ofSignal(receiver.Requests(), "traces")); n != 0 {
				t.Errorf("%d traces left before the CDR came", n)
			}
			s.accepted(t, sample(t, "dtmf_call.cdr.json"))
			spans := awaitSignal(t, receiver, "traces", 1)[0].Spans()
			awaitSignal(t, receiver, "logs", 4) // the call's own events
			s.awaitState(t, "exported", 4)
			if on := namesOfEvents(spans); len(on) != 0 {
				t.Errorf("spans have events: %v", on)
			}
			byID := map[string]*tracepb.Span{}
			for _, span := range spans {
				byID[string(span.SpanId)] = span
			}
			messages := 0
			for _, record := range receiver.LogRecords() {
				span := byID[string(record.SpanId)]
				switch {
				case span == nil || !bytes.Equal(span.TraceId, record.TraceId):
					t.Errorf("%s names a span that is not in the call", record.EventName)
				case record.EventName == "wxa.message":
					messages++
					if span.Name != "invoke_agent" {
						t.Errorf("a message hangs from %s, want invoke_agent", span.Name)
					}
				}
			}
			if messages != len(dtmfMessages) {
				t.Errorf("%d records of messages, want %d", messages, len(dtmfMessages))
			}
		})
	}
}

func TestEventsInBothAreTheSameOnSpansAndAsRecords(t *testing.T) {
	t.Parallel()
	receiver := otlptest.New(t, otlptest.Options{})
	cfg := configuration(t.TempDir())
	cfg.Mapping.Events = config.EventsBoth
	s := start(t, cfg, overriding(receiver, otlptest.ProtocolGRPC))
	for _, body := range append([]string{"dtmf_call.cdr.json"}, dtmfMessages...) {
		s.accepted(t, sample(t, body))
	}
	s.awaitState(t, "exported", 4)
	sorted := cmp.Transformer("sorted", func(names []string) map[string]int {
		n := map[string]int{}
		for _, name := range names {
			n[name]++
		}
		return n
	})
	if diff := cmp.Diff(namesOfEvents(receiver.Spans()), namesOfRecords(receiver.LogRecords()), sorted); diff != "" {
		t.Error(diff)
	}
}

func TestALateMessageIsALogRecordOfItsTurnWhenTheConfigurationSaysSo(t *testing.T) {
	t.Parallel()
	receiver := otlptest.New(t, otlptest.Options{})
	cfg := configuration(t.TempDir())
	cfg.Correlation.Grace = 0
	cfg.Correlation.Late = config.LateLog
	s := start(t, cfg, overriding(receiver, otlptest.ProtocolGRPC))
	s.accepted(t, sample(t, "dtmf_call.cdr.json"))
	call := awaitSignal(t, receiver, "traces", 1)[0].Spans()
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	s = start(t, cfg, overriding(receiver, otlptest.ProtocolGRPC)) // what it hangs from is in the store
	late := sample(t, "dtmf_call.message-2-dtmf.json")
	s.accepted(t, late)
	record := awaitSignal(t, receiver, "logs", 1)[0].LogRecords()[0]
	s.accepted(t, late)
	s.awaitState(t, "exported", 2)
	parents := 0
	for _, span := range call {
		if bytes.Equal(span.SpanId, record.SpanId) && bytes.Equal(span.TraceId, record.TraceId) && span.Name == "invoke_agent" {
			parents++
		}
	}
	if parents != 1 || record.EventName != "wxa.message" {
		t.Errorf("%s has %d spans in the call, want its invoke_agent", record.EventName, parents)
	}
	if n := len(ofSignal(receiver.Requests(), "traces")); n != 1 || len(receiver.LogRecords()) != 1 {
		t.Errorf("%d traces and %d records left, want one of each", n, len(receiver.LogRecords()))
	}
	v := s.scrape(t)
	if got := v.sum(t, "wxa_exporter_message_joins_total", "wxa_outcome=late"); got != 1 {
		t.Errorf("%v late messages are counted, want 1", got)
	}
}

func TestLogsThatNobodyTakesDelayNoTrace(t *testing.T) {
	t.Parallel()
	receiver := otlptest.New(t, otlptest.Options{})
	receiver.SetSignalAnswer("logs", &otlptest.Answer{Code: codes.Unimplemented, Message: "unknown service"})
	cfg := configuration(t.TempDir())
	cfg.Mapping.Events = config.EventsBoth
	s := start(t, cfg, overriding(receiver, otlptest.ProtocolGRPC))
	for _, body := range append([]string{"dtmf_call.cdr.json"}, dtmfMessages...) {
		s.accepted(t, sample(t, body))
	}
	awaitSignal(t, receiver, "traces", 1)
	s.awaitReadiness(t, func(status int, r readiness) bool {
		return status == 200 && r.Delivery["traces"] == "sending" && strings.HasPrefix(r.Delivery["logs"], "held") && r.Events["pending"] == 4
	})
	receiver.SetSignalAnswer("logs", nil)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	s = start(t, cfg, overriding(receiver, otlptest.ProtocolGRPC)) // whose gate is open
	s.awaitState(t, "exported", 4)
	if n := len(ofSignal(receiver.Requests(), "traces")); n != 1 {
		t.Errorf("the trace was sent %d times, want once", n)
	}
}

func TestASignalThatIsSwitchedOffCountsAsExportedAtOnce(t *testing.T) {
	t.Parallel()
	for name, off := range map[string][]string{
		"logs":   {"OTEL_LOGS_EXPORTER"},
		"traces": {"OTEL_TRACES_EXPORTER"},
		"both":   {"OTEL_LOGS_EXPORTER", "OTEL_TRACES_EXPORTER"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			receiver := otlptest.New(t, otlptest.Options{})
			variables := map[string]string{
				"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.GRPCEndpoint(), "OTEL_EXPORTER_OTLP_PROTOCOL": otlptest.ProtocolGRPC,
			}
			for _, variable := range off {
				variables[variable] = "none"
			}
			cfg := configuration(t.TempDir())
			cfg.Mapping.Events = config.EventsBoth
			opts := overriding(receiver, otlptest.ProtocolGRPC)
			opts.Getenv = environment(variables)
			s := start(t, cfg, opts)
			for _, body := range append([]string{"dtmf_call.cdr.json"}, dtmfMessages...) {
				s.accepted(t, sample(t, body))
			}
			s.awaitState(t, "exported", 4)
			if n := len(receiver.Spans()); (n == 0) != (name != "logs") {
				t.Errorf("%d spans left", n)
			}
			if n := len(receiver.LogRecords()); (n == 0) != (name != "traces") {
				t.Errorf("%d log records left", n)
			}
		})
	}
}

// The usual way there: the back end takes no logs, they pile up, and someone switches
// them off.
func TestWhatWaitsForASignalThatIsSwitchedOffIsNotPendingForEver(t *testing.T) {
	t.Parallel()
	for signal, variable := range map[string]string{"logs": "OTEL_LOGS_EXPORTER", "traces": "OTEL_TRACES_EXPORTER"} {
		t.Run(signal, func(t *testing.T) {
			t.Parallel()
			receiver := otlptest.New(t, otlptest.Options{})
			receiver.SetSignalAnswer(signal, &otlptest.Answer{Code: codes.Unimplemented, Message: "unknown service"})
			cfg := configuration(t.TempDir())
			cfg.Mapping.Events = config.EventsBoth
			on := overriding(receiver, otlptest.ProtocolGRPC)
			off := on
			off.Getenv = environment(map[string]string{
				"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.GRPCEndpoint(), "OTEL_EXPORTER_OTLP_PROTOCOL": otlptest.ProtocolGRPC, variable: "none",
			})
			s := start(t, cfg, on)
			for _, body := range append([]string{"dtmf_call.cdr.json"}, dtmfMessages...) {
				s.accepted(t, sample(t, body))
			}
			s.awaitReadiness(t, func(_ int, r readiness) bool {
				return strings.HasPrefix(r.Delivery[signal], "held") && r.Events["pending"] > 0
			})
			if err := s.stop(); err != nil {
				t.Fatal(err)
			}
			receiver.SetSignalAnswer(signal, nil)
			s = start(t, cfg, off)
			s.awaitState(t, "exported", 4)
			if err := s.stop(); err != nil {
				t.Fatal(err)
			}
			s = start(t, cfg, on)
			s.accepted(t, sample(t, "webchat_actions.message.json"))
			awaitSignal(t, receiver, "logs", 1)
			s.awaitReadiness(t, func(_ int, r readiness) bool { return r.Events["accepted"] == 5 && r.Events["exported"] == 4 })
			if n := len(ofSignal(receiver.Requests(), "traces")); signal == "traces" && n != 0 {
				t.Errorf("%d traces were sent that were written off", n)
			}
		})
	}
}
