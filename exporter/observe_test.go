package exporter_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"cdr2otel/exporter/config"
	"cdr2otel/internal/otlptest"
)

// around are the synchronous webhooks around the chat message of
// webchat_actions.message.json, the second turn of its session.
func around(t testing.TB) [][]byte {
	t.Helper()
	const session = "1fd59cdd-9658-44c3-b0ff-d2ab144ef64f"
	processed := strings.NewReplacer("sxxx", session, `"turn_count": 11`, `"turn_count": 2`).Replace(string(sample(t, "message_processed.json")))
	return [][]byte{sample(t, "message_received.json"), []byte(processed)}
}

// awaitRecorded returns once that many synchronous webhooks were recorded.
func (s *sidecar) awaitRecorded(t testing.TB, n float64) {
	t.Helper()
	s.await(t, "wxa_exporter_observations_total", n, "wxa_outcome=recorded")
}

func TestSynchronousWebhooksAreEventsOnTheirTurn(t *testing.T) {
	t.Parallel()
	receiver := otlptest.New(t, otlptest.Options{})
	cfg := configuration(t.TempDir())
	cfg.Correlation.ChatIdle = 2 * time.Millisecond
	s := start(t, cfg, overriding(receiver, otlptest.ProtocolGRPC))
	for _, body := range around(t) {
		s.accepted(t, body)
	}
	s.awaitRecorded(t, 2)
	if err := s.stop(); err != nil { // they are in the store
		t.Fatal(err)
	}
	s = start(t, cfg, overriding(receiver, otlptest.ProtocolGRPC))
	s.accepted(t, sample(t, "webchat_actions.message.json"))
	spans := awaitSignal(t, receiver, "traces", 1)[0].Spans()
	turn := spans[slices.IndexFunc(spans, func(s *tracepb.Span) bool { return s.Name == "turn text" })]
	got := namesOfEvents(spans)[string(turn.SpanId)]
	slices.Sort(got) // all at the end of the turn, which was long ago
	if diff := cmp.Diff([]string{"wxa.message.processed", "wxa.message.received"}, got); diff != "" {
		t.Error(diff)
	}
	s.awaitState(t, "exported", 1)
	if _, r := s.readiness(t); r.Events["accepted"] != 1 {
		t.Errorf("events are %v: a synchronous webhook is none", r.Events)
	}
}

func TestSynchronousWebhooksAreLogRecordsAtOnceAndThenNotAgain(t *testing.T) {
	t.Parallel()
	receiver := otlptest.New(t, otlptest.Options{})
	cfg := configuration(t.TempDir())
	cfg.Correlation.ChatIdle = 2 * time.Millisecond
	cfg.Mapping.Events = config.EventsLog
	s := start(t, cfg, overriding(receiver, otlptest.ProtocolGRPC))
	for _, body := range around(t) {
		s.accepted(t, body)
	}
	awaitSignal(t, receiver, "logs", 2)
	s.accepted(t, sample(t, "webchat_actions.message.json"))
	spans := awaitSignal(t, receiver, "traces", 1)[0].Spans()
	awaitSignal(t, receiver, "logs", 3)
	if on := namesOfEvents(spans); len(on) != 0 {
		t.Errorf("spans have events: %v", on)
	}
	var got []string
	for _, record := range receiver.LogRecords() {
		got = append(got, record.EventName)
		if string(record.TraceId) != string(spans[0].TraceId) {
			t.Errorf("%s names trace %x, want that of its conversation", record.EventName, record.TraceId)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"wxa.message", "wxa.message.processed", "wxa.message.received"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestTextsOfSynchronousWebhooksLeaveOnlyWhenContentMay(t *testing.T) {
	t.Parallel()
	for content, want := range map[bool]bool{false: false, true: true} {
		receiver := otlptest.New(t, otlptest.Options{})
		cfg := configuration(t.TempDir())
		cfg.Mapping.Events, cfg.Mapping.Content = config.EventsLog, content
		s := start(t, cfg, overriding(receiver, otlptest.ProtocolGRPC))
		s.accepted(t, sample(t, "message_received.json"))
		awaitSignal(t, receiver, "logs", 1)
		if got := saysGoodMorning(receiver.LogRecords()); got != want {
			t.Errorf("content %v: the text left: %v", content, got)
		}
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
	}
}

func saysGoodMorning(records []*logspb.LogRecord) bool {
	return slices.ContainsFunc(records, func(r *logspb.LogRecord) bool { return strings.Contains(r.String(), "Buenos") })
}
