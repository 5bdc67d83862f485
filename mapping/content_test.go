package mapping_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"cdr2otel/mapping"
)

const (
	inputMessages  = "gen_ai.input.messages"
	outputMessages = "gen_ai.output.messages"
)

// contentMapper lets content leave, with the given rules.
func contentMapper(t testing.TB, rules ...mapping.Redaction) *mapping.Mapper {
	t.Helper()
	mapper, err := mapping.New(mapping.Config{Source: "default", UpstreamLink: "traceparent", Content: true, Redact: rules})
	if err != nil {
		t.Fatal(err)
	}
	return mapper
}

// chatMessage is what the GenAI conventions make of one message.
type chatMessage struct {
	Role  string `json:"role"`
	Parts []struct {
		Type    string `json:"type"`
		Content string `json:"content"`
	} `json:"parts"`
}

// parsed reads the value of one of the two attributes, strictly.
func parsed(t testing.TB, key, value string) (texts []string) {
	t.Helper()
	var messages []chatMessage
	decoder := json.NewDecoder(strings.NewReader(value))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&messages); err != nil || !utf8.ValidString(value) {
		t.Fatalf("%s is no JSON of messages: %v: %.300q", key, err, value)
	}
	want := chatMessage{Role: "user"}
	if key == outputMessages {
		want = chatMessage{Role: "assistant"}
	}
	if len(messages) != 1 || messages[0].Role != want.Role {
		t.Fatalf("%s is not one message of the %s: %.300s", key, want.Role, value)
	}
	for _, part := range messages[0].Parts {
		if part.Type != "text" || part.Content == "" {
			t.Fatalf("%s has a part that is no text: %.300s", key, value)
		}
		texts = append(texts, part.Content)
	}
	return texts
}

// utterances are what a message shows of what was said, by its late span.
type utterances struct {
	User, Assistant []string
	Truncated       bool
}

func say(t testing.TB, mapper *mapping.Mapper, message *mapping.Message) (s utterances) {
	t.Helper()
	parent := mapping.SpanRef{Start: 1_600_000_000_000_000_000, End: 1_600_000_001_000_000_000}
	trace := mapper.Late(mapping.LateInput{MessageInput: mapping.MessageInput{Message: message}, Parent: parent, CallID: "call"})
	for _, a := range spansOf(trace)[0].GetAttributes() {
		switch a.GetKey() {
		case inputMessages:
			s.User = parsed(t, a.GetKey(), a.GetValue().GetStringValue())
		case outputMessages:
			s.Assistant = parsed(t, a.GetKey(), a.GetValue().GetStringValue())
		case "wxa.truncated":
			s.Truncated = a.GetValue().GetBoolValue()
		}
	}
	return s
}

// withoutSaid removes what content adds.
func withoutSaid(attributes []*commonpb.KeyValue) []*commonpb.KeyValue {
	kept := slices.DeleteFunc(slices.Clone(attributes), func(a *commonpb.KeyValue) bool {
		return a.GetKey() == inputMessages || a.GetKey() == outputMessages
	})
	if len(kept) == 0 {
		return nil
	}
	return kept
}

// A turn of web chat or phone shows the same spans with content on: the two
// attributes are added, and only there where they may be.
func TestContentAddsWhatWasSaidAndChangesNothingElse(t *testing.T) {
	t.Parallel()
	said := 0
	for _, dir := range scenarios(t) {
		traces := map[bool][]*mapping.Trace{}
		for _, on := range []bool{false, true} {
			s := loadScenario(t, dir)
			s.config.Content = on
			var err error
			if s.mapper, err = mapping.New(s.config.Config); err != nil {
				t.Fatal(err)
			}
			traces[on] = s.traces(t)
		}
		for i, trace := range traces[true] {
			for j, span := range spansOf(trace) {
				off := spansOf(traces[false][i])[j]
				if strings.Contains(off.String(), inputMessages) || strings.Contains(off.String(), outputMessages) {
					t.Errorf("%s: content is off, and %s has some", filepath.Base(dir), off.GetName())
				}
				if kept := withoutSaid(span.GetAttributes()); len(kept) < len(span.GetAttributes()) {
					said++
					span.Attributes = kept
					if name, _, _ := strings.Cut(span.GetName(), " "); name != "invoke_agent" && name != "message_logged" {
						t.Errorf("%s: %s has content: back ends take it for an agent", filepath.Base(dir), span.GetName())
					}
				}
				for _, event := range span.GetEvents() {
					event.Attributes = withoutSaid(event.GetAttributes())
				}
				if diff := cmp.Diff(off, span, protocmp.Transform()); diff != "" {
					t.Errorf("%s: %s (-off +on):\n%s", filepath.Base(dir), span.GetName(), diff)
				}
			}
			if diff := cmp.Diff(traces[false][i].Turns, trace.Turns); diff != "" {
				t.Errorf("%s: ids (-off +on):\n%s", filepath.Base(dir), diff)
			}
		}
	}
	if said < 50 {
		t.Errorf("%d spans with content: the scenarios say too little", said)
	}
}

func TestKeysLeaveAsTheirNumberOnly(t *testing.T) {
	t.Parallel()
	speech := &mapping.SpeechResult{}
	for name, c := range map[string]struct {
		message mapping.Message
		want    utterances
	}{
		"flagged":                            {mapping.Message{Input: "4111", IsDTMF: true}, utterances{User: []string{"[dtmf:4]"}}},
		"flagged, whatever it is":            {mapping.Message{Input: "my pin", IsDTMF: true}, utterances{User: []string{"[dtmf:5]"}}},
		"on the phone, the flag is missing":  {mapping.Message{Input: " 41 11#", Phone: true}, utterances{User: []string{"[dtmf:5]"}}},
		"one key":                            {mapping.Message{Input: "1", Phone: true, Replies: []string{"1 is sales"}}, utterances{User: []string{"[dtmf:1]"}, Assistant: []string{"1 is sales"}}},
		"read back":                          {mapping.Message{Input: "4111#", IsDTMF: true, Replies: []string{"you said 4111", "14111"}}, utterances{User: []string{"[dtmf:5]"}, Assistant: []string{"you said [dtmf:4]", "1[dtmf:4]"}}},
		"digits that were spoken":            {mapping.Message{Input: "4111", Phone: true, Speech: speech, Replies: []string{"4111"}}, utterances{User: []string{"4111"}, Assistant: []string{"4111"}}},
		"digits that were typed":             {mapping.Message{Input: "4111"}, utterances{User: []string{"4111"}}},
		"masked":                             {mapping.Message{Input: "****", IsDTMF: true}, utterances{User: []string{"[dtmf:4]"}}},
		"masked speech":                      {mapping.Message{Input: "****", Phone: true}, utterances{User: []string{"****"}}},
		"a hang-up, flagged":                 {mapping.Message{Input: "vgwHangUp", IsDTMF: true}, utterances{}},
		"nothing, flagged":                   {mapping.Message{IsDTMF: true}, utterances{}},
		"a text message":                     {mapping.Message{Input: "vgwSMSMessage", SMS: "yes", Phone: true}, utterances{User: []string{"yes"}}},
		"a text message that is not there":   {mapping.Message{Input: "vgwSMSMessage", Phone: true}, utterances{}},
		"a text message that does not count": {mapping.Message{Input: "vgwHangUp", SMS: "yes", Phone: true}, utterances{}},
	} {
		if diff := cmp.Diff(c.want, say(t, contentMapper(t), &c.message)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestContentIsBoundedAndSaysSo(t *testing.T) {
	t.Parallel()
	const text, all = 16 << 10, 64 << 10
	long := strings.Repeat("é", 50_000)
	many := slices.Repeat([]string{`{"response_type":"text","text":"` + long + `"}`}, 10)
	payload := fmt.Sprintf(`{"request":{"input":{"text":%q}},"response":{"output":{"generic":[%s]}}}`, long, strings.Join(many, ","))
	message, err := mapping.DecodeMessage([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	for _, rules := range [][]mapping.Redaction{nil, {{Pattern: "é", Replace: "longer than it was"}}} {
		got := say(t, contentMapper(t, rules...), message)
		if n := len(got.User[0]); n > text || n < text/2 {
			t.Errorf("the user's text has %d bytes, want at most %d", n, text)
		}
		if n := len(strings.Join(got.Assistant, "")); n > all || n < all/2 {
			t.Errorf("the replies have %d bytes, want at most %d", n, all)
		}
		if !got.Truncated {
			t.Error("wxa.truncated is missing")
		}
	}
	short := say(t, contentMapper(t), &mapping.Message{Input: strings.Repeat("a", text/2), Replies: []string{long[:text/2]}})
	if short.Truncated || len(short.User[0]) != text/2 {
		t.Error("what fits was cut")
	}
}

func TestASpanOfACallLosesWhatWasSaidBeforeItsEvents(t *testing.T) {
	t.Parallel()
	s := loadScenario(t, "testdata/what-was-said-leaves-when-opted-in")
	in, _ := s.call(t)
	for i := range in.Messages {
		in.Messages[i].Message.Replies = []string{strings.Repeat("r", 15<<10), strings.Repeat("s", 15<<10)}
	}
	parts, err := mapping.Split(encoded(t, s.mapper.Call(in)), 8<<10)
	if err != nil {
		t.Fatal(err)
	}
	cut, events := 0, 0
	for _, part := range parts {
		for _, span := range spansIn(t, part) {
			text := span.String()
			if strings.Contains(text, "gen_ai.output.messages") {
				t.Errorf("%s kept 30 kB of content in a request of 8", span.GetName())
			}
			if strings.Contains(text, "wxa.truncated") {
				cut++
				events += len(span.GetEvents())
			}
		}
	}
	if cut != 6 || events < 6 {
		t.Errorf("%d spans are flagged and have %d events, want 6 with theirs", cut, events)
	}
}

func TestRulesHoldForSpoiledInputWithContent(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 6))
	cdrs, messages := samples(t, "cdr.json"), samples(t, "message-*.json")
	mapper := contentMapper(t, mapping.Redaction{Pattern: `\d{2}`, Replace: "[two]"}, mapping.Redaction{Pattern: `[a-f]+`, Replace: "$0$0"})
	for i := range 100 {
		cdr := spoiledBytes(t, random, cdrs[random.IntN(len(cdrs))])
		message := spoiledBytes(t, random, messages[random.IntN(len(messages))])
		if err := mapEverything(mapper, cdr, message, random.IntN(2) == 0); err != nil {
			t.Fatalf("round %d: %v\n%s\n%s", i, err, cdr, message)
		}
	}
}

// Whatever is said around them: keys leave as their number, a rule leaves nothing
// of what it finds, and what leaves is JSON of bounded texts.
func FuzzContent(f *testing.F) {
	f.Add(uint64(12345678), "you said ", ". Is that right?")
	f.Add(uint64(1111), "1", "1\x00\xff\"\\\x01")
	f.Add(uint64(4111111111111111), strings.Repeat("\u2028é", 4000), strings.Repeat("7", 9000))
	plain := contentMapper(f)
	ruled := contentMapper(f, mapping.Redaction{Pattern: `\d+`, Replace: "#"}, mapping.Redaction{Pattern: "#+", Replace: "[$0]"})
	f.Fuzz(func(t *testing.T, number uint64, before, after string) {
		keys := strconv.FormatUint(number, 10)
		text := before + keys + after
		keyed := say(t, plain, &mapping.Message{Input: keys, Replies: []string{text, after}, IsDTMF: true})
		for _, text := range slices.Concat(keyed.User, keyed.Assistant) {
			if len(keys) >= 4 && strings.Contains(text, keys) {
				t.Errorf("the keys %s left in %q", keys, text)
			}
		}
		typed := &mapping.Message{Input: text, Replies: []string{before, text}}
		for _, text := range slices.Concat(say(t, ruled, typed).User, say(t, ruled, typed).Assistant) {
			if strings.ContainsAny(text, "0123456789") {
				t.Errorf("a digit left in %q", text)
			}
		}
		said := say(t, plain, typed)
		for _, text := range slices.Concat(said.User, said.Assistant) {
			if len(text) > 16<<10 {
				t.Errorf("a text of %d bytes", len(text))
			}
		}
	})
}

func spansIn(t testing.TB, request []byte) []*tracepb.Span {
	t.Helper()
	req := new(coltracepb.ExportTraceServiceRequest)
	if err := proto.Unmarshal(request, req); err != nil {
		t.Fatal(err)
	}
	return req.GetResourceSpans()[0].GetScopeSpans()[0].GetSpans()
}
