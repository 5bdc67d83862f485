package mapping_test

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"cdr2otel/mapping"
)

// benchmarkCall is a call of ten turns and its ten messages, made of the samples.
func benchmarkCall(b *testing.B) (cdr []byte, messages [][]byte) {
	b.Helper()
	const dir = "testdata/a-caller-speaks-and-an-extension-fails/"
	var body struct{ Payload map[string]any }
	read := func(name string) {
		data, err := os.ReadFile(dir + name)
		if err != nil {
			b.Fatal(err)
		}
		body.Payload = nil
		if err := json.Unmarshal(data, &body); err != nil {
			b.Fatal(err)
		}
	}
	marshal := func() []byte {
		data, err := json.Marshal(body.Payload)
		if err != nil {
			b.Fatal(err)
		}
		return data
	}
	logID := func(i int) string { return fmt.Sprintf("b1f7a7a0-0000-4000-8000-%012d", i) }
	read("message-2.json")
	for i := range 10 {
		body.Payload["log_id"] = logID(i)
		messages = append(messages, marshal())
	}
	read("cdr.json")
	summary := body.Payload["assistant_interaction_summaries"].([]any)[0].(map[string]any)
	spoken, err := json.Marshal(summary["turns"].([]any)[1])
	if err != nil {
		b.Fatal(err)
	}
	var turns []any
	for i := range 10 {
		turns = append(turns, json.RawMessage(strings.ReplaceAll(string(spoken), logID(1), logID(i))))
	}
	summary["turns"] = turns
	return marshal(), messages
}

// BenchmarkTrace is all that a call costs: decoding the CDR and its messages,
// mapping, encoding. Its parts are below it.
func BenchmarkTrace(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(200)) // as serve does
	cdrPayload, messagePayloads := benchmarkCall(b)
	mapper := defaultMapper(b)
	received := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	decode := func(b *testing.B) mapping.CallInput {
		cdr, err := mapping.DecodeCDR(cdrPayload)
		if err != nil {
			b.Fatal(err)
		}
		in := mapping.CallInput{CDR: cdr, ReceivedAt: received, Messages: make([]mapping.MessageInput, 0, len(messagePayloads))}
		for i, payload := range messagePayloads {
			message, err := mapping.DecodeMessage(payload)
			if err != nil {
				b.Fatal(err)
			}
			in.Messages = append(in.Messages, mapping.MessageInput{Message: message, ContentHash: [32]byte{byte(i)}, ReceivedAt: received})
		}
		return in
	}
	b.Run("all", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := mapping.Encode(mapper.Call(decode(b)).Request); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("map", func(b *testing.B) {
		b.ReportAllocs()
		in := decode(b)
		for b.Loop() {
			mapper.Call(in)
		}
	})
	b.Run("map and encode", func(b *testing.B) {
		b.ReportAllocs()
		in := decode(b)
		for b.Loop() {
			if _, err := mapping.Encode(mapper.Call(in).Request); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkRecord is what the log records of one accepted message cost beyond its
// decoding.
func BenchmarkRecord(b *testing.B) {
	_, payloads := benchmarkCall(b)
	message, err := mapping.DecodeMessage(payloads[0])
	if err != nil {
		b.Fatal(err)
	}
	mapper := defaultMapper(b)
	in := mapping.RecordInput{MessageInput: mapping.MessageInput{Message: message}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := mapping.EncodeLogs(mapper.Record(in).Request); err != nil {
			b.Fatal(err)
		}
	}
}
