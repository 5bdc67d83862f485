package exporter_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"cdr2otel/exporter/config"
	"cdr2otel/internal/otlptest"
)

// Somebody else holds the store's file locked, as a backup or a shell would: no
// write gets through. It times answers, so it runs beside no other test.
func TestWhileTheStoreHangsCallersAreAnsweredAndNothingAcknowledgedIsLost(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a quarter of a minute: run without -short")
	}
	seen := newSightings()
	receiver := otlptest.New(t, otlptest.Options{OnRequest: seen.note, Discard: true})
	cfg := configuration(t.TempDir())
	s := start(t, cfg, overriding(receiver, otlptest.ProtocolGRPC))
	callers := newCallers(t, s)
	callers.wantQuick(t, "while the store works")

	h := &hanging{sidecar: s, t: t, acknowledged: map[string]bool{}}
	h.postOnce(2)
	if len(h.refused) > 0 || len(h.acknowledged) == 0 {
		t.Fatalf("%d refused and %d acknowledged by a store that works", len(h.refused), len(h.acknowledged))
	}
	before := len(h.acknowledged)
	unlock := lockStore(t, cfg)
	posted := make(chan struct{})
	go func() {
		defer close(posted)
		h.postOnce(200) // more than one transaction takes
	}()
	callers.wantQuick(t, "while the store hangs")
	<-posted
	if n := len(h.acknowledged) - before; n > 0 {
		t.Errorf("%d webhooks were acknowledged while nothing could be written", n)
	}
	refused := len(h.refused)
	unlock()

	h.postRefused()
	var owed []string
	for id := range h.acknowledged {
		owed = append(owed, id)
	}
	if missing := seen.await(t.Context(), owed); len(missing) > 0 {
		t.Fatalf("%d acknowledged events never arrived, the first: %v", len(missing), missing[0])
	}
	s.awaitReadiness(t, func(status int, r readiness) bool {
		return status == http.StatusOK && r.Events["exported"] == int64(len(owed)) && r.Events["accepted"] == int64(len(owed))
	})
	callers.wantQuick(t, "after it")
	t.Logf("%d webhooks were refused while the store hung; all %d that were acknowledged before and after arrived, lost: 0", refused, len(owed))
}

// lockStore keeps everybody else from writing to the store until unlock is called.
func lockStore(t testing.TB, cfg config.Config) (unlock func()) {
	t.Helper()
	lock, err := database(t, cfg).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lock.Close() })
	if _, err := lock.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if _, err := lock.ExecContext(t.Context(), "ROLLBACK"); err != nil {
			t.Fatal(err)
		}
	}
}

// hanging posts calls and keeps what it was told.
type hanging struct {
	*sidecar
	t *testing.T

	posts        int
	mu           sync.Mutex // guards what follows
	acknowledged map[string]bool
	refused      []generated
}

// postOnce posts so many new calls, all webhooks at once.
func (h *hanging) postOnce(calls int) {
	tpl := callTemplate(h.t)
	h.posts++
	var posting sync.WaitGroup
	for n := range calls {
		for _, e := range tpl.call(fmt.Sprintf("hang%d-%d", h.posts, n)) {
			posting.Go(func() { h.post(e) })
		}
	}
	posting.Wait()
}

// postRefused posts what was refused again, as a replay does. Some of it may be in
// the store: that a request was given up doesn't take its event back.
func (h *hanging) postRefused() {
	again := h.refused
	h.refused = nil
	var posting sync.WaitGroup
	for _, e := range again {
		posting.Go(func() { h.post(e) })
	}
	posting.Wait()
	if len(h.refused) > 0 {
		h.t.Errorf("%d webhooks were refused after the store hung", len(h.refused))
	}
}

func (h *hanging) post(e generated) {
	status, after, err := h.Post(h.t.Context(), e.body)
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case err == nil && status == http.StatusOK:
		h.acknowledged[e.id] = true
	case err == nil && status == http.StatusServiceUnavailable && after > 0:
		h.refused = append(h.refused, e)
	default:
		h.t.Errorf("status %d, Retry-After %v, error %v", status, after, err)
	}
}
