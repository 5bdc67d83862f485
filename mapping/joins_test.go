package mapping_test

import (
	"path/filepath"
	"testing"

	"cdr2otel/mapping"
)

func TestScenariosSayHowTheirMessagesFoundTheirTurns(t *testing.T) {
	t.Parallel()
	for dir, want := range map[string]mapping.Joins{
		"a-caller-speaks-and-an-extension-fails":             {Joined: 6},
		"a-message-is-delivered-twice":                       {Joined: 3},
		"no-turn-names-the-message":                          {Joined: 1, Unnamed: 1, Missing: 2},
		"a-generated-answer-is-spoken-and-a-message-is-lost": {Joined: 5, Missing: 1, Gaps: 1},
		"an-earlier-call-owns-the-log-id":                    {Missing: 2},
		"an-outbound-call-without-rtcp":                      {},
	} {
		s := loadScenario(t, filepath.Join("testdata", dir))
		in, _ := s.call(t)
		if got := s.mapper.Call(in).Joins; got != want {
			t.Errorf("%s: %+v, want %+v", dir, got, want)
		}
	}
}

func TestHolesInTurnCountAreMessagesThatNeverCame(t *testing.T) {
	t.Parallel()
	const one, two = "session-1", "session-2"
	type logged struct {
		session string
		count   float64 // 0: it has none
	}
	for name, test := range map[string]struct {
		logged   []logged
		foreign  int // turns whose log id another call owns
		orphaned bool
		want     int
	}{
		"none came":                       {nil, 0, false, 0},
		"all came, in another order":      {[]logged{{one, 3}, {one, 1}, {one, 2}}, 0, false, 0},
		"one is lost":                     {[]logged{{one, 1}, {one, 3}}, 0, false, 1},
		"the first two are lost":          {[]logged{{one, 3}}, 0, false, 2},
		"they left with a conversation":   {[]logged{{one, 3}, {one, 5}}, 0, true, 1},
		"each session counts from one":    {[]logged{{one, 1}, {two, 1}, {two, 3}, {one, 4}}, 0, false, 3},
		"a turn that was asked twice":     {[]logged{{one, 1}, {one, 2}, {one, 2}, {one, 3}}, 0, false, 0},
		"a missing count is no gap":       {[]logged{{one, 1}, {one, 0}, {one, 3}}, 0, false, 0},
		"missing counts are not negative": {[]logged{{one, 1}, {one, 0}, {one, 0}}, 0, false, 0},
		"a count that no call has":        {[]logged{{one, 1}, {one, 1e15}}, 0, false, 0},
		"no session":                      {[]logged{{"", 1}, {"", 3}}, 0, false, 0},
		"another call has the message":    {[]logged{{one, 1}, {one, 4}}, 1, false, 1},
	} {
		in := mapping.CallInput{CDR: &mapping.CDR{Summaries: []mapping.Summary{{SessionID: one}}}}
		in.Owns = func(string) bool { return false }
		for i := range test.foreign {
			in.CDR.Summaries[0].Turns = append(in.CDR.Summaries[0].Turns, mapping.Turn{
				Assistant: &mapping.AssistantStep{LogID: string(rune('a' + i))},
			})
		}
		for i, l := range test.logged {
			message := &mapping.Message{SessionID: l.session}
			if l.count > 0 {
				message.TurnCount = mapping.Number{Value: l.count, Valid: true}
			}
			in.Messages = append(in.Messages, mapping.MessageInput{Message: message, ContentHash: [32]byte{byte(i)}})
		}
		if test.orphaned {
			in.Orphaned = []mapping.SpanRef{{TraceID: mapping.TraceID{1}, SpanID: mapping.SpanID{1}, Start: 1, End: 2}}
		}
		if got := defaultMapper(t).Call(in).Joins.Gaps; got != test.want {
			t.Errorf("%s: %d gaps, want %d", name, got, test.want)
		}
	}
}
