package waterfall_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"cdr2otel/exporter/internal/admin/waterfall"
	"cdr2otel/mapping"
)

var update = flag.Bool("update", false, "rewrite the goldens: the diff is the review")

// webhooks are the sample bodies that match a pattern.
func webhooks(t testing.TB, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("..", "..", "..", "..", "examples", "webhooks", pattern))
	if err != nil || len(names) == 0 {
		t.Fatalf("no sample %s: %v", pattern, err)
	}
	return names
}

// payloadOf is the payload of a webhook body.
func payloadOf(t testing.TB, name string) []byte {
	t.Helper()
	body, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var envelope struct{ Payload json.RawMessage }
	if err := json.Unmarshal(body, &envelope); err != nil {
		t.Fatal(err)
	}
	return envelope.Payload
}

// sampleCall maps a sample call and its messages to the request that is exported.
func sampleCall(t testing.TB, name string) waterfall.Request {
	t.Helper()
	m, err := mapping.New(mapping.Config{Source: "default", Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	received := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	cdr, err := mapping.DecodeCDR(payloadOf(t, webhooks(t, name+".cdr.json")[0]))
	if err != nil {
		t.Fatal(err)
	}
	in := mapping.CallInput{CDR: cdr, ReceivedAt: received}
	for _, file := range webhooks(t, name+".message-*.json") {
		message, err := mapping.DecodeMessage(payloadOf(t, file))
		if err != nil {
			t.Fatal(err)
		}
		in.Messages = append(in.Messages, mapping.MessageInput{Message: message, ReceivedAt: received})
	}
	body, err := proto.Marshal(m.Call(in).Request)
	if err != nil {
		t.Fatal(err)
	}
	return waterfall.Request{Signal: "traces", Body: body}
}

func decode(t testing.TB, requests ...waterfall.Request) *waterfall.Trace {
	t.Helper()
	trace, err := waterfall.Decode(requests)
	if err != nil {
		t.Fatal(err)
	}
	return trace
}

func TestTheSampleCallsAreDrawnAsTheGoldensShow(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"speech_call", "dtmf_call"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			chart := decode(t, sampleCall(t, name)).Chart(1)
			svg, err := chart.SVG()
			if err != nil {
				t.Fatal(err)
			}
			legend, err := chart.LegendHTML()
			if err != nil {
				t.Fatal(err)
			}
			got := string(svg) + "\n" + string(legend) + "\n"
			golden := filepath.Join("testdata", name+".svg.html")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("the picture is another one (-want +got):\n%s", diff)
			}
		})
	}
}
