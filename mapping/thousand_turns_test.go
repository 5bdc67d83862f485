package mapping_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cdr2otel/mapping"
)

// A session of a thousand turns leaves in segments of as many messages as the store
// closes one at.
const (
	thousand     = 1000
	segmentTurns = 200
)

// longSession is one web chat of a thousand messages, made of a sample, a message
// every four seconds.
func longSession(t testing.TB) []mapping.MessageInput {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", "a-web-chat-is-a-conversation", "message-2.json"))
	if err != nil {
		t.Fatal(err)
	}
	var sample struct{ Payload map[string]any }
	if err := json.Unmarshal(body, &sample); err != nil {
		t.Fatal(err)
	}
	side := func(name string) map[string]any {
		context := sample.Payload[name].(map[string]any)["context"].(map[string]any)
		return context["global"].(map[string]any)["system"].(map[string]any)
	}
	begin := time.Date(2025, 2, 11, 9, 0, 0, 0, time.UTC)
	messages := make([]mapping.MessageInput, thousand)
	for i := range messages {
		at := begin.Add(time.Duration(i) * 4 * time.Second)
		sample.Payload["log_id"] = fmt.Sprintf("00000000-0000-4000-8000-%012d", i+1)
		sample.Payload["request_timestamp"] = at.Format(time.RFC3339Nano)
		sample.Payload["response_timestamp"] = at.Add(time.Second).Format(time.RFC3339Nano)
		side("request")["turn_count"], side("response")["turn_count"] = i, i+1
		payload, err := json.Marshal(sample.Payload)
		if err != nil {
			t.Fatal(err)
		}
		message, err := mapping.DecodeMessage(payload)
		if err != nil {
			t.Fatal(err)
		}
		messages[i] = mapping.MessageInput{Message: message, ContentHash: sha256.Sum256(payload), ReceivedAt: at.Add(2 * time.Second)}
	}
	return messages
}

// outline is a segment as lines: its root, its first two turns and its last, and the
// digest of all bytes.
func outline(t *testing.T, trace *mapping.Trace) string {
	t.Helper()
	var b strings.Builder
	spans := spansOf(trace)
	fmt.Fprintf(&b, "trace %v, %d spans, %d bytes, sha256 %x\n",
		trace.TraceID, len(spans), len(encoded(t, trace)), sha256.Sum256(encoded(t, trace)))
	for i, span := range spans {
		if i == 5 {
			fmt.Fprintf(&b, "  … %d spans\n", len(spans)-7)
		}
		if i >= 5 && i < len(spans)-2 {
			continue
		}
		depth := 0
		if len(span.GetParentSpanId()) > 0 {
			depth = 1 + (i+1)%2
		}
		fmt.Fprintf(&b, "%s%s %x %s", strings.Repeat("  ", depth), span.GetName(), span.GetSpanId(),
			time.Unix(0, int64(span.GetStartTimeUnixNano())).UTC().Format(time.RFC3339))
		for _, event := range span.GetEvents() {
			fmt.Fprintf(&b, " %s", event.GetName())
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestAThousandTurnsLeaveAsFiveSegments(t *testing.T) {
	t.Parallel()
	messages, mapper := longSession(t), defaultMapper(t)
	var observations []mapping.ObservationInput
	for i, message := range messages {
		observations = append(observations, mapping.ObservationInput{ReceivedAt: message.ReceivedAt, Observation: &mapping.Observation{
			Name: mapping.ObservedReceived, SessionID: message.Message.SessionID, TurnCount: mapping.Number{Value: float64(i), Valid: true},
		}})
	}
	var got strings.Builder
	ids, seen := make(map[string]bool), make(map[string]bool)
	var trace mapping.TraceID
	for n := 0; n < thousand; n += segmentTurns {
		segment := mapper.Conversation(mapping.ConversationInput{Messages: messages[n : n+segmentTurns], Observations: observations[n:]})
		if err := brokenRule(segment); err != nil {
			t.Error(err)
		}
		if n > 0 && segment.TraceID != trace {
			t.Error("the segments of a session are in two traces")
		}
		trace = segment.TraceID
		for _, span := range spansOf(segment) {
			if ids[string(span.GetSpanId())] {
				t.Errorf("span id %x comes twice", span.GetSpanId())
			}
			ids[string(span.GetSpanId())] = true
		}
		for logID := range segment.Turns {
			seen[logID] = true
		}
		if len(segment.Observed) != segmentTurns || segment.Observed[segmentTurns-1] != segmentTurns-1 {
			t.Errorf("a segment of %d turns took %d observations", segmentTurns, len(segment.Observed))
		}
		if size := len(encoded(t, segment)); size > mapping.MaxRequest {
			t.Errorf("a segment of %d bytes", size)
		}
		got.WriteString(outline(t, segment))
	}
	if len(seen) != thousand {
		t.Errorf("%d messages left, want %d", len(seen), thousand)
	}
	golden := filepath.Join("testdata", "thousand.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	again := mapper.Conversation(mapping.ConversationInput{Messages: messages[:segmentTurns], Observations: observations})
	if !bytes.Contains([]byte(got.String()), fmt.Appendf(nil, "sha256 %x", sha256.Sum256(encoded(t, again)))) {
		t.Error("the first segment has other bytes when it is made again")
	}
}

// What one message costs does not grow with the session. (testing.AllocsPerRun counts
// those of other tests too, so this test is not parallel.)
func TestWhatAMessageCostsDoesNotGrowWithTheSession(t *testing.T) {
	messages, mapper := longSession(t), defaultMapper(t)
	perMessage := func(segment []mapping.MessageInput) float64 {
		return testing.AllocsPerRun(5, func() {
			mapper.Conversation(mapping.ConversationInput{Messages: segment})
		}) / float64(len(segment))
	}
	small, first, last := perMessage(messages[:20]), perMessage(messages[:segmentTurns]), perMessage(messages[thousand-segmentTurns:])
	if first > small || last > 1.05*first {
		t.Errorf("allocations a message: %.1f of 20, %.1f of the first %d, %.1f of the last", small, first, segmentTurns, last)
	}
}

func TestThousandsOfTurnsAreMapped(t *testing.T) {
	t.Parallel()
	cdr := &mapping.CDR{Summaries: []mapping.Summary{{}}}
	for range 4096 {
		cdr.Summaries[0].Turns = append(cdr.Summaries[0].Turns, mapping.Turn{
			Assistant: &mapping.AssistantStep{LogID: "same", ResponseMilliseconds: mapping.Number{Value: 8.64e7, Valid: true}},
			Response:  []mapping.TurnResponse{{Type: "text_to_speech", Streaming: &mapping.Streaming{}}},
		})
	}
	trace := defaultMapper(t).Call(mapping.CallInput{CDR: cdr})
	if err := brokenRule(trace); err != nil {
		t.Error(err)
	}
	if got := trace.Anomalies["duplicate_log_id"]; got != 4095 {
		t.Errorf("duplicate_log_id = %d, want 4095", got)
	}
}
