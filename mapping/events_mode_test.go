package mapping_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"cdr2otel/mapping"
)

// recordsOf lists the log records of a request, which may be nil.
func recordsOf(request *collogspb.ExportLogsServiceRequest) (records []*logspb.LogRecord) {
	for _, resource := range request.GetResourceLogs() {
		for _, scope := range resource.GetScopeLogs() {
			records = append(records, scope.GetLogRecords()...)
		}
	}
	return records
}

// brokenRecords returns what is wrong with log records, whatever their input was.
// Spans are those that the records may name; nil when none of them is known.
func brokenRecords(request *collogspb.ExportLogsServiceRequest, trace mapping.TraceID, spans []*tracepb.Span) error {
	if request == nil {
		return nil
	}
	known := make(map[string]bool)
	for _, span := range spans {
		known[string(span.GetSpanId())] = true
	}
	var last *logspb.LogRecord
	for i, record := range recordsOf(request) {
		fail := func(format string, args ...any) error {
			return fmt.Errorf("record %d %q: %s", i, record.GetEventName(), fmt.Sprintf(format, args...))
		}
		switch {
		case !strings.HasPrefix(record.GetEventName(), "wxa."):
			return fail("no event name")
		case len(record.GetTraceId()) > 0 && (!bytes.Equal(record.GetTraceId(), trace[:]) || record.GetFlags() != 1):
			return fail("of trace %x, flags %d", record.GetTraceId(), record.GetFlags())
		case len(record.GetTraceId()) == 0 && (!trace.IsZero() || record.GetFlags() != 0 || len(record.GetSpanId()) > 0):
			return fail("without a trace")
		case len(record.GetSpanId()) != 0 && len(record.GetSpanId()) != 8:
			return fail("span id %x", record.GetSpanId())
		case spans != nil && !known[string(record.GetSpanId())]:
			return fail("its span %x is not in the trace", record.GetSpanId())
		case record.GetSeverityNumber() == 0 || record.GetSeverityText() == "":
			return fail("no severity")
		case last != nil && last.GetTimeUnixNano() > record.GetTimeUnixNano():
			return fail("before the record in front of it")
		}
		if err := unsorted(record.GetAttributes()); err != nil {
			return fail("%v", err)
		}
		if !slices.ContainsFunc(record.GetAttributes(), func(kv *commonpb.KeyValue) bool { return kv.GetKey() == "wxa.source" }) {
			return fail("no wxa.source")
		}
		last = record
	}
	_, err := mapping.EncodeLogs(request)
	return err
}

// told is an event as it is told on a span and as a log record alike.
func told(name string, span []byte, attributes []*commonpb.KeyValue) string {
	var list []string
	for _, kv := range attributes {
		switch key := kv.GetKey(); {
		case key == "wxa.source", key == "wxa.call.id", key == "wxa.session.id":
			// The span, or its root, says these.
		case key == "wxa.log_id" && (name == "wxa.extension.call" || name == "wxa.model.call"):
			// So does the invoke_agent span.
		case strings.HasPrefix(key, "gen_ai."), key == "wxa.truncated":
			// The invoke_agent span says what was said.
		default:
			list = append(list, fmt.Sprintf("%s=%v", key, kv.GetValue()))
		}
	}
	// protobuf's text form puts one space or two.
	text := fmt.Sprintf("%s %x %s", name, span, strings.Join(list, " "))
	return strings.Join(strings.Fields(text), " ")
}

func toldBySpans(trace *mapping.Trace) (events []string) {
	for _, span := range spansOf(trace) {
		for _, event := range span.GetEvents() {
			id := span.GetSpanId()
			if observation(event.GetName()) {
				id = nil // its record cannot know
			}
			events = append(events, told(event.GetName(), id, event.GetAttributes()))
		}
	}
	slices.Sort(events)
	return events
}

func observation(event string) bool {
	return event == "wxa.message.received" || event == "wxa.message.processed"
}

// toldByRecords is every record of a call or conversation and of what it has: the
// messages' are made when the store knows the trace.
func (s *scenario) toldByRecords(t *testing.T, trace *mapping.Trace, messages []mapping.MessageInput, callID string) (events []string) {
	t.Helper()
	add := func(request *collogspb.ExportLogsServiceRequest, of mapping.TraceID, spans []*tracepb.Span) {
		if err := brokenRecords(request, of, spans); err != nil {
			t.Errorf("%s: %v", s.dir, err)
		}
		for _, record := range recordsOf(request) {
			events = append(events, told(record.GetEventName(), record.GetSpanId(), record.GetAttributes()))
		}
	}
	add(trace.Logs, trace.TraceID, spansOf(trace))
	seen := make(map[string]bool)
	for _, message := range messages {
		logID := message.Message.LogID
		if seen[logID] {
			continue // the store keeps the first of a log id
		}
		seen[logID] = true
		parent, named := trace.Turns[logID]
		if !named {
			parent = trace.Root
		}
		in := mapping.RecordInput{MessageInput: message, Parent: parent, Named: named, CallID: callID}
		records := s.mapper.Record(in)
		add(records.Request, records.TraceID, spansOf(trace))
		if callID != "" {
			in.Parent.SpanID = mapping.SpanID{}
			if computed := s.mapper.Record(in); computed.SpanID != parent.SpanID {
				t.Errorf("%s: message %q computes another span than the store has", s.dir, logID)
			}
		}
	}
	observations := s.observations(t)
	for _, i := range trace.Observed {
		records := s.mapper.ObservationRecord(observations[i], nil)
		add(records.Request, records.TraceID, nil)
	}
	slices.Sort(events)
	return events
}

func (s *scenario) in(t *testing.T, mode mapping.Events) *scenario {
	t.Helper()
	other := *s
	other.config.Events = mode
	var err error
	if other.mapper, err = mapping.New(other.config.Config); err != nil {
		t.Fatal(err)
	}
	return &other
}

func TestEveryModeTellsTheSameEvents(t *testing.T) {
	t.Parallel()
	for _, dir := range scenarios(t) {
		s := loadScenario(t, dir)
		in, isCall := s.call(t)
		messages, callID := s.messages(t, "message-*.json"), ""
		build := func(s *scenario) *mapping.Trace {
			if isCall {
				return s.mapper.Call(in)
			}
			return s.mapper.Conversation(mapping.ConversationInput{Messages: messages, Observations: s.observations(t)})
		}
		if isCall {
			callID = mapping.CallID(in.CDR.Identity(), in.ContentHash)
		} else if slices.ContainsFunc(messages, func(m mapping.MessageInput) bool { return m.Message.LogID == "" }) {
			continue // no store could say where these are
		}
		spans, logs, both := s.in(t, mapping.EventsSpan), s.in(t, mapping.EventsLog), s.in(t, mapping.EventsBoth)
		onSpans, asRecords, twice := build(spans), build(logs), build(both)
		want := toldBySpans(onSpans)
		for name, got := range map[string][]string{
			"records of log":  logs.toldByRecords(t, asRecords, messages, callID),
			"records of both": both.toldByRecords(t, twice, messages, callID),
			"spans of both":   toldBySpans(twice),
		} {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s (-span +got):\n%s", filepath.Base(dir), name, diff)
			}
		}
		if events := toldBySpans(asRecords); len(events) > 0 || onSpans.Logs != nil {
			t.Errorf("%s: %d events on spans in mode log, records in mode span: %t", dir, len(events), onSpans.Logs != nil)
		}
		for _, span := range slices.Concat(spansOf(onSpans), spansOf(asRecords)) {
			span.Events = nil
		}
		if !bytes.Equal(encoded(t, onSpans), encoded(t, asRecords)) {
			t.Errorf("%s: but for its events a span is another in mode log", dir)
		}
	}
}

func TestWhatIsWrongWithAMessageIsCountedOnce(t *testing.T) {
	t.Parallel()
	message := mapping.MessageInput{Message: &mapping.Message{LogID: "one", Mistyped: 3}}
	cdr := &mapping.CDR{Summaries: []mapping.Summary{{Turns: []mapping.Turn{{Assistant: &mapping.AssistantStep{LogID: "one"}}}}}}
	for _, mode := range []mapping.Events{mapping.EventsSpan, mapping.EventsLog, mapping.EventsBoth} {
		mapper, err := mapping.New(mapping.Config{Source: "default", Events: mode})
		if err != nil {
			t.Fatal(err)
		}
		counted := mapper.Call(mapping.CallInput{CDR: cdr, Messages: []mapping.MessageInput{message}}).Anomalies["wrong_type"]
		if mode != mapping.EventsSpan {
			counted += mapper.Record(mapping.RecordInput{MessageInput: message}).Anomalies["wrong_type"]
		}
		if counted != 3 {
			t.Errorf("%s: %d, want 3", mode, counted)
		}
	}
}

func TestOrderOfObservationsDoesNotChangeTheBytes(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 6))
	for _, dir := range scenarios(t) {
		s := loadScenario(t, dir).in(t, mapping.EventsBoth)
		observations := s.observations(t)
		if len(observations) == 0 {
			continue
		}
		for i := range observations { // all at once: nothing but themselves orders them
			observations[i].ReceivedAt = observations[0].ReceivedAt
		}
		in, isCall := s.call(t)
		build := func(observations []mapping.ObservationInput) []byte {
			if isCall {
				in.Observations = observations
				trace := s.mapper.Call(in)
				logs, err := mapping.EncodeLogs(trace.Logs)
				if err != nil {
					t.Fatal(err)
				}
				return append(encoded(t, trace), logs...)
			}
			return encoded(t, s.mapper.Conversation(mapping.ConversationInput{
				Messages: s.messages(t, "message-*.json"), Observations: observations,
			}))
		}
		want := build(observations)
		for range 6 {
			random.Shuffle(len(observations), func(i, j int) { observations[i], observations[j] = observations[j], observations[i] })
			if !bytes.Equal(want, build(observations)) {
				t.Fatalf("%s: other bytes", filepath.Base(dir))
			}
		}
	}
}

func TestRecordsArePredictedAsTheCallComputesThem(t *testing.T) {
	t.Parallel()
	s := loadScenario(t, "testdata/a-caller-speaks-and-an-extension-fails")
	in, _ := s.call(t)
	call := s.mapper.Call(in)
	for _, message := range in.Messages {
		records := s.mapper.Record(mapping.RecordInput{MessageInput: message})
		if want := call.Turns[message.Message.LogID]; records.TraceID != want.TraceID || records.SpanID != want.SpanID {
			t.Errorf("%s: %v %v, want %v", message.Message.LogID, records.TraceID, records.SpanID, want)
		}
	}
	chat := loadScenario(t, "testdata/a-web-chat-leaves-as-log-records")
	messages := chat.messages(t, "message-*.json")
	conversation := chat.mapper.Conversation(mapping.ConversationInput{Messages: messages})
	for _, message := range messages {
		records := chat.mapper.Record(mapping.RecordInput{MessageInput: message, Segment: messages[0].Message.LogID})
		if want := conversation.Turns[message.Message.LogID]; records.TraceID != want.TraceID || records.SpanID != want.SpanID {
			t.Errorf("%s: %v %v, want %v", message.Message.LogID, records.TraceID, records.SpanID, want)
		}
		if unknown := chat.mapper.Record(mapping.RecordInput{MessageInput: message}); !unknown.SpanID.IsZero() {
			t.Error("a span is named although the segment is not known")
		}
	}
}

func TestAnUnknownModeIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := mapping.New(mapping.Config{Source: "default", Events: 3}); err == nil {
		t.Error("3 is taken")
	}
	modes := make(map[string]mapping.Events)
	if err := json.Unmarshal([]byte(`{"a":"span","b":"log","c":"both"}`), &modes); err != nil {
		t.Fatal(err)
	}
	if want := (map[string]mapping.Events{"a": mapping.EventsSpan, "b": mapping.EventsLog, "c": mapping.EventsBoth}); !maps.Equal(want, modes) {
		t.Errorf("%v", modes)
	}
	if err := json.Unmarshal([]byte(`{"a":"logs"}`), &modes); err == nil {
		t.Error("logs is taken")
	}
}
