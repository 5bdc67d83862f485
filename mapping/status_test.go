package mapping_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"cdr2otel/mapping"
)

func TestHowACallEnded(t *testing.T) {
	t.Parallel()
	turn := func(request string, responses ...string) mapping.Turn {
		turn := mapping.Turn{Request: mapping.TurnRequest{Type: request}}
		for _, response := range responses {
			turn.Response = append(turn.Response, mapping.TurnResponse{Type: response})
		}
		return turn
	}
	for name, test := range map[string]struct {
		endReason string
		failure   bool
		turns     []mapping.Turn
		result    string
		errorType any
	}{
		"hung up":                    {"caller_hangup", false, nil, "completed", nil},
		"an older schema":            {"callerHangup", false, nil, "completed", nil},
		"failed":                     {"failed", false, nil, "failed", "call_failed"},
		"a failure and no reason":    {"", true, nil, "failed", "call_failed"},
		"a failure that was handled": {"assistant_hangup", true, nil, "completed", nil},
		"transferred":                {"assistant_transfer", false, []mapping.Turn{turn("dtmf", "transfer")}, "transferred", nil},
		"transfer failed":            {"assistant_transfer", false, []mapping.Turn{turn("dtmf", "transfer"), turn("transfer_failed")}, "completed", nil},
		"failed, then transferred": {
			"assistant_transfer", false,
			[]mapping.Turn{turn("dtmf", "transfer"), turn("transfer_failed", "transfer")}, "transferred", nil,
		},
	} {
		cdr := &mapping.CDR{FailureOccurred: test.failure, Summaries: []mapping.Summary{{Turns: test.turns}}}
		cdr.Call.EndReason = test.endReason
		root := spansOf(defaultMapper(t).Call(mapping.CallInput{CDR: cdr}))[0]
		if diff := cmp.Diff([]any{test.result, test.errorType}, []any{attribute(root, "wxa.call.result"), attribute(root, "error.type")}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if failed := root.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR; failed != (test.errorType != nil) {
			t.Errorf("%s: status %v", name, root.GetStatus())
		}
	}
}
