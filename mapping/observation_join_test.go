package mapping_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cdr2otel/mapping"
)

func counted(n float64) mapping.Number { return mapping.Number{Value: n, Valid: true} }

// chat is a session of messages with these turn counts: before each, and with it.
func chat(counts ...[2]mapping.Number) (messages []mapping.MessageInput) {
	begin := time.Date(2025, 2, 11, 9, 0, 0, 0, time.UTC)
	for i, count := range counts {
		at := begin.Add(time.Duration(i) * time.Minute)
		messages = append(messages, mapping.MessageInput{ReceivedAt: at, Message: &mapping.Message{
			LogID: string(rune('a' + i)), SessionID: "session", TurnsBefore: count[0], TurnCount: count[1],
			RequestAt: mapping.Instant{Time: at}, ResponseAt: mapping.Instant{Time: at.Add(time.Second)},
		}})
	}
	return messages
}

// seenOn lists the observations' events by the number of the turn they are on, 0 for
// the root.
func seenOn(trace *mapping.Trace) map[int64][]string {
	seen := make(map[int64][]string)
	for _, span := range spansOf(trace) {
		number, _ := attribute(span, "wxa.turn.number").(int64)
		for _, event := range span.GetEvents() {
			if observation(event.GetName()) {
				seen[number] = append(seen[number], event.GetName())
			}
		}
	}
	return seen
}

func TestObservationsAreJoinedByTheCountOfTheirOwnSide(t *testing.T) {
	t.Parallel()
	const received, processed = mapping.ObservedReceived, mapping.ObservedProcessed
	none := mapping.Number{}
	for name, test := range map[string]struct {
		messages []mapping.MessageInput
		seen     string
		count    mapping.Number
		want     map[int64][]string
		left     bool
	}{
		"the request's count is that before the turn": {chat([2]mapping.Number{counted(0), counted(1)}, [2]mapping.Number{counted(1), counted(2)}), received, counted(1), map[int64][]string{2: {"wxa.message.received"}}, false},
		"the answer's count is that of the turn":      {chat([2]mapping.Number{counted(0), counted(1)}, [2]mapping.Number{counted(1), counted(2)}), processed, counted(1), map[int64][]string{1: {"wxa.message.processed"}}, false},
		"a request that counts its own turn":          {chat([2]mapping.Number{counted(1), counted(1)}, [2]mapping.Number{counted(2), counted(2)}), received, counted(1), map[int64][]string{1: {"wxa.message.received"}}, false},
		"a message without the request's count":       {chat([2]mapping.Number{none, counted(1)}, [2]mapping.Number{none, counted(2)}), received, counted(1), map[int64][]string{2: {"wxa.message.received"}}, false},
		"a first request has no count":                {chat([2]mapping.Number{none, counted(1)}), received, none, map[int64][]string{1: {"wxa.message.received"}}, false},
		"an answer without a count":                   {chat([2]mapping.Number{counted(0), counted(1)}), processed, none, map[int64][]string{0: {"wxa.message.processed"}}, false},
		"of two messages with one count the first":    {chat([2]mapping.Number{counted(0), counted(1)}, [2]mapping.Number{counted(0), counted(1)}), processed, counted(1), map[int64][]string{1: {"wxa.message.processed"}}, false},
		"a turn whose message never came":             {chat([2]mapping.Number{counted(0), counted(1)}, [2]mapping.Number{counted(2), counted(3)}), processed, counted(2), map[int64][]string{0: {"wxa.message.processed"}}, false},
		"a turn beyond the segment":                   {chat([2]mapping.Number{counted(0), counted(1)}), received, counted(1), map[int64][]string{}, true},
		"messages without any count":                  {chat([2]mapping.Number{none, none}), processed, counted(1), map[int64][]string{0: {"wxa.message.processed"}}, false},
		"a count that no session has":                 {chat([2]mapping.Number{counted(0), counted(1)}), processed, counted(1e18), map[int64][]string{0: {"wxa.message.processed"}}, false},
		"a negative count":                            {chat([2]mapping.Number{counted(0), counted(1)}), received, counted(-1), map[int64][]string{0: {"wxa.message.received"}}, false},
	} {
		trace := defaultMapper(t).Conversation(mapping.ConversationInput{
			Messages: test.messages,
			Observations: []mapping.ObservationInput{{
				Observation: &mapping.Observation{Name: test.seen, SessionID: "session", TurnCount: test.count},
				ReceivedAt:  test.messages[0].ReceivedAt,
			}},
		})
		if diff := cmp.Diff(test.want, seenOn(trace)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if left := len(trace.Observed) == 0; left != test.left {
			t.Errorf("%s: left for later: %t, want %t", name, left, test.left)
		}
	}
}

func TestWhatWasReceivedComesBeforeWhatWasProcessedAtTheSameInstant(t *testing.T) {
	t.Parallel()
	messages := chat([2]mapping.Number{counted(0), counted(1)})
	var observations []mapping.ObservationInput
	for _, name := range []string{mapping.ObservedProcessed, mapping.ObservedReceived} {
		observations = append(observations, mapping.ObservationInput{
			Observation: &mapping.Observation{Name: name, SessionID: "session", TurnCount: messages[0].Message.TurnCount},
			ReceivedAt:  messages[0].ReceivedAt,
		})
	}
	observations[1].Observation.TurnCount = counted(0)
	trace := defaultMapper(t).Conversation(mapping.ConversationInput{Messages: messages, Observations: observations})
	want := map[int64][]string{1: {"wxa.message.received", "wxa.message.processed"}}
	if diff := cmp.Diff(want, seenOn(trace)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
