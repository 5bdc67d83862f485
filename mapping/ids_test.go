package mapping

import (
	"fmt"
	"strings"
	"testing"
)

// The vectors of docs/mapping, which outside systems compute ids against.
func TestTheDocumentedTestVectorsHold(t *testing.T) {
	t.Parallel()
	const call = "9caa8bad-aaa8-4a5a-a4b5-62bccc703d15"
	first := NewTraceID("default", SeedSIPCallID, "17465345_115257202@10.90.150.99")
	turn := TurnPath("58bebfd1-0118-419b-a555-b152a1efbbe8")
	for _, v := range []struct {
		name string
		got  fmt.Stringer
		want string
	}{
		{"trace by Call-ID", first, "4eae7c9761713ed777ee4e9598579fac"},
		{"trace of another source", NewTraceID("acme", SeedSIPCallID, "17465345_115257202@10.90.150.99"), "95ffa8b2031459ea13afbd950a09b5fb"},
		{"trace by global_session_id", NewTraceID("default", SeedGlobalSessionID, call), "6f54c4516614fabb2c795d385dacc44e"},
		{"trace by session_id", NewTraceID("default", SeedSessionID, "7874ec3a-1330-4180-afe1-46bfb220af5b"), "557504f5ce6660eb8d07f10a3e17b29d"},
		{"call", first.Span(CallPath(call)), "356d6e49b404ee21"},
		{"call setup", first.Span(SetupPath(call)), "ffea05bbbc4db841"},
		{"turn", first.Span(turn), "c37e38e5ee80dc65"},
		{"invoke_agent", first.Span(AssistantPath(turn)), "9db111f3ebff1e73"},
		{"first response", first.Span(ResponsePath(turn, 0)), "ca27ef33d7d6dfbe"},
		{"fourth response", first.Span(ResponsePath(TurnPath("38f36bfb-c2aa-4600-9418-6ab422664e31"), 3)), "76427f01f22c31c3"},
	} {
		if v.got.String() != v.want {
			t.Errorf("%s: got %s, want %s", v.name, v.got, v.want)
		}
	}
}

func TestTheDocumentedPathsAreSpelledAsDocumented(t *testing.T) {
	t.Parallel()
	conversation := ConversationPath("s", "first")
	for _, p := range []struct{ got, want string }{
		{CallPath("g"), "call/g"},
		{SetupPath("g"), "call/g/setup"},
		{TurnPath("l"), "turn/l"},
		{IndexedTurnPath("g", 1, 12), "call/g/turn/1/12"},
		{SpeechPath(TurnPath("l")), "turn/l/speech_to_text"},
		{AssistantPath(IndexedTurnPath("g", 0, 2)), "call/g/turn/0/2/assistant"},
		{ResponsePath(TurnPath("l"), 3), "turn/l/response/3"},
		{conversation, "conversation/s/first"},
		{ConversationTurnPath(conversation, "l"), "conversation/s/first/turn/l"},
		{AssistantPath(ConversationTurnPath(conversation, "l")), "conversation/s/first/turn/l/assistant"},
		{LatePath(TurnPath("l"), "m"), "turn/l/assistant/late/m"},
		{UnnamedMessagePath("g", "m"), "call/g/message/m"},
	} {
		if p.got != p.want {
			t.Errorf("got %s, want %s", p.got, p.want)
		}
	}
}

func TestIdsThatContainSeparatorsDoNotShareAPath(t *testing.T) {
	t.Parallel()
	for _, p := range [][2]string{
		{TurnPath("a/assistant"), AssistantPath(TurnPath("a"))},
		{CallPath("g/setup"), SetupPath("g")},
		{TurnPath("a%2Fb"), TurnPath("a/b")},
		{ConversationPath("a/b", "c"), ConversationPath("a", "b/c")},
	} {
		if p[0] == p[1] {
			t.Errorf("two spans share the path %s", p[0])
		}
	}
}

func TestTheSeedIsTheFirstIdThatIsThere(t *testing.T) {
	t.Parallel()
	hash := [32]byte{0xAB}
	full := Identity{SIPCallID: "c", GlobalSessionID: "g", SessionIDs: []string{"s", "s2"}}
	noCallID, sessionOnly := full, Identity{SessionIDs: full.SessionIDs}
	noCallID.SIPCallID = ""
	hex := "ab" + strings.Repeat("00", 31)
	for _, c := range []struct {
		name             string
		id               Identity
		kind, seed, call string
	}{
		{"all ids", full, SeedSIPCallID, "c", "g"},
		{"only a Call-ID", Identity{SIPCallID: "c"}, SeedSIPCallID, "c", "c"},
		{"no Call-ID", noCallID, SeedGlobalSessionID, "g", "g"},
		{"only sessions", sessionOnly, SeedSessionID, "s", hex},
		{"nothing", Identity{}, SeedContentHash, hex, hex},
	} {
		kind, seed := Seed(c.id, hash)
		if kind != c.kind || seed != c.seed {
			t.Errorf("%s: seed %s %s, want %s %s", c.name, kind, seed, c.kind, c.seed)
		}
		if call := CallID(c.id, hash); call != c.call {
			t.Errorf("%s: call id %s, want %s", c.name, call, c.call)
		}
	}
}
