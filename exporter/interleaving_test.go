package exporter

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cdr2otel/exporter/config"
	"cdr2otel/exporter/internal/admin"
	"cdr2otel/exporter/internal/delivery"
	"cdr2otel/exporter/internal/receiver"
	"cdr2otel/exporter/internal/store"
	"cdr2otel/internal/testenv"
)

// Whatever the order in which messages, CDRs, deadlines, restarts, redeliveries and
// lost answers come, each message leaves once, and what left is never changed.
func TestAnyInterleavingLetsEachMessageLeaveOnce(t *testing.T) {
	t.Parallel()
	for _, events := range []config.Events{config.EventsSpan, config.EventsLog, config.EventsBoth} {
		for _, late := range []config.Late{config.LateSpan, config.LateLog, config.LateDrop} {
			t.Run(fmt.Sprintf("events %s, late %s", events, late), func(t *testing.T) {
				t.Parallel()
				histories(t, history{events: events, late: late})
			})
		}
	}
}

// Each message leaves at least once, on a span or as a record, and never twice as
// either, when reloads move events while calls are open: from a span to a record it
// may be both, but never neither.
func TestNoMessageIsLostWhenAReloadMovesEvents(t *testing.T) {
	t.Parallel()
	histories(t, history{events: config.EventsSpan, late: config.LateSpan, reloads: true})
}

// After it was forgotten nothing of a session leaves, whatever state it was in, and
// what comes of it later is as new.
func TestNothingOfAForgottenSessionLeaves(t *testing.T) {
	t.Parallel()
	for _, events := range []config.Events{config.EventsSpan, config.EventsBoth} {
		t.Run(fmt.Sprint("events ", events), func(t *testing.T) {
			t.Parallel()
			histories(t, history{events: events, late: config.LateSpan, forgets: true})
		})
	}
	t.Run("with reloads", func(t *testing.T) {
		t.Parallel()
		histories(t, history{events: config.EventsLog, late: config.LateLog, reloads: true, forgets: true})
	})
}

// history is what happens beside messages, CDRs, deadlines, restarts, redeliveries
// and lost answers.
type history struct {
	events config.Events
	late   config.Late
	// reloads change both, and now and then the sidecar forgets a session.
	reloads, forgets bool
}

func histories(t *testing.T, h history) {
	t.Helper()
	interleavings := testenv.Rounds(t, testenv.Interleavings, 2)
	for n := range interleavings {
		seed := uint64(n) + uint64(interleavings)*uint64(len(h.events)*7+len(h.late))
		if !t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { h.interleave(t, seed) }) {
			return
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

	accepted  map[string]*store.Event // by the names it may leave under, see names
	forgotten map[string]bool         // of those names
}

// interleave is one history. Inside it time is the bubble's: it jumps to the next
// deadline when everything waits.
func (h history) interleave(t *testing.T, seed uint64) {
	dir := quickDir(t)
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, random: rand.New(rand.NewPCG(seed, 7)), cfg: config.Default(), sent: map[int64][]byte{}, left: map[string][]byte{},
			accepted: map[string]*store.Event{}, forgotten: map[string]bool{}}
		w.cfg.Mapping.Events = h.events
		// Short, because other clocks of the sidecar tick every second.
		w.cfg.Correlation = config.Correlation{Grace: time.Second, Window: 20 * time.Second, ChatIdle: 10 * time.Second, Late: h.late}
		source := w.cfg.Sources[config.DefaultSource]
		source.Auth = config.Auth{None: true}
		w.cfg.Sources = map[string]config.Source{config.DefaultSource: source}
		w.cfg.Webhook.Endpoint, w.cfg.Health.Endpoint, w.cfg.Admin.Endpoint = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
		w.cfg.Store.URL = "sqlite:" + filepath.Join(dir, "store.db")
		w.open()
		w.live(t, h)
		w.check(h)
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
func (w *world) live(t *testing.T, h history) {
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
		if h.reloads && w.random.IntN(4) == 0 {
			w.move()
		}
		if h.forgets && w.random.IntN(12) == 0 {
			w.forgetOne()
		}
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
	if h.forgets { // everything pending, too
		w.forgetOne()
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
	in := receiver.Event{Source: config.DefaultSource, Name: b.name, Payload: payload, ReceivedAt: time.Now()}
	_, err := w.Exporter.accept(w.t.Context(), in)
	if err != nil {
		w.t.Fatalf("accept (again: %v): %v", again, err)
	}
	arrivals, err := w.intake(in)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, name := range names(arrivals[0].event) {
		w.accepted[name] = arrivals[0].event
	}
}

// names are what an event may leave under, as onSpan and receiveLogs have it.
func names(ev *store.Event) []string {
	if ev.Kind == store.KindCDR {
		return []string{"call " + string(ev.CallID)}
	}
	return []string{"span " + ev.LogID, "record " + ev.LogID}
}

// move lets a reload say where events and late messages go.
func (w *world) move() {
	w.t.Helper()
	w.cfg.Mapping.Events = []config.Events{config.EventsSpan, config.EventsLog, config.EventsBoth}[w.random.IntN(3)]
	w.cfg.Correlation.Late = []config.Late{config.LateSpan, config.LateLog}[w.random.IntN(2)]
	if err := w.Reload(func() (config.Config, error) { return w.cfg, nil }); err != nil {
		w.t.Fatal(err)
	}
}

// forgetOne forgets the session of something that was accepted, while the
// correlator works.
func (w *world) forgetOne() {
	w.t.Helper()
	all := slices.Sorted(maps.Keys(w.accepted))
	if len(all) == 0 {
		return
	}
	one := w.accepted[all[w.random.IntN(len(all))]]
	if one.SessionID == "" {
		return
	}
	if _, err := w.forget(w.t.Context(), admin.Person{Source: config.DefaultSource, SessionID: one.SessionID}); err != nil {
		w.t.Fatal(err)
	}
	for name, ev := range w.accepted {
		if ev.SessionID == one.SessionID {
			w.forgotten[name] = true
		}
	}
}

// deliver takes what waits to the receiver. When the answers are lost, the same is
// sent again once the claims expired.
func (w *world) deliver(lost bool) {
	w.t.Helper()
	for _, signal := range exported {
		out := outbox{store: w.store, ttl: requestTTL}
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
		time.Sleep(requestTTL)
	}
}

// check compares what left with what was accepted.
func (w *world) check(h history) {
	w.t.Helper()
	ledger, err := w.store.Ledger(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	states := ledger[config.DefaultSource]
	bodies := samples(w.t)
	if states["accepted"] != int64(len(bodies)) || states["exported"]+states["dropped"]+states["forgotten"] != states["accepted"] {
		w.t.Errorf("the ledger is %v, want %d accepted, and those exported, dropped or forgotten", states, len(bodies))
	}
	times := map[string]int{}
	for _, name := range w.order {
		times[name]++
	}
	dropped := int64(0)
	for name, ev := range w.accepted {
		if ev.Kind == store.KindCDR || strings.HasPrefix(name, "record ") {
			continue
		}
		spans, records := times["span "+ev.LogID], times["record "+ev.LogID]
		if spans+records == 0 {
			dropped++
		}
		if w.forgotten[name] && spans <= 1 && records <= 1 {
			continue
		}
		if !h.leaves(spans, records) {
			w.t.Errorf("message %s left %d times on spans and %d times as a record", ev.LogID, spans, records)
		}
	}
	if dropped != states["dropped"] && !h.forgets {
		w.t.Errorf("%d messages were dropped, the ledger says %d", dropped, states["dropped"])
	}
	w.checkSpans(times)
}

// leaves tells how often a message may leave on spans and as a record.
func (h history) leaves(spans, records int) bool {
	switch {
	case h.reloads:
		return spans <= 1 && records <= 1 && spans+records >= 1
	case h.events == config.EventsLog:
		return records == 1 && spans == 0
	case h.events == config.EventsBoth && h.late == config.LateSpan:
		return records == 1 && spans == 1
	case h.events == config.EventsBoth:
		return records == 1 && spans <= 1
	case h.late == config.LateLog:
		return records+spans == 1
	case h.late == config.LateSpan:
		return records == 0 && spans == 1
	}
	return records == 0 && spans <= 1
}
