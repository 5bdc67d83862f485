package exporter_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"time"

	"cdr2otel/exporter/config"
	"cdr2otel/internal/otlptest"
	"cdr2otel/internal/postgrestest"
)

// heldFor is how long a webhook waits for a database that went away, and heldAtMost what
// it would wait for a store that does not answer.
const (
	heldFor    = 5 * time.Second
	heldAtMost = 10 * time.Second
)

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
	refused []string
	longest time.Duration
	some    chan struct{} // closed once some were answered
}

func (h *held) post(e generated) {
	began := time.Now()
	status, _, err := h.Post(h.t.Context(), e.body)
	took := time.Since(began)
	if err != nil || status != http.StatusOK && status != http.StatusServiceUnavailable {
		h.t.Errorf("%s was answered %d after %v, %v", e.id, status, took, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.posted++
	h.longest = max(h.longest, took)
	if status == http.StatusServiceUnavailable {
		h.refused = append(h.refused, fmt.Sprintf("%s was refused after %v", e.id, took))
	}
	if h.posted == 100 {
		close(h.some)
	}
}

// Nobody tries again: no balancer, and the platform does not. Some webhooks are being
// committed when the database goes away, some come while it is. Where the machine took
// so long to start the database that webhooks were rightly refused, it is tried again.
func TestWebhooksThatComeWhileTheDatabaseRestartsAreTakenWhenItIsBackAndExportedOnce(t *testing.T) {
	t.Parallel()
	const tries = 5
	for try := 1; ; try++ {
		refused, away := postWhileItRestarts(t)
		if len(refused) == 0 {
			return
		}
		if away < heldFor-time.Second || try == tries {
			t.Fatalf("the database was away for %v at most, and %d webhooks were refused, the first: %s", away, len(refused), refused[0])
		}
		t.Logf("the database was away for %v: again", away)
	}
}

// postWhileItRestarts returns what was refused, and how long the database was away at
// most.
func postWhileItRestarts(t *testing.T) (refused []string, away time.Duration) {
	t.Helper()
	server := postgrestest.Start(t)
	roots := newRoots()
	receiver := otlptest.New(t, otlptest.Options{Discard: true, OnRequest: roots.note})
	h := &held{sidecar: start(t, onServer(t, server), overriding(receiver, otlptest.ProtocolGRPC)), t: t, some: make(chan struct{})}
	ready := func(status int, _ readiness) bool { return status == http.StatusOK }
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
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
	left := time.Now()
	server.Restart()
	h.awaitReadiness(t, ready)
	away = time.Since(left)

	left = time.Now()
	server.Stop(false)
	h.awaitReadiness(t, func(status int, _ readiness) bool { return status == http.StatusServiceUnavailable })
	for n := range 32 {
		for _, e := range tpl.call(fmt.Sprint("away-", n)) {
			posting.Go(func() { h.post(e) })
		}
	}
	server.Launch()
	h.awaitReadiness(t, ready)
	away = max(away, time.Since(left))
	cancel()
	posting.Wait()
	if len(h.refused) == 0 {
		h.exportedOnce(roots)
	}
	if err := h.stop(); err != nil {
		t.Error(err)
	}
	return h.refused, away
}

// exportedOnce: everything that was posted.
func (h *held) exportedOnce(roots *roots) {
	h.t.Helper()
	h.awaitReadiness(h.t, func(status int, r readiness) bool {
		return status == http.StatusOK && r.Events["exported"] == int64(h.posted) && r.Events["pending"] == 0
	})
	calls, repeated := roots.count()
	if calls != h.posted/4 || repeated > 0 {
		h.t.Errorf("%d calls were exported, %d of them more than once; want %d, once", calls, repeated, h.posted/4)
	}
	wantOutcomes(h.t, h.sidecar, h.posted)
	h.t.Logf("%d webhooks, 0 refused, 0 lost, answered after %v at most", h.posted, h.longest)
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
				if took < heldFor-100*time.Millisecond || took > heldAtMost {
					t.Errorf("refused after %v, want %v", took, heldFor)
				}
			})
		}
	}
	for range 20 {
		began := time.Now()
		s.accepted(t, sample(t, "message_received.json"))
		if took := time.Since(began); took > heldFor/2 {
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
	await(t, func() bool { return strings.Contains(shownAt(t, s.AdminAddr(), "/metrics"), "wxa_exporter_ready 0") })
	answered := make(chan int)
	begun, ctx := begins(t, s)
	body := sample(t, "dtmf_call.message-1-start.json")
	go func() {
		status, _, _ := s.Post(ctx, body)
		answered <- status
	}()
	select {
	case <-begun:
	case <-answered:
		t.Fatal("it was answered before it was begun")
	}
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

// begins lets a client ask before it sends a body. The channel is closed when the sidecar
// wants to read that of a request with this context: from then on it is being answered.
func begins(t *testing.T, s *sidecar) (begun chan struct{}, ctx context.Context) {
	begun = make(chan struct{})
	transport := newTransport()
	transport.ExpectContinueTimeout = time.Minute
	t.Cleanup(transport.CloseIdleConnections)
	s.Client.HTTPClient = &http.Client{Transport: asking{transport}, Timeout: time.Minute}
	return begun, httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got100Continue: sync.OnceFunc(func() { close(begun) })})
}

// asking asks whether a body is wanted.
type asking struct{ http.RoundTripper }

func (a asking) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Expect", "100-continue")
	return a.RoundTripper.RoundTrip(r)
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
	awaitWaitingCommits(t, server, execute)
	call := callTemplate(t).call("unanswered")
	answered := make(chan int)
	go func() {
		status, _, _ := s.Post(t.Context(), call[0].body)
		answered <- status
	}()
	await(t, func() bool {
		return execute(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = 'cdr2otel'`) > 0
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

// awaitWaitingCommits returns once commits wait for a standby: the server reads its
// configuration anew in its own time.
func awaitWaitingCommits(t *testing.T, server *postgrestest.Server, execute func(statement string) int64) {
	t.Helper()
	db, err := sql.Open("pgx", server.URL()+"&application_name=trying")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var trying sync.WaitGroup
	trying.Go(func() {
		for err := error(nil); err == nil; { // until the one that waits is ended
			_, err = db.ExecContext(t.Context(), `SELECT pg_logical_emit_message(true, 'trying', '')`)
		}
	})
	await(t, func() bool {
		return execute(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = 'trying'`) > 0
	})
	trying.Wait()
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
