package tracetree

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// origin is the start of every trace here: 2024-01-02 03:04:05 UTC.
const origin = 1704164645_000_000_000

const millisecond = 1_000_000

func TestEachDrawingIsItsGolden(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		requests []*coltracepb.ExportTraceServiceRequest
		options  Options
	}{
		"a_call":                               {requests: call()},
		"a_call_at_80_columns":                 {requests: call(), options: Options{Width: 80}},
		"a_call_in_colour":                     {requests: call(), options: Options{Color: true}},
		"a_call_in_two_requests":               {requests: append(request("acme", root()), request("acme", children()...)...)},
		"a_late_span_without_its_parent":       {requests: request("acme", span("late", "parent", "message_logged", 5000, 5001))},
		"a_web_chat_whose_answer_was_searched": {requests: request("acme", chat()...)},
		"a_phone_session_without_its_cdr":      {requests: request("acme", orphaned()...)},
		"two_traces":                           {requests: append(call(), request("", other())...)},
		"hostile_names_stay_on_their_line":     {requests: request("acme", hostile()...)},
		"a_span_that_lasts_nothing_is_there":   {requests: request("acme", span("a", "", "call inbound", 0, 0))},
		"log_records_are_on_their_spans":       {requests: request("acme", span("a", "", "call inbound", 0, 9000), span("b", "a", "turn start", 1000, 4000)), options: Options{Logs: records()}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got bytes.Buffer
			if err := Render(&got, c.requests, c.options); err != nil {
				t.Fatal(err)
			}
			golden(t, name, got.Bytes())
			for _, width := range []int{60, 80, 100, 140} {
				fits(t, width, c.requests, c.options)
			}
		})
	}
}

func fits(t *testing.T, width int, requests []*coltracepb.ExportTraceServiceRequest, options Options) {
	t.Helper()
	var got bytes.Buffer
	options.Width = width
	if err := Render(&got, requests, options); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(got.String()) {
		line = painted.ReplaceAllString(strings.TrimSuffix(line, "\n"), "")
		if columns := utf8.RuneCountInString(line); columns > width {
			t.Errorf("at %d columns a line has %d: %s", width, columns, line)
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestASpanThatCameTwiceIsDrawnOnce(t *testing.T) {
	t.Parallel()
	var once, twice bytes.Buffer
	if err := Render(&once, call(), Options{}); err != nil {
		t.Fatal(err)
	}
	if err := Render(&twice, append(call(), call()...), Options{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(once.String(), twice.String()); diff != "" {
		t.Error(diff)
	}
}

func TestSpansThatAreTheirOwnAncestorsDoNotHang(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	err := Render(&got, request("acme",
		span("a", "", "root", 0, 10), span("b", "c", "b", 0, 10), span("c", "b", "c", 0, 10), span("d", "d", "d", 0, 10)), Options{})
	if err != nil || !strings.Contains(got.String(), "root") {
		t.Errorf("%v\n%s", err, &got)
	}
}

func TestNothingIsDrawnOfNothing(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	if err := Render(&got, nil, Options{}); err != nil || got.Len() > 0 {
		t.Errorf("%v, %q", err, got.String())
	}
}

func TestAFailingWriterIsReported(t *testing.T) {
	t.Parallel()
	want := errors.New("disk full")
	if err := Render(failing{want}, call(), Options{}); !errors.Is(err, want) {
		t.Errorf("error is %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func chat() []*tracepb.Span {
	return []*tracepb.Span{
		span("root", "", "conversation", 0, 6000, str("wxa.message.channel", "Web chat")),
		span("turn", "root", "turn text", 1000, 5900),
		span("agent", "turn", "invoke_agent", 1000, 5900, f64("wxa.search.duration", .412), f64("wxa.generation.duration", 3.89)),
	}
}

func orphaned() []*tracepb.Span {
	return []*tracepb.Span{span("root", "", "conversation", 0, 6000, str("wxa.message.channel", "Phone"), yes("wxa.cdr.missing"))}
}

func call() []*coltracepb.ExportTraceServiceRequest {
	return request("acme-voice-bot", append([]*tracepb.Span{root()}, children()...)...)
}

func root() *tracepb.Span {
	root := span("root", "", "call inbound", 0, 20000)
	root.Attributes = []*commonpb.KeyValue{
		str("wxa.call.result", "failed"), str("wxa.call.end_reason", "caller_hangup"), f64("wxa.call.duration", 18),
		i64("wxa.call.turn_count", 2), i64("wxa.call.barge_in_count", 1), i64("wxa.call.warning_count", 1),
		str("error.type", "CWSMR0070E"),
	}
	root.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR}
	root.Events = []*tracepb.Span_Event{event("wxa.call.answered", 2000), event("wxa.warning", 20000, str("wxa.warning.id", "CWSMR0070E"))}
	return root
}

func children() []*tracepb.Span {
	recognized := span("stt", "turn2", "speech_to_text", 6000, 8500, str("service.peer.name", "speech_to_text"),
		f64("wxa.stt.confidence", 0.934), yes("wxa.stt.echo_detected"))
	agent := span("agent2", "turn2", "invoke_agent billing-bot", 8500, 9200, str("service.peer.name", "assistant"))
	agent.Events = []*tracepb.Span_Event{
		event("wxa.extension.call", 9000, str("http.request.method", "GET"), i64("http.response.status_code", 503), str("error.type", "503")),
		event("wxa.message", 9100, list("wxa.message.intents", "pay_bill", "other")),
	}
	prompt := span("tts2", "turn2", "text_to_speech", 9200, 16000, str("service.peer.name", "text_to_speech"), f64("wxa.tts.response.duration", 1.9))
	prompt.Events = []*tracepb.Span_Event{event("wxa.audio.start", 11100), event("wxa.barge_in", 16000)}
	cached := span("tts1", "turn1", "text_to_speech", 2100, 5000, str("service.peer.name", "text_to_speech"), yes("wxa.tts.cached"))
	failed := span("turn3", "root", "turn transfer_failed", 19000, 19500, str("error.type", "transfer_failed"))
	failed.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR}
	return []*tracepb.Span{
		span("turn2", "root", "turn speech_to_text", 6000, 16000, str("wxa.turn.response.class", "dead_air"), f64("wxa.turn.response.duration", 4.4)),
		span("setup", "root", "call setup", 0, 2000),
		span("turn1", "root", "turn start", 2000, 5000, str("wxa.turn.response.class", "ok")),
		span("agent1", "turn1", "invoke_agent", 2000, 2100, str("service.peer.name", "assistant")),
		cached, recognized, agent, prompt, failed,
	}
}

func other() *tracepb.Span {
	s := span("x", "", "conversation", 0, 1000)
	s.TraceId = []byte("another trace id")
	return s
}

// records are log records of two spans, of one that is not drawn, and of a trace
// that is not.
func records() []*collogspb.ExportLogsServiceRequest {
	record := func(trace, span, name string, at uint64) *logspb.LogRecord {
		return &logspb.LogRecord{TraceId: []byte(trace), SpanId: []byte(span), EventName: name, TimeUnixNano: origin + at*millisecond}
	}
	of := string(span("a", "", "", 0, 0).TraceId)
	return []*collogspb.ExportLogsServiceRequest{{ResourceLogs: []*logspb.ResourceLogs{{ScopeLogs: []*logspb.ScopeLogs{{LogRecords: []*logspb.LogRecord{
		record(of, "b", "wxa.message", 3000),
		record(of, "b", "wxa.extension.call", 2000),
		record(of, "never came", "wxa.message", 8000),
		record("another trace id", "a", "wxa.message", 8000),
	}}}}}}}
}

func hostile() []*tracepb.Span {
	long := strings.Repeat("very long name ", 20)
	warned := span("a", "", long, 0, 1000)
	warned.Events = []*tracepb.Span_Event{event("wxa.warning", 500, str("wxa.warning.id", long))}
	deep := []*tracepb.Span{warned}
	parent := "a"
	for _, id := range strings.Split("bcdefghijklmnopqrstuvw", "") {
		deep = append(deep, span(id, parent, "\x1b[31mturn\n"+id, 0, 1000))
		parent = id
	}
	return deep
}

func request(service string, spans ...*tracepb.Span) []*coltracepb.ExportTraceServiceRequest {
	var resource []*commonpb.KeyValue
	if service != "" {
		resource = []*commonpb.KeyValue{str("service.name", service)}
	}
	return []*coltracepb.ExportTraceServiceRequest{{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource:   &resourcepb.Resource{Attributes: resource},
		ScopeSpans: []*tracepb.ScopeSpans{{Spans: spans}},
	}}}}
}

func span(id, parent, name string, from, to uint64, attributes ...*commonpb.KeyValue) *tracepb.Span {
	return &tracepb.Span{
		TraceId: []byte("the trace's id.."), SpanId: []byte(id), ParentSpanId: []byte(parent), Name: name,
		StartTimeUnixNano: origin + from*millisecond, EndTimeUnixNano: origin + to*millisecond, Attributes: attributes,
	}
}

func event(name string, at uint64, attributes ...*commonpb.KeyValue) *tracepb.Span_Event {
	return &tracepb.Span_Event{Name: name, TimeUnixNano: origin + at*millisecond, Attributes: attributes}
}

func str(key, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
}

func i64(key string, value int64) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: value}}}
}

func f64(key string, value float64) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_DoubleValue{DoubleValue: value}}}
}

func yes(key string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: true}}}
}

func list(key string, values ...string) *commonpb.KeyValue {
	array := &commonpb.ArrayValue{}
	for _, v := range values {
		array.Values = append(array.Values, str("", v).Value)
	}
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: array}}}
}
