package exporter

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"cdr2otel/exporter/config"
	"cdr2otel/exporter/internal/delivery"
	"cdr2otel/exporter/internal/receiver"
)

var interleavings = flag.Int("interleavings", 12, "how many interleavings the property test tries for each mode")

// Whatever the order in which messages, CDRs, deadlines, restarts, redeliveries and
// lost answers come, each message leaves once, and what left is never changed.
func TestAnyInterleavingLetsEachMessageLeaveOnce(t *testing.T) {
	t.Parallel()
	for _, events := range []config.Events{config.EventsSpan, config.EventsLog, config.EventsBoth} {
		for _, late := range []config.Late{config.LateSpan, config.LateLog, config.LateDrop} {
			t.Run(fmt.Sprintf("events %s, late %s", events, late), func(t *testing.T) {
				t.Parallel()
				for n := range *interleavings {
					seed := uint64(n) + uint64(*interleavings)*uint64(len(events)*7+len(late))
					if !t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { interleave(t, events, late, seed) }) {
						return
					}
				}
			})
		}
	}
}

// world is a store with its correlator on a clock of its own, and all that left it.
type world struct {
	t      *testing.T
	random *rand.Rand
	cfg    config.Config

	*Exporter
	cancel context.CancelFunc
	ended  chan error

	sent  map[int64][]byte // by row of the outbox: the bytes of each attempt are the same
	left  map[string][]byte
	order []string // what left, of each signal
}

// interleave is one history. Inside it time is the bubble's: it jumps to the next
// deadline when everything waits.
func interleave(t *testing.T, events config.Events, late config.Late, seed uint64) {
	dir := quickDir(t)
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, random: rand.New(rand.NewPCG(seed, 7)), cfg: config.Default(), sent: map[int64][]byte{}, left: map[string][]byte{}}
		w.cfg.Mapping.Events = events
		// Short, because other clocks of the sidecar tick every second.
		w.cfg.Correlation = config.Correlation{Grace: time.Second, Window: 20 * time.Second, ChatIdle: 10 * time.Second, Late: late}
		source := w.cfg.Sources[config.DefaultSource]
		source.Auth = config.Auth{None: true}
		w.cfg.Sources = map[string]config.Source{config.DefaultSource: source}
		w.cfg.Webhook.Endpoint, w.cfg.Health.Endpoint, w.cfg.Admin.Endpoint = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
		w.cfg.Store.URL = "sqlite:" + filepath.Join(dir, "store.db")
		w.open()
		w.live(t)
		w.check(events, late)
		w.close()
	})
}

// quickDir is a directory in memory where there is one: what a disk adds to these
// histories is only the time of its syncs.
func quickDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "cdr2otel-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func (w *world) open() {
	w.t.Helper()
	e, err := New(w.t.Context(), w.cfg, Options{Getenv: func(name string) string {
		if name == "OTEL_METRICS_EXPORTER" {
			return "none"
		}
		return ""
	}})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.Exporter, w.cancel, w.ended = e, cancel, make(chan error, 1)
	go func() { w.ended <- e.correlator.Run(ctx) }()
}

func (w *world) close() {
	w.t.Helper()
	w.cancel()
	if err := errors.Join(<-w.ended, w.Exporter.close()); err != nil {
		w.t.Fatal(err)
	}
}

// live goes through a history of the sample calls and the chat, to its end.
func (w *world) live(t *testing.T) {
	bodies := samples(t)
	waiting := w.random.Perm(len(bodies))
	if w.random.IntN(2) == 0 { // the usual order, with a few late ones
		slices.Sort(waiting)
		for range 3 {
			i, j := w.random.IntN(len(waiting)), w.random.IntN(len(waiting))
			waiting[i], waiting[j] = waiting[j], waiting[i]
		}
	}
	for len(waiting) > 0 {
		switch w.random.IntN(10) {
		case 0:
			w.close()
			w.open()
		case 1:
			w.accept(bodies[w.random.IntN(len(bodies))], true)
		case 2:
			time.Sleep(time.Duration(w.random.Int64N(int64(2 * w.cfg.Correlation.Grace))))
		case 3:
			time.Sleep(time.Duration(w.random.Int64N(int64(2 * w.cfg.Correlation.Window))))
		case 4, 5:
			w.deliver(w.random.IntN(3) == 0)
		default:
			w.accept(bodies[waiting[0]], false)
			waiting = waiting[1:]
		}
		synctest.Wait()
	}
	for range 3 { // late messages of what left last
		time.Sleep(w.cfg.Correlation.Window + w.cfg.Correlation.ChatIdle)
		synctest.Wait()
		w.deliver(false)
	}
}

// body is a webhook as the receiver hands it over.
type body struct {
	name    string
	payload []byte
}

// samples are the webhooks of the demo: two calls with message logs, one of whose
// messages no turn names, and a web chat of two messages.
func samples(t *testing.T) []body {
	t.Helper()
	paths, err := filepath.Glob("../examples/webhooks/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	var bodies []body
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var envelope struct {
			Event   struct{ Name string }
			Payload json.RawMessage
		}
		if err := json.Unmarshal(raw, &envelope); err != nil {
			t.Fatal(err)
		}
		if envelope.Event.Name == nameCDR || envelope.Event.Name == nameMessage {
			bodies = append(bodies, body{envelope.Event.Name, envelope.Payload})
		}
		if strings.HasSuffix(path, "dtmf_call.message-1-start.json") {
			unnamed := bytes.ReplaceAll(envelope.Payload, []byte("58bebfd1-0118-419b-a555-b152a1efbbe8"), []byte("no turn names this"))
			bodies = append(bodies, body{nameMessage, unnamed})
		}
	}
	return bodies
}

func (w *world) accept(b body, again bool) {
	w.t.Helper()
	payload := slices.Clone(b.payload)
	_, err := w.Exporter.accept(w.t.Context(), receiver.Event{
		Source: config.DefaultSource, Name: b.name, Payload: payload, ReceivedAt: time.Now(),
	})
	if err != nil {
		w.t.Fatalf("accept (again: %v): %v", again, err)
	}
}

// deliver takes what waits to the receiver. When the answers are lost, the same is
// sent again once the claims expired.
func (w *world) deliver(lost bool) {
	w.t.Helper()
	for _, signal := range exported {
		out := outbox{store: w.store, ttl: claimTTL}
		requests, err := out.Claim(w.t.Context(), signal, 0, 1000)
		if err != nil {
			w.t.Fatal(err)
		}
		var settled []delivery.Settlement
		for _, r := range requests {
			w.receive(signal, r)
			settled = append(settled, delivery.Settlement{Request: r, Verdict: delivery.VerdictDone})
		}
		if lost {
			continue
		}
		if err := out.Settle(w.t.Context(), settled); err != nil {
			w.t.Fatal(err)
		}
	}
	if lost {
		time.Sleep(claimTTL)
	}
}

func (w *world) receive(signal string, r delivery.Request) {
	w.t.Helper()
	if before, again := w.sent[r.ID]; again {
		if !bytes.Equal(before, r.Body) {
			w.t.Errorf("request %d was sent again with other bytes", r.ID)
		}
		return
	}
	w.sent[r.ID] = slices.Clone(r.Body)
	if signal == delivery.SignalLogs {
		w.receiveLogs(r.Body)
		return
	}
	request := &coltracepb.ExportTraceServiceRequest{}
	if err := proto.Unmarshal(r.Body, request); err != nil {
		w.t.Fatal(err)
	}
	for _, span := range request.ResourceSpans[0].ScopeSpans[0].Spans {
		id := fmt.Sprintf("%x/%x", span.TraceId, span.SpanId)
		if w.left[id] != nil {
			w.t.Errorf("span %s (%s) left twice", id, span.Name)
		}
		encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(span)
		if err != nil {
			w.t.Fatal(err)
		}
		w.left[id] = encoded
		w.order = append(w.order, onSpan(span)...)
	}
}

// onSpan names the messages and calls that a span is or has.
func onSpan(span *tracepb.Span) []string {
	var names []string
	if strings.HasPrefix(span.Name, "call ") && len(span.ParentSpanId) == 0 {
		names = append(names, "call "+valueOf(span.Attributes, "wxa.call.id"))
	}
	if span.Name == "message_logged" {
		names = append(names, "span "+valueOf(span.Attributes, "wxa.log_id"))
	}
	for _, event := range span.Events {
		if event.Name == "wxa.message" {
			names = append(names, "span "+valueOf(event.Attributes, "wxa.log_id"))
		}
	}
	return names
}

func (w *world) receiveLogs(encoded []byte) {
	w.t.Helper()
	request := &collogspb.ExportLogsServiceRequest{}
	if err := proto.Unmarshal(encoded, request); err != nil {
		w.t.Fatal(err)
	}
	for _, record := range request.ResourceLogs[0].ScopeLogs[0].LogRecords {
		if record.EventName == "wxa.message" {
			w.order = append(w.order, "record "+valueOf(record.Attributes, "wxa.log_id"))
		}
	}
}

func valueOf(attributes []*commonpb.KeyValue, key string) string {
	for _, a := range attributes {
		if a.Key == key {
			return a.Value.GetStringValue()
		}
	}
	return ""
}

// check compares what left with what was accepted.
func (w *world) check(events config.Events, late config.Late) {
	w.t.Helper()
	ledger, err := w.store.Ledger(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	states := ledger[config.DefaultSource]
	bodies := samples(w.t)
	if states["accepted"] != int64(len(bodies)) || states["exported"]+states["dropped"] != states["accepted"] {
		w.t.Errorf("the ledger is %v, want %d accepted, and those exported or dropped", states, len(bodies))
	}
	times := map[string]int{}
	for _, name := range w.order {
		times[name]++
	}
	dropped := int64(0)
	for _, b := range bodies {
		if b.name == nameCDR {
			continue
		}
		var message struct {
			LogID string `json:"log_id"`
		}
		if err := json.Unmarshal(b.payload, &message); err != nil {
			w.t.Fatal(err)
		}
		spans, records := times["span "+message.LogID], times["record "+message.LogID]
		ok := false
		switch {
		case events == config.EventsLog:
			ok = records == 1 && spans == 0
		case events == config.EventsBoth && late == config.LateSpan:
			ok = records == 1 && spans == 1
		case events == config.EventsBoth:
			ok = records == 1 && spans <= 1
		case late == config.LateLog:
			ok = records+spans == 1
		case late == config.LateSpan:
			ok = records == 0 && spans == 1
		default:
			ok = records == 0 && spans <= 1
			dropped += int64(1 - spans)
		}
		if !ok {
			w.t.Errorf("message %s left %d times on spans and %d times as a record", message.LogID, spans, records)
		}
	}
	if dropped != states["dropped"] {
		w.t.Errorf("%d messages were dropped, the ledger says %d", dropped, states["dropped"])
	}
	w.checkSpans(times)
}

// checkSpans: each call is there once, and every parent is there and holds its
// children (I4).
func (w *world) checkSpans(times map[string]int) {
	w.t.Helper()
	for name, n := range times {
		if strings.HasPrefix(name, "call ") && n != 1 {
			w.t.Errorf("%s left %d times", name, n)
		}
	}
	spans := map[string]*tracepb.Span{}
	for id, encoded := range w.left {
		span := &tracepb.Span{}
		if err := proto.Unmarshal(encoded, span); err != nil {
			w.t.Fatal(err)
		}
		spans[id] = span
	}
	for id, span := range spans {
		if len(span.ParentSpanId) == 0 {
			continue
		}
		parent := spans[fmt.Sprintf("%x/%x", span.TraceId, span.ParentSpanId)]
		if parent == nil || span.StartTimeUnixNano < parent.StartTimeUnixNano || span.EndTimeUnixNano > parent.EndTimeUnixNano {
			w.t.Errorf("span %s (%s) does not lie in its parent", id, span.Name)
		}
	}
}
