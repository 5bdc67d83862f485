package exporter_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"cdr2otel/exporter/config"
	"cdr2otel/internal/otlptest"
	"cdr2otel/internal/postgrestest"
)

// heldFor is how long a webhook waits for a database that went away.
const heldFor = 5 * time.Second

// onServer is the configuration of a sidecar on a server of the test's own.
func onServer(t *testing.T, server *postgrestest.Server) config.Config {
	t.Helper()
	db, err := sql.Open("pgx", server.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), `CREATE SCHEMA own`); err != nil {
		t.Fatal(err)
	}
	return replicaConfiguration(t, server.URL()+"&search_path=own")
}

// held posts calls through one sidecar, each webhook once.
type held struct {
	*sidecar
	t *testing.T

	mu      sync.Mutex // guards what follows
	posted  int
	longest time.Duration
	some    chan struct{} // closed once some were acknowledged
}

func (h *held) post(e generated) {
	began := time.Now()
	status, _, err := h.Post(h.t.Context(), e.body)
	if err != nil || status != http.StatusOK {
		h.t.Errorf("%s was answered %d after %v, %v", e.id, status, time.Since(began), err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.posted++
	h.longest = max(h.longest, time.Since(began))
	if h.posted == 100 {
		close(h.some)
	}
}

// Nobody tries again: no balancer, and the platform does not. Some webhooks are being
// committed when the database goes away, some come while it is.
func TestWebhooksThatComeWhileTheDatabaseRestartsAreTakenWhenItIsBackAndExportedOnce(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t)
	roots := newRoots()
	receiver := otlptest.New(t, otlptest.Options{Discard: true, OnRequest: roots.note})
	h := &held{sidecar: start(t, onServer(t, server), overriding(receiver, otlptest.ProtocolGRPC)), t: t, some: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	tpl := callTemplate(t)
	var posting sync.WaitGroup
	for n := range 16 {
		posting.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				for _, e := range tpl.call(fmt.Sprintf("load%d-%d", n, i)) {
					h.post(e)
				}
			}
		})
	}
	<-h.some
	server.Restart()
	server.Stop(false)
	h.awaitReadiness(t, func(status int, _ readiness) bool { return status == http.StatusServiceUnavailable })
	for n := range 32 {
		for _, e := range tpl.call(fmt.Sprint("away-", n)) {
			posting.Go(func() { h.post(e) })
		}
	}
	server.Launch()
	cancel()
	posting.Wait()
	h.awaitReadiness(t, func(status int, r readiness) bool {
		return status == http.StatusOK && r.Events["exported"] == int64(h.posted) && r.Events["pending"] == 0
	})
	calls, repeated := roots.count()
	if calls != h.posted/4 || repeated > 0 {
		t.Errorf("%d calls were exported, %d of them more than once; want %d, once", calls, repeated, h.posted/4)
	}
	wantOutcomes(t, h.sidecar, h.posted)
	t.Logf("%d webhooks, 0 refused, 0 lost, answered after %v at most", h.posted, h.longest)
}

// roots counts how often each call arrived.
type roots struct {
	mu sync.Mutex
	by map[string]int
}

func newRoots() *roots { return &roots{by: map[string]int{}} }

func (r *roots) note(q otlptest.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, span := range q.Spans() {
		if len(span.ParentSpanId) == 0 {
			r.by[string(span.TraceId)]++
		}
	}
}

func (r *roots) count() (calls, repeated int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.by {
		if n > 1 {
			repeated++
		}
	}
	return len(r.by), repeated
}

func TestAWebhookIsRefusedWhenTheDatabaseStaysAwayAndCallersNeverWait(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t)
	receiver := otlptest.New(t, otlptest.Options{})
	s := start(t, onServer(t, server), overriding(receiver, otlptest.ProtocolGRPC))
	call := callTemplate(t).call("away")
	s.accepted(t, call[0].body)
	server.Stop(false)
	var posting sync.WaitGroup
	for range 8 {
		for _, e := range call[1:] {
			posting.Go(func() {
				began := time.Now()
				status, retryAfter, err := s.Post(t.Context(), e.body)
				took := time.Since(began)
				if err != nil || status != http.StatusServiceUnavailable || retryAfter <= 0 {
					t.Errorf("answered %d, Retry-After %v, %v; want 503", status, retryAfter, err)
				}
				if took < heldFor-100*time.Millisecond || took > heldFor+3*time.Second {
					t.Errorf("refused after %v, want %v", took, heldFor)
				}
			})
		}
	}
	for range 20 {
		began := time.Now()
		s.accepted(t, sample(t, "message_received.json"))
		if took := time.Since(began); took > time.Second && !raceEnabled {
			t.Errorf("a caller waited for %v", took)
		}
	}
	if status, _ := s.readiness(t); status != http.StatusServiceUnavailable {
		t.Errorf("readyz is %d, want 503 at once", status)
	}
	posting.Wait()
	server.Launch()
	s.awaitReadiness(t, func(status int, _ readiness) bool { return status == http.StatusOK })
	for _, e := range call[1:] {
		s.accepted(t, e.body)
	}
	awaitRequests(t, receiver, 1)
}

func TestAShutdownDoesNotWaitForTheDatabase(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t)
	cfg := onServer(t, server)
	cfg.ShutdownDelay, cfg.ShutdownTimeout = 0, 2*time.Second
	s := start(t, cfg, off())
	s.accepted(t, sample(t, "dtmf_call.cdr.json"))
	server.Stop(false)
	s.awaitReadiness(t, func(status int, _ readiness) bool { return status == http.StatusServiceUnavailable })
	answered := make(chan int)
	go func() {
		status, _, _ := s.Post(t.Context(), sample(t, "dtmf_call.message-1-start.json"))
		answered <- status
	}()
	begun := func() bool { return strings.Contains(shownAt(t, s.AdminAddr(), "/metrics"), "wxa_exporter_ready 0") }
	await(t, begun)
	began := time.Now()
	s.cancel()
	if status := <-answered; status != http.StatusServiceUnavailable {
		t.Errorf("answered %d, want 503", status)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > heldFor-time.Second {
		t.Errorf("it ended after %v", took)
	}
}

// The commit happens, and its answer is lost: it waits for a standby that there is not,
// and its connection is ended.
func TestAWebhookWhoseCommitWasNotAnsweredIsAcceptedOnce(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t, "wal_level=replica", "max_wal_senders=2")
	receiver := otlptest.New(t, otlptest.Options{})
	s := start(t, onServer(t, server), overriding(receiver, otlptest.ProtocolGRPC))
	db, err := sql.Open("pgx", server.URL()+"&synchronous_commit=off")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	execute := func(statement string) int64 {
		t.Helper()
		done, err := db.ExecContext(t.Context(), statement)
		if err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
		n, _ := done.RowsAffected()
		return n
	}
	execute(`ALTER SYSTEM SET synchronous_standby_names = 'nobody'`)
	execute(`SELECT pg_reload_conf()`)
	call := callTemplate(t).call("unanswered")
	answered := make(chan int)
	go func() {
		status, _, _ := s.Post(t.Context(), call[0].body)
		answered <- status
	}()
	await(t, func() bool {
		return execute(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`) > 0
	})
	execute(`ALTER SYSTEM RESET synchronous_standby_names`)
	execute(`SELECT pg_reload_conf()`)
	if status := <-answered; status != http.StatusOK {
		t.Errorf("answered %d", status)
	}
	for _, e := range call[1:] {
		s.accepted(t, e.body)
	}
	awaitRequests(t, receiver, 1)
	wantOutcomes(t, s, 4)
}

// wantOutcomes: every webhook counts as accepted, whatever it took.
func wantOutcomes(t *testing.T, s *sidecar, accepted int) {
	t.Helper()
	page := s.scrape(t)
	for outcome, want := range map[string]int{"accepted": accepted, "duplicate": 0, "refused": 0} {
		if got, _ := page.find("wxa_exporter_events_total", []string{"wxa_outcome=" + outcome}); got != float64(want) {
			t.Errorf("%v webhooks count as %s, want %d", got, outcome, want)
		}
	}
}
