package mapping_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"cdr2otel/mapping"
)

var update = flag.Bool("update", false, "rewrite the goldens: the diff is the review")

// scenario is testdata/<name>: webhook bodies, how they are mapped, and what
// comes out. cdr.json makes a call of cdr.json and message-*.json; without it the
// messages are a conversation. late-*.json come after their call was exported,
// chat-*.json left as a conversation before it came. received-*.json and
// processed-*.json are what the synchronous webhooks saw.
type scenario struct {
	dir    string
	config scenarioConfig
	mapper *mapping.Mapper
}

// scenarioConfig is config.json.
type scenarioConfig struct {
	mapping.Config
	CallerHashKey string
	Headers       map[string]string
	ReceivedAt    time.Time
	NotOwned      []string // log ids that an earlier call owns
	CDRMissing    bool
	// ObservedAt says when received-*.json and processed-*.json came.
	ObservedAt map[string]time.Time
	// Late "log" makes late-*.json log records.
	Late string
	// Restarted: late-*.json come when another process has only the store's rows.
	Restarted bool
}

func loadScenario(t *testing.T, dir string) *scenario {
	t.Helper()
	s := &scenario{dir: dir}
	s.config.Source = "default"
	s.config.Version = "1.2.3"
	s.config.UpstreamLink = "traceparent"
	s.config.ReceivedAt = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if data, err := os.ReadFile(filepath.Join(dir, "config.json")); err == nil {
		if err := json.Unmarshal(data, &s.config); err != nil {
			t.Fatal(err)
		}
	}
	s.config.Config.CallerHashKey = []byte(s.config.CallerHashKey)
	var err error
	if s.mapper, err = mapping.New(s.config.Config); err != nil {
		t.Fatal(err)
	}
	return s
}

// payload is the payload of a whole webhook body.
func payload(t *testing.T, body []byte) []byte {
	t.Helper()
	var envelope struct{ Payload json.RawMessage }
	if err := json.Unmarshal(body, &envelope); err != nil {
		t.Fatal(err)
	}
	return envelope.Payload
}

func hash(t *testing.T, payload []byte) [32]byte {
	t.Helper()
	sum, err := mapping.ContentHash(payload)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func (s *scenario) messages(t *testing.T, pattern string) []mapping.MessageInput {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(s.dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(names)
	var messages []mapping.MessageInput
	for i, name := range names {
		messages = append(messages, s.message(t, name, i))
	}
	return messages
}

func (s *scenario) message(t *testing.T, name string, i int) mapping.MessageInput {
	t.Helper()
	body, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	data := payload(t, body)
	message, err := mapping.DecodeMessage(data)
	if err != nil {
		t.Fatal(err)
	}
	return mapping.MessageInput{
		Message:     message,
		ContentHash: hash(t, data),
		ReceivedAt:  s.config.ReceivedAt.Add(time.Duration(i) * time.Second),
	}
}

func (s *scenario) call(t *testing.T) (mapping.CallInput, bool) {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(s.dir, "cdr.json"))
	if err != nil {
		return mapping.CallInput{}, false
	}
	data := payload(t, body)
	cdr, err := mapping.DecodeCDR(data)
	if err != nil {
		t.Fatal(err)
	}
	return mapping.CallInput{
		CDR:          cdr,
		ContentHash:  hash(t, data),
		ReceivedAt:   s.config.ReceivedAt,
		Headers:      s.config.Headers,
		Messages:     s.messages(t, "message-*.json"),
		Observations: s.observations(t),
		Owns: func(logID string) bool {
			for _, other := range s.config.NotOwned {
				if other == logID {
					return false
				}
			}
			return true
		},
	}, true
}

// traces maps the scenario: one trace for each subject.
func (s *scenario) traces(t *testing.T) []*mapping.Trace {
	t.Helper()
	var traces []*mapping.Trace
	converse := func(pattern string, cdrMissing bool) {
		if messages := s.messages(t, pattern); len(messages) > 0 {
			traces = append(traces, s.mapper.Conversation(mapping.ConversationInput{
				Messages: messages, Headers: s.config.Headers, CDRMissing: cdrMissing,
				Observations: s.observations(t),
			}))
		}
	}
	in, isCall := s.call(t)
	if !isCall {
		converse("message-*.json", s.config.CDRMissing)
		return traces
	}
	converse("chat-*.json", true)
	for _, left := range traces {
		in.Orphaned = append(in.Orphaned, left.Root)
	}
	call := s.mapper.Call(in)
	traces = append(traces, call)
	if s.config.Late == "log" || s.config.Events == mapping.EventsLog {
		return traces // each is a log record and nothing else
	}
	mapper := s.mapper
	for _, late := range s.late(t, in, call) {
		if s.config.Restarted {
			mapper = loadScenario(t, s.dir).mapper
		}
		traces = append(traces, mapper.Late(late))
	}
	return traces
}

// late are the messages that come after their call, with what its turn says.
func (s *scenario) late(t *testing.T, in mapping.CallInput, call *mapping.Trace) []mapping.LateInput {
	t.Helper()
	var inputs []mapping.LateInput
	callID := mapping.CallID(in.CDR.Identity(), in.ContentHash)
	for _, message := range s.messages(t, "late-*.json") {
		late := mapping.LateInput{MessageInput: message, Headers: s.config.Headers, Parent: call.Root, CallID: callID}
		if parent, named := call.Turns[message.Message.LogID]; named {
			late.Parent, late.Named = parent, true
		}
		if s.config.Restarted {
			late.Parent = rowOf(t, late.Parent)
		}
		inputs = append(inputs, late)
	}
	return inputs
}

// rowOf is a span as another process reads it: ids in hexadecimal and bounds.
func rowOf(t *testing.T, ref mapping.SpanRef) (read mapping.SpanRef) {
	t.Helper()
	row := fmt.Sprintf("%s %s %d %d", ref.TraceID, ref.SpanID, ref.Start, ref.End)
	var trace, span []byte
	if _, err := fmt.Sscanf(row, "%x %x %d %d", &trace, &span, &read.Start, &read.End); err != nil {
		t.Fatal(err)
	}
	read.TraceID, read.SpanID = mapping.TraceID(trace), mapping.SpanID(span)
	return read
}

// official is the OTLP/JSON of the traces by the Collector's own encoding.
func official(t *testing.T, traces []*mapping.Trace) []byte {
	t.Helper()
	all := ptrace.NewTraces()
	for _, trace := range traces {
		encoded, err := mapping.Encode(trace.Request)
		if err != nil {
			t.Fatal(err)
		}
		one, err := new(ptrace.ProtoUnmarshaler).UnmarshalTraces(encoded)
		if err != nil {
			t.Fatal(err)
		}
		one.ResourceSpans().MoveAndAppendTo(all.ResourceSpans())
	}
	compact, err := new(ptrace.JSONMarshaler).MarshalTraces(all)
	if err != nil {
		t.Fatal(err)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, compact, "", "  "); err != nil {
		t.Fatal(err)
	}
	return append(indented.Bytes(), '\n')
}

// scenarios lists the folders of testdata that are one: their names are
// sentences.
func scenarios(t testing.TB) []string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join("testdata", "*-*"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	return dirs
}

func TestEachScenarioBecomesItsGolden(t *testing.T) {
	t.Parallel()
	for _, dir := range scenarios(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			got := official(t, loadScenario(t, dir).traces(t))
			golden := filepath.Join(dir, "want.otlp.json")
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
