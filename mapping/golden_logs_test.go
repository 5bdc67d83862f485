package mapping_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/plog"
	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"

	"cdr2otel/mapping"
)

// observations are received-*.json and processed-*.json.
func (s *scenario) observations(t *testing.T) []mapping.ObservationInput {
	t.Helper()
	var observed []mapping.ObservationInput
	for _, name := range []string{mapping.ObservedReceived, mapping.ObservedProcessed} {
		paths, err := filepath.Glob(filepath.Join(s.dir, strings.TrimPrefix(name, "message_")+"-*.json"))
		if err != nil {
			t.Fatal(err)
		}
		sort.Strings(paths)
		for _, path := range paths {
			body, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			observation, err := mapping.DecodeObservation(name, payload(t, body), s.config.Content)
			if err != nil {
				t.Fatal(err)
			}
			at, known := s.config.ObservedAt[filepath.Base(path)]
			if !known {
				t.Fatalf("%s: ObservedAt does not say when", path)
			}
			observed = append(observed, mapping.ObservationInput{Observation: stored(t, observation), ReceivedAt: at})
		}
	}
	return observed
}

// stored is an observation after it was written and read.
func stored(t *testing.T, o *mapping.Observation) *mapping.Observation {
	t.Helper()
	data, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	read := new(mapping.Observation)
	if err := json.Unmarshal(data, read); err != nil {
		t.Fatal(err)
	}
	return read
}

// accepted is how a message's records are made when nothing but itself is known,
// or the segment that it continues.
func (s *scenario) accepted(message mapping.MessageInput, segment string) mapping.RecordInput {
	return mapping.RecordInput{MessageInput: message, Headers: s.config.Headers, Segment: segment}
}

// logs maps the scenario to log records, in the order in which they would be made:
// when messages and observations are accepted, with their call, after it.
func (s *scenario) logs(t *testing.T) []*collogspb.ExportLogsServiceRequest {
	t.Helper()
	var logs []*collogspb.ExportLogsServiceRequest
	traces := s.traces(t)
	call, isCall := s.call(t)
	if s.config.Events != mapping.EventsSpan {
		for _, pattern := range []string{"chat-*.json", "message-*.json"} {
			segment := ""
			for _, message := range s.messages(t, pattern) {
				if segment == "" && !isCall {
					segment = message.Message.LogID
				}
				logs = append(logs, s.mapper.Record(s.accepted(message, segment)).Request)
			}
		}
		for _, observation := range s.observations(t) {
			logs = append(logs, s.mapper.ObservationRecord(observation, s.config.Headers).Request)
		}
	}
	for _, trace := range traces {
		if trace.Logs != nil {
			logs = append(logs, trace.Logs)
		}
	}
	if isCall && (s.config.Late == "log" || s.config.Events != mapping.EventsSpan) {
		of := traces[slices.IndexFunc(traces, isOfCall)]
		for _, late := range s.late(t, call, of) {
			logs = append(logs, s.mapper.Record(mapping.RecordInput{
				MessageInput: late.MessageInput, Headers: late.Headers, Parent: late.Parent, Named: late.Named, CallID: late.CallID,
			}).Request)
		}
	}
	return logs
}

func isOfCall(trace *mapping.Trace) bool { return len(trace.Measured.Values) > 0 }

// officialLogs is the OTLP/JSON of the records by the Collector's own encoding.
func officialLogs(t *testing.T, requests []*collogspb.ExportLogsServiceRequest) []byte {
	t.Helper()
	all := plog.NewLogs()
	for _, request := range requests {
		encoded, err := mapping.EncodeLogs(request)
		if err != nil {
			t.Fatal(err)
		}
		one, err := new(plog.ProtoUnmarshaler).UnmarshalLogs(encoded)
		if err != nil {
			t.Fatal(err)
		}
		if got := mapping.CountLogRecords(encoded); got != one.LogRecordCount() {
			t.Errorf("CountLogRecords = %d, want %d", got, one.LogRecordCount())
		}
		one.ResourceLogs().MoveAndAppendTo(all.ResourceLogs())
	}
	compact, err := new(plog.JSONMarshaler).MarshalLogs(all)
	if err != nil {
		t.Fatal(err)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, compact, "", "  "); err != nil {
		t.Fatal(err)
	}
	return append(indented.Bytes(), '\n')
}

func TestEachScenarioBecomesItsLogRecords(t *testing.T) {
	t.Parallel()
	recorded := 0
	for _, dir := range scenarios(t) {
		s := loadScenario(t, dir)
		requests := s.logs(t)
		golden := filepath.Join(dir, "want.logs.json")
		if len(requests) == 0 {
			if _, err := os.Stat(golden); err == nil {
				t.Errorf("%s: there is a golden but no record", dir)
			}
			continue
		}
		recorded++
		got := officialLogs(t, requests)
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
			t.Errorf("%s (-want +got):\n%s", dir, diff)
		}
	}
	if recorded < 9 {
		t.Errorf("only %d scenarios have log records", recorded)
	}
}

func TestALateMessageIsTheSameAfterARestart(t *testing.T) {
	t.Parallel()
	before := loadScenario(t, "testdata/a-message-comes-after-its-call").traces(t)
	after := loadScenario(t, "testdata/a-message-comes-after-its-call-and-a-restart").traces(t)
	if len(before) != len(after) {
		t.Fatalf("%d traces, want %d", len(after), len(before))
	}
	for i := range before {
		if !bytes.Equal(encoded(t, before[i]), encoded(t, after[i])) {
			t.Errorf("trace %d has other bytes after a restart", i)
		}
	}
}

func TestObservationsFindTheirTurnOrTheCallOrWait(t *testing.T) {
	t.Parallel()
	for dir, want := range map[string][]int{
		"the-webhooks-around-a-message-find-its-turn":            {0, 1, 2, 3, 4, 5, 6, 7},
		"what-the-webhooks-saw-without-a-message-is-on-the-call": {0, 1, 3},    // 2 and 4 are of other sessions
		"the-webhooks-around-a-chat-message-find-its-turn":       {0, 1, 3, 4}, // 2 is beyond this segment
		"two-sessions-interleave-in-one-call":                    {0, 1, 2, 3},
		"events-leave-as-log-records":                            {0, 1},
	} {
		traces := loadScenario(t, filepath.Join("testdata", dir)).traces(t)
		if diff := cmp.Diff(want, traces[0].Observed); diff != "" {
			t.Errorf("%s (-want +got):\n%s", dir, diff)
		}
	}
}

func TestOverviewsSayWhatTheRootsSay(t *testing.T) {
	t.Parallel()
	got := loadScenario(t, "testdata/a-caller-speaks-and-an-extension-fails").traces(t)[0].Overview
	want := mapping.Overview{
		StartedAt: time.Date(2024, 3, 5, 15, 0, 0, 0, time.UTC), Duration: 41710 * time.Millisecond,
		Direction: "inbound", Result: "completed", Channel: "Phone", Turns: 6, Warnings: 2,
		WorstTurn: 3520 * time.Millisecond, Waited: true, RTP: true, JitterMax: 43 * time.Millisecond, Loss: 27.0 / 2085, Slow: true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	transferred := loadScenario(t, "testdata/a-call-is-transferred").traces(t)[0].Overview
	if !transferred.Transferred || transferred.Failed {
		t.Errorf("a transferred call is %+v", transferred)
	}
	failed := loadScenario(t, "testdata/a-call-fails-before-its-first-turn").traces(t)[0].Overview
	if !failed.Failed || failed.RTP || failed.Waited || failed.Result != "failed" {
		t.Errorf("a failed call is %+v", failed)
	}
	chat := loadScenario(t, "testdata/a-web-chat-is-a-conversation").traces(t)[0].Overview
	if chat.Channel != "Web chat" || chat.Turns != 2 || chat.Duration <= 0 || chat.Direction != "" {
		t.Errorf("a conversation is %+v", chat)
	}
}
