package exporter_test

import (
	"testing"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc/codes"

	"cdr2otel/internal/otlptest"
)

func TestDeadLettersOfOneReasonAreRetriedTogether(t *testing.T) {
	t.Parallel()
	receiver := otlptest.New(t, otlptest.Options{Answer: func(_ int, q *coltracepb.ExportTraceServiceRequest) otlptest.Answer {
		if len((otlptest.Request{Traces: q}).Spans()) < 12 {
			return otlptest.Answer{Code: codes.InvalidArgument}
		}
		return otlptest.Answer{}
	}})
	s := start(t, configuration(t.TempDir()), overriding(receiver, otlptest.ProtocolGRPC))
	s.accepted(t, sample(t, "failed_without_turns.cdr.json"))
	awaitRequests(t, receiver, 1)
	for _, body := range recentCall(t, "dtmf_call") {
		s.accepted(t, body)
	}
	awaitRequests(t, receiver, 3)
	long := recentCall(t, "speech_call")
	for _, body := range long { // goes through
		s.accepted(t, body)
	}
	s.awaitReadiness(t, func(_ int, r readiness) bool {
		return r.Events["dead"] == 5 && r.Events["exported"] == int64(len(long))
	})

	if n, err := s.RetryDeadLetters(t.Context(), "too_large"); n != 0 || err != nil {
		t.Errorf("%d events of another reason were retried, %v", n, err)
	}
	receiver.SetAnswer(nil)
	if n, err := s.RetryDeadLetters(t.Context(), "invalid"); n != 5 || err != nil {
		t.Errorf("%d events were retried, want 5; %v", n, err)
	}
	s.awaitReadiness(t, func(_ int, r readiness) bool { return r.Events["exported"] == int64(len(long))+5 })
}
