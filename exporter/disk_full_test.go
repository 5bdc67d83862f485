package exporter_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"cdr2otel/exporter"
	"cdr2otel/exporter/internal/store/disktest"
	"cdr2otel/internal/otlptest"
)

// A disk of its own, full of calls that the collector does not take: webhooks are
// refused so that they come back spread, what is there stays, and when the collector
// is back everything goes on by itself.
func TestAFullDiskRefusesWebhooksAndDrainsByItself(t *testing.T) {
	t.Parallel()
	disktest.OnSmallDisk(t, 12<<20, func(t *testing.T, disk *disktest.Small) {
		seen := newSightings()
		receiver := otlptest.New(t, otlptest.Options{OnRequest: seen.note, Discard: true})
		receiver.SetDown(true)
		cfg := configuration(disk.Dir)
		cfg.Correlation.Grace, cfg.Correlation.Window = 200*time.Millisecond, time.Second
		s := start(t, cfg, overriding(receiver, otlptest.ProtocolGRPC))
		f := &filling{t: t, sidecar: s, retryAfter: map[time.Duration]int{}}
		f.postUntilRefused(200)
		if len(f.acknowledged) < 500 {
			t.Errorf("only %d webhooks fitted", len(f.acknowledged))
		}
		if len(f.retryAfter) < 5 {
			t.Errorf("Retry-After of %d refused webhooks: %v; want it spread", 200, f.retryAfter)
		}
		for after := range f.retryAfter {
			if after < 5*time.Second || after > 15*time.Second {
				t.Errorf("Retry-After %v", after)
			}
		}
		status, r := s.readiness(t)
		if status == http.StatusOK { // retention has just tried whether there is room, and the next webhook finds none
			f.postUntilRefused(f.refused + 1)
			status, r = s.readiness(t)
		}
		if status != http.StatusServiceUnavailable || r.NotReady == "" || r.Events["accepted"] != int64(len(f.acknowledged)) {
			t.Errorf("readyz is %d with %+v; want 503 and %d accepted events", status, r, len(f.acknowledged))
		}
		full := len(f.acknowledged)

		receiver.SetDown(false)
		s.awaitReadiness(t, func(status int, r readiness) bool { return status == http.StatusOK && r.Events["pending"] == 0 })
		for _, e := range callTemplate(t).call("after") {
			s.accepted(t, e.body)
			f.acknowledged = append(f.acknowledged, e.id)
		}
		if missing := seen.await(t.Context(), f.acknowledged); len(missing) > 0 {
			t.Fatalf("%d acknowledged events never arrived, the first: %v", len(missing), missing[0])
		}
		closed := func(_ int, r readiness) bool {
			return r.Events["accepted"] == int64(len(f.acknowledged)) && r.Events["exported"] == r.Events["accepted"]
		}
		s.awaitReadiness(t, closed)
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
		start(t, cfg, overriding(receiver, otlptest.ProtocolGRPC)).awaitReadiness(t, closed)
		t.Logf("full after %d webhooks, 200 refused; all %d acknowledged arrived, lost: 0", full, len(f.acknowledged))
	})
}

// filling posts calls and keeps what it was told.
type filling struct {
	*sidecar
	t *testing.T

	mu           sync.Mutex // guards what follows
	acknowledged []string
	refused      int
	retryAfter   map[time.Duration]int
}

// postUntilRefused posts until n webhooks were refused for want of space.
func (f *filling) postUntilRefused(n int) {
	f.t.Helper()
	tpl := callTemplate(f.t)
	var posters sync.WaitGroup
	for p := range 4 {
		posters.Go(func() {
			for i := 0; f.more(n); i++ {
				for _, e := range tpl.call(fmt.Sprintf("p%d-%d", p, i)) {
					f.post(e)
				}
			}
		})
	}
	posters.Wait()
}

func (f *filling) more(n int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refused < n && !f.t.Failed()
}

func (f *filling) post(e generated) {
	status, after, err := f.Post(f.t.Context(), e.body)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case err == nil && status == http.StatusOK:
		f.acknowledged = append(f.acknowledged, e.id)
	case err == nil && status == http.StatusServiceUnavailable:
		f.refused++
		f.retryAfter[after]++
	default:
		f.t.Errorf("status %d, error %v", status, err)
	}
}

// A store that can't be opened keeps the sidecar from starting, in a sentence.
func TestAStoreThatCanNotBeOpenedKeepsTheSidecarFromStarting(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cfg := configuration(dir)
	off := exporter.Options{Getenv: environment(map[string]string{"OTEL_TRACES_EXPORTER": "none"})}
	writeFile(t, dir, "store.db", "not a database")
	wantRefusal(t, cfg, off, "store.db is not a SQLite database, nothing was changed")
	writeFile(t, dir, "store.db", "")
	wantRefusal(t, cfg, off, "store.db is empty, nothing was changed")
	cfg.Store.URL += "/missing/store.db"
	wantRefusal(t, cfg, off, "its directory must be there")
}
