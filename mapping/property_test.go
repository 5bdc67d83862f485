package mapping_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"cdr2otel/mapping"
)

// spansOf lists the spans of a trace.
func spansOf(trace *mapping.Trace) []*tracepb.Span {
	return trace.Request.GetResourceSpans()[0].GetScopeSpans()[0].GetSpans()
}

// brokenRule returns what is wrong with a trace, whatever its input was: I4, and
// what back ends insist on. A late span's parent is outside.
func brokenRule(trace *mapping.Trace, outside ...mapping.SpanRef) error {
	type limits struct{ start, end uint64 }
	seen := make(map[string]limits)
	for _, parent := range outside {
		seen[string(parent.SpanID[:])] = limits{parent.Start, parent.End}
	}
	for i, span := range spansOf(trace) {
		name := fmt.Sprintf("span %d %q", i, span.GetName())
		if _, taken := seen[string(span.GetSpanId())]; taken {
			return fmt.Errorf("%s: its id is taken", name)
		}
		at := limits{span.GetStartTimeUnixNano(), span.GetEndTimeUnixNano()}
		parent, known := seen[string(span.GetParentSpanId())]
		switch {
		case i == 0 && len(outside) == 0:
			if len(span.GetParentSpanId()) != 0 {
				return fmt.Errorf("%s: the root has a parent", name)
			}
		case !known:
			return fmt.Errorf("%s: its parent does not exist, or comes after it", name)
		case at.start < parent.start || at.end > parent.end:
			return fmt.Errorf("%s: %v is outside of its parent %v", name, at, parent)
		}
		if at.end < at.start+uint64(time.Microsecond) {
			return fmt.Errorf("%s: shorter than a microsecond: %v", name, at)
		}
		if at.end > uint64(time.Date(2201, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()) {
			return fmt.Errorf("%s: ends beyond every plausible time: %v", name, at)
		}
		if !bytes.Equal(span.GetTraceId(), trace.TraceID[:]) {
			return fmt.Errorf("%s: of another trace", name)
		}
		for _, event := range span.GetEvents() {
			if t := event.GetTimeUnixNano(); t < at.start || t > at.end {
				return fmt.Errorf("%s: event %s at %d is outside of %v", name, event.GetName(), t, at)
			}
			if err := unsorted(event.GetAttributes()); err != nil {
				return fmt.Errorf("%s: event %s: %w", name, event.GetName(), err)
			}
		}
		if err := unsorted(span.GetAttributes()); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		seen[string(span.GetSpanId())] = at
	}
	for logID, ref := range trace.Turns {
		if at, known := seen[string(ref.SpanID[:])]; !known || at != (limits{ref.Start, ref.End}) {
			return fmt.Errorf("turn of log id %q is no span with these bounds", logID)
		}
	}
	if _, err := mapping.Encode(trace.Request); err != nil {
		return err
	}
	if strings.HasPrefix(spansOf(trace)[0].GetName(), "call ") {
		if err := brokenWaits(trace); err != nil {
			return err
		}
		return brokenMeasurements(trace)
	}
	return nil
}

// brokenWaits returns what is wrong with the waits of a call: none is negative, and
// together they are no longer than the call was answered.
func brokenWaits(trace *mapping.Trace) error {
	var answered, ended uint64
	for _, event := range spansOf(trace)[0].GetEvents() {
		switch event.GetName() {
		case "wxa.call.answered":
			answered = event.GetTimeUnixNano()
		case "wxa.call.ended":
			ended = event.GetTimeUnixNano()
		}
	}
	limit, limited := attribute(spansOf(trace)[0], "wxa.call.duration").(float64)
	if answered > 0 && ended > answered {
		limit, limited = float64(ended-answered)/1e9, true
	}
	sum := 0.0
	for _, span := range spansOf(trace) {
		wait, known := attribute(span, "wxa.turn.response.duration").(float64)
		if unexplained, ok := attribute(span, "wxa.turn.response.unexplained.duration").(float64); ok && (unexplained < 0 || unexplained > wait) {
			return fmt.Errorf("%s: %v s of a wait of %v s are unexplained", span.GetName(), unexplained, wait)
		}
		if known && wait < 0 {
			return fmt.Errorf("%s: a wait of %v s", span.GetName(), wait)
		}
		sum += wait
	}
	if limited && sum > limit+1e-6 {
		return fmt.Errorf("the waits add up to %v s of %v s", sum, limit)
	}
	return nil
}

// unsorted also finds keys that come twice.
func unsorted(attributes []*commonpb.KeyValue) error {
	for i := 1; i < len(attributes); i++ {
		if attributes[i-1].GetKey() >= attributes[i].GetKey() {
			return fmt.Errorf("attribute %s after %s", attributes[i].GetKey(), attributes[i-1].GetKey())
		}
	}
	return nil
}

func encoded(t testing.TB, trace *mapping.Trace) []byte {
	t.Helper()
	data, err := mapping.Encode(trace.Request)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestChildrenLieWithinParentsInEveryScenario(t *testing.T) {
	t.Parallel()
	for _, dir := range scenarios(t) {
		s := loadScenario(t, dir)
		traces := s.traces(t)
		for _, trace := range traces {
			var outside []mapping.SpanRef
			if parent := spansOf(trace)[0].GetParentSpanId(); len(parent) > 0 {
				outside = parentOf(t, parent, traces)
			}
			if err := brokenRule(trace, outside...); err != nil {
				t.Errorf("%s: %v", filepath.Base(dir), err)
			}
		}
	}
}

// parentOf finds the exported span that a late span hangs from.
func parentOf(t *testing.T, id []byte, traces []*mapping.Trace) []mapping.SpanRef {
	t.Helper()
	for _, trace := range traces {
		for _, span := range spansOf(trace) {
			if bytes.Equal(span.GetSpanId(), id) {
				return []mapping.SpanRef{{
					SpanID: mapping.SpanID(id), Start: span.GetStartTimeUnixNano(), End: span.GetEndTimeUnixNano(),
				}}
			}
		}
	}
	t.Fatal("a late span without a parent")
	return nil
}

func TestOrderAndDuplicatesOfMessagesDoNotChangeTheBytes(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for _, dir := range scenarios(t) {
		s := loadScenario(t, dir)
		in, isCall := s.call(t)
		if !isCall {
			in.Messages = s.messages(t, "message-*.json")
		}
		build := func(messages []mapping.MessageInput) []byte {
			if isCall {
				in.Messages = messages
				return encoded(t, s.mapper.Call(in))
			}
			return encoded(t, s.mapper.Conversation(mapping.ConversationInput{Messages: messages}))
		}
		messages := in.Messages
		want := build(messages)
		for range 6 {
			shuffled := append(slices.Clone(messages), messages...)
			random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			if got := build(shuffled); !bytes.Equal(want, got) {
				t.Fatalf("%s: other bytes", filepath.Base(dir))
			}
		}
	}
}

func TestMessagesOfOneLogIDCountAsTheyWereFirstReceived(t *testing.T) {
	t.Parallel()
	s := loadScenario(t, "testdata/two-turns-share-one-log-id")
	in, _ := s.call(t)
	conflict := in.Messages[0]
	other := *conflict.Message
	other.Channel = "Fax"
	conflict.Message = &other
	conflict.ContentHash[0]++
	conflict.ReceivedAt = conflict.ReceivedAt.Add(time.Second)
	want := encoded(t, s.mapper.Call(in))
	for _, messages := range [][]mapping.MessageInput{{in.Messages[0], conflict}, {conflict, in.Messages[0]}} {
		in.Messages = messages
		if !bytes.Equal(want, encoded(t, s.mapper.Call(in))) {
			t.Error("the message received later was used")
		}
	}
}

// spoil changes values of a payload at random: each becomes null, absent,
// another type, a hostile number, a sentinel or far time.
func spoil(random *rand.Rand, value any) any {
	if random.IntN(12) == 0 {
		hostile := []any{
			nil, "", 0, -1, 1e300, -1e300, 0.5, true, []any{}, map[string]any{}, "x/y%", "\u0000\ufffd",
			"1970-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", "0001-01-01T00:00:00Z",
			"2021-10-12T20:54:01.000Z", "2021-10-11T20:54:01.000Z", "2021-10-13T20:53:59.999Z",
			"2262-04-11T23:47:16.854775807Z", "1969-12-31T23:59:59Z", "2021-10-12T20:54:14.338000001Z",
			86400000, 86400001, "86400000", strings.Repeat("é", 3000),
		}
		return hostile[random.IntN(len(hostile))]
	}
	switch value := value.(type) {
	case map[string]any:
		spoiled := make(map[string]any, len(value))
		for _, key := range slices.Sorted(mapKeys(value)) {
			if random.IntN(25) > 0 {
				spoiled[key] = spoil(random, value[key])
			}
		}
		return spoiled
	case []any:
		var spoiled []any
		for _, element := range value {
			for range max(1, random.IntN(10)-7) {
				spoiled = append(spoiled, spoil(random, element))
			}
		}
		return spoiled
	}
	return value
}

func mapKeys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for key := range m {
			if !yield(key) {
				return
			}
		}
	}
}

func TestRulesHoldForSpoiledInput(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	cdrs, messages := samples(t, "cdr.json"), samples(t, "message-*.json")
	mappers := []*mapping.Mapper{defaultMapper(t), logMapper(t)}
	for i := range 150 {
		mapper := mappers[i%len(mappers)]
		cdr := spoiledBytes(t, random, cdrs[random.IntN(len(cdrs))])
		message := spoiledBytes(t, random, messages[random.IntN(len(messages))])
		if err := mapEverything(mapper, cdr, message, random.IntN(2) == 0); err != nil {
			t.Fatalf("round %d: %v\n%s\n%s", i, err, cdr, message)
		}
	}
}

func spoiledBytes(t *testing.T, random *rand.Rand, payload []byte) []byte {
	t.Helper()
	var value map[string]any
	if err := json.Unmarshal(payload, &value); err != nil {
		t.Fatal(err)
	}
	spoiled, isObject := spoil(random, value).(map[string]any)
	if !isObject {
		spoiled = map[string]any{}
	}
	data, err := json.Marshal(spoiled)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// mapEverything maps a CDR and a message in every way they can meet, and returns
// the first broken rule. Payloads that don't decode are none of the mapping's.
func mapEverything(mapper *mapping.Mapper, cdrPayload, messagePayload []byte, received bool) error {
	cdr, err := mapping.DecodeCDR(cdrPayload)
	if err != nil {
		return nil
	}
	message, err := mapping.DecodeMessage(messagePayload)
	if err != nil {
		return nil
	}
	in := mapping.CallInput{CDR: cdr, ContentHash: [32]byte{1}}
	logged := mapping.MessageInput{Message: message, ContentHash: [32]byte{2}}
	if received {
		in.ReceivedAt = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		logged.ReceivedAt = in.ReceivedAt
	}
	alone := mapper.Call(in)
	if err := brokenRule(alone); err != nil {
		return fmt.Errorf("call without messages: %w", err)
	}
	in.Messages = []mapping.MessageInput{logged, logged}
	in.Owns = func(logID string) bool { return len(logID)%2 == 0 }
	in.Observations = observed(messagePayload, in.ReceivedAt)
	call := mapper.Call(in)
	if err := brokenRule(call); err != nil {
		return fmt.Errorf("call: %w", err)
	}
	if err := brokenRecords(call.Logs, call.TraceID, spansOf(call)); err != nil {
		return fmt.Errorf("records of the call: %w", err)
	}
	late := mapping.LateInput{MessageInput: logged, Parent: alone.Root, CallID: "call"}
	for _, parent := range alone.Turns {
		if err := brokenRule(mapper.Late(late), late.Parent); err != nil {
			return fmt.Errorf("late: %w", err)
		}
		late.Parent, late.Named = parent, true
	}
	if err := brokenRule(mapper.Late(late), late.Parent); err != nil {
		return fmt.Errorf("late: %w", err)
	}
	if err := brokenMessage(mapper.Message(logged, nil)); err != nil {
		return fmt.Errorf("message: %w", err)
	}
	if err := recordEverything(mapper, alone, logged); err != nil {
		return fmt.Errorf("records: %w", err)
	}
	unnamed := *message
	unnamed.LogID = ""
	segment := []mapping.MessageInput{logged, {Message: &unnamed, ContentHash: [32]byte{3}}}
	if err := brokenRule(mapper.Conversation(mapping.ConversationInput{
		Messages: segment, Observations: in.Observations,
	})); err != nil {
		return fmt.Errorf("conversation: %w", err)
	}
	return nil
}

func defaultMapper(t testing.TB) *mapping.Mapper {
	t.Helper()
	mapper, err := mapping.New(mapping.Config{Source: "default", UpstreamLink: "traceparent"})
	if err != nil {
		t.Fatal(err)
	}
	return mapper
}

// samples are the payloads of all scenarios.
func samples(t testing.TB, pattern string) [][]byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", "*-*", pattern))
	if err != nil || len(names) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	var payloads [][]byte
	for _, name := range names {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var envelope struct{ Payload json.RawMessage }
		if err := json.Unmarshal(body, &envelope); err != nil {
			t.Fatal(err)
		}
		payloads = append(payloads, envelope.Payload)
	}
	return payloads
}

func FuzzCall(f *testing.F) {
	cdrs, messages := samples(f, "cdr.json"), samples(f, "message-*.json")
	for i, cdr := range cdrs {
		f.Add([]byte(cdr), []byte(messages[i%len(messages)]))
	}
	mappers := []*mapping.Mapper{defaultMapper(f), logMapper(f)}
	f.Fuzz(func(t *testing.T, cdr, message []byte) {
		for _, received := range []bool{false, true} {
			for _, mapper := range mappers {
				if err := mapEverything(mapper, cdr, message, received); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

func TestAnomaliesAreCounted(t *testing.T) {
	t.Parallel()
	for dir, want := range map[string]map[string]int{
		"a-caller-uses-the-keypad-and-barges-in":  nil,
		"an-older-schema-has-no-assistant-starts": {"sentinel_time": 5},
		"one-timestamp-lies-in-9999":              {"wrong_type": 2},
		"one-timestamp-is-ten-years-off":          {"implausible_time": 1},
		"two-turns-share-one-log-id":              {"duplicate_log_id": 1},
		"a-message-is-delivered-twice":            {"duplicate_message": 1},
		"negative-durations-and-negative-loss": {
			"implausible_duration": 5, "implausible_number": 2, "negative_loss": 1,
		},
	} {
		traces := loadScenario(t, filepath.Join("testdata", dir)).traces(t)
		if diff := cmp.Diff(want, traces[0].Anomalies); diff != "" {
			t.Errorf("%s (-want +got):\n%s", dir, diff)
		}
	}
}
