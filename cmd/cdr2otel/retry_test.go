package main

import (
	"context"
	"strings"
	"testing"
	"time"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc/codes"

	"cdr2otel/internal/otlptest"
)

func TestRetryListsTheReasonsAndThenSendsTheDeadLettersOfOneAgain(t *testing.T) {
	t.Parallel()
	refused := func(q *coltracepb.ExportTraceServiceRequest) bool {
		return strings.Contains(q.String(), "17465345_115257202")
	}
	receiver := otlptest.New(t, otlptest.Options{Answer: func(_ int, q *coltracepb.ExportTraceServiceRequest) otlptest.Answer {
		if refused(q) {
			return otlptest.Answer{Code: codes.InvalidArgument}
		}
		return otlptest.Answer{}
	}})
	f := &forgetting{t: t}
	f.start("", "OTEL_EXPORTER_OTLP_ENDPOINT="+receiver.GRPCEndpoint(), "OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_METRICS_EXPORTER=none")
	defer f.stop()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	attempts := func(want int) {
		t.Helper()
		if err := receiver.Wait(ctx, func(rs []otlptest.Request) bool {
			n := 0
			for _, r := range rs {
				if refused(r.Traces) {
					n++
				}
			}
			return n >= want
		}); err != nil {
			t.Fatal(err)
		}
	}
	f.post("dtmf_call.cdr.json")
	attempts(1)
	f.post("failed_without_turns.cdr.json") // goes through, so that the other is refused for good
	f.process.await("is a dead letter")     // it is about to be written down
	code, stdout, stderr := command(t, "", "retry", "--config", f.config)
	for code == 0 && stdout == "" && ctx.Err() == nil {
		code, stdout, stderr = command(t, "", "retry", "--config", f.config)
	}
	if code != 0 || stdout != "invalid 1\n" || stderr != "" {
		t.Errorf("the list: exit %d\n%s%s", code, stdout, stderr)
	}
	code, stdout, stderr = command(t, "", "retry", "--config", f.config, "--source", "nowhere")
	if code != 0 || stdout != "" || stderr != "there are no dead letters that can be retried together\n" {
		t.Errorf("of another source: exit %d\n%s%s", code, stdout, stderr)
	}
	code, stdout, stderr = command(t, "", "retry", "--config", f.config, "--reason", "conflict")
	if code != 1 || stdout != "" || stderr != "cdr2otel: dead letters of reason \"conflict\" can't be retried together; reasons that can: encoding, failing, invalid, too_large\n" {
		t.Errorf("a reason that can't be: exit %d\n%s%s", code, stdout, stderr)
	}
	code, stdout, stderr = command(t, "", "retry", "--config", f.config, "--reason", "invalid", "--source", "nowhere")
	if code != 0 || stdout != "0 dead letters of reason invalid retried\n" || stderr != "" {
		t.Errorf("another source: exit %d\n%s%s", code, stdout, stderr)
	}
	receiver.SetAnswer(nil)
	code, stdout, stderr = command(t, "", "retry", "--config", f.config, "--reason", "invalid")
	if code != 0 || stdout != "1 dead letter of reason invalid retried\n" || stderr != "" {
		t.Errorf("the retry: exit %d\n%s%s", code, stdout, stderr)
	}
	attempts(3)
	code, stdout, stderr = command(t, "", "retry", "--config", f.config)
	if code != 0 || stdout != "" || stderr != "there are no dead letters that can be retried together\n" {
		t.Errorf("afterwards: exit %d\n%s%s", code, stdout, stderr)
	}
}
