package exporter_test

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cdr2otel/exporter/config"
	"cdr2otel/internal/client"
	"cdr2otel/internal/otlptest"
	"cdr2otel/internal/schematest"
)

// promptly is how soon a call leaves after its last piece, whoever got that.
const promptly = 500 * time.Millisecond

// startReplicas runs sidecars on one schema. Calls wait for their messages for as long
// as it takes.
func startReplicas(t testing.TB, at string, n int, receiver *otlptest.Receiver) []*sidecar {
	t.Helper()
	replicas := make([]*sidecar, n)
	for i := range replicas {
		replicas[i] = start(t, replicaConfiguration(t, at), overriding(receiver, otlptest.ProtocolGRPC))
	}
	return replicas
}

func replicaConfiguration(t testing.TB, at string) config.Config {
	cfg := configuration(t.TempDir())
	cfg.Store.URL = at
	cfg.Correlation.Grace, cfg.Correlation.Window = time.Hour, time.Hour
	return cfg
}

func TestACallLeavesPromptlyWhicheverReplicaGotItsLastPiece(t *testing.T) {
	t.Parallel()
	at, _ := schematest.New(t)
	arrivals := newArrivals()
	receiver := otlptest.New(t, otlptest.Options{OnRequest: arrivals.note})
	replicas := startReplicas(t, at, 3, receiver)
	tpl := callTemplate(t)
	inTime(t, func(try int) (took []time.Duration) {
		for n := range 24 { // each webhook is the last, at each replica, twice
			call := tpl.call(fmt.Sprintf("prompt%d-%d", try, n))
			for i := range call {
				replicas[(n/4+i)%3].accepted(t, call[(n+i)%4].body)
			}
			complete := time.Now()
			took = append(took, arrivals.await(t, call[0].id).Sub(complete))
		}
		return took
	})
}

// A replica that died before it told anybody leaves what nobody was told of.
func TestWhatNobodyWasToldOfLeavesPromptlyToo(t *testing.T) {
	t.Parallel()
	at, db := schematest.New(t)
	arrivals := newArrivals()
	receiver := otlptest.New(t, otlptest.Options{OnRequest: arrivals.note})
	replicas := startReplicas(t, at, 2, receiver)
	tpl := callTemplate(t)
	inTime(t, func(try int) (took []time.Duration) {
		for n := range 8 {
			call := tpl.call(fmt.Sprintf("untold%d-%d", try, n))
			for i, e := range call[:3] { // one is missing, so that it waits
				replicas[i%2].accepted(t, e.body)
			}
			if _, err := db.ExecContext(t.Context(), `UPDATE subject SET due_at = 1, not_before = 0 WHERE state = 'open'`); err != nil {
				t.Fatal(err)
			}
			due := time.Now()
			took = append(took, arrivals.await(t, call[0].id).Sub(due))
		}
		return took
	})
}

// inTime wants it of the middle one: any one may have waited for this machine. The
// machine may be busy with something else for a while, so it has several tries. The race
// detector makes time a matter of its own.
func inTime(t *testing.T, measure func(try int) []time.Duration) {
	t.Helper()
	want, tries := promptly, 5
	if raceEnabled {
		want *= 10
	}
	for try := range tries {
		took := measure(try)
		slices.SortFunc(took, cmp.Compare)
		middle := took[len(took)/2]
		t.Logf("left after %v (median), %v at most", middle, took[len(took)-1])
		if middle <= want {
			return
		}
	}
	t.Errorf("each time it left later than %v in the median", want)
}

// arrivals are when calls arrived, by the id of the call.
type arrivals struct {
	mu   sync.Mutex // guards what follows
	at   map[string]time.Time
	more chan struct{} // closed and replaced at each arrival
}

func newArrivals() *arrivals {
	return &arrivals{at: map[string]time.Time{}, more: make(chan struct{})}
}

func (a *arrivals) note(q otlptest.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, span := range q.Spans() {
		if id := attribute(span, "wxa.call.id"); id != "" && a.at[id].IsZero() {
			a.at[id] = time.Now()
		}
	}
	close(a.more)
	a.more = make(chan struct{})
}

func (a *arrivals) await(t *testing.T, id string) time.Time {
	t.Helper()
	limit := time.After(2 * time.Minute)
	for {
		a.mu.Lock()
		at, more := a.at[id], a.more
		a.mu.Unlock()
		if !at.IsZero() {
			return at
		}
		select {
		case <-more:
		case <-limit:
			t.Fatalf("%s did not leave", id)
		}
	}
}

// A role that may not log in any more is a database that is gone for one replica alone.
func TestAReplicaWithoutItsDatabaseRefusesSaysWhyAndRecoversWhileTheOtherGoesOn(t *testing.T) {
	t.Parallel()
	at, db := schematest.New(t)
	execute := func(statement string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	role := schematest.Role(t, db)
	execute(`ALTER ROLE ` + role + ` SUPERUSER`)
	const password = "swordfish-of-the-database"
	own, err := url.Parse(schematest.With(t, at, "user", role))
	if err != nil {
		t.Fatal(err)
	}
	receiver := otlptest.New(t, otlptest.Options{})
	log := &buffer{}
	opts := overriding(receiver, otlptest.ProtocolGRPC)
	opts.Logger = slog.New(slog.NewTextHandler(log, nil))
	cut := start(t, replicaConfiguration(t, schematest.With(t, own.String(), "password", password)), opts)
	other := startReplicas(t, at, 1, receiver)[0]
	call, second := callTemplate(t).call("whole"), callTemplate(t).call("second")
	cut.accepted(t, call[0].body)
	before := strings.Count(log.String(), "\n")

	execute(`ALTER ROLE ` + role + ` NOLOGIN`)
	execute(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '` + role + `'`)
	var words string // first that the connection ended, then why there is no other
	cut.awaitReadiness(t, func(status int, r readiness) bool {
		if words += r.NotReady; status == http.StatusServiceUnavailable && !strings.HasPrefix(r.NotReady, "database is unavailable: ") {
			t.Errorf("it is not ready because %q", r.NotReady)
		}
		return strings.Contains(r.NotReady, "not permitted to log in")
	})
	if strings.Contains(words, "\n") {
		t.Errorf("the reason has several lines: %q", words)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var posting sync.WaitGroup
	for range 100 { // two seconds, and as long as each waits
		<-tick.C
		posting.Go(func() {
			status, retryAfter, err := cut.Post(t.Context(), call[1].body)
			if err != nil || status != http.StatusServiceUnavailable || retryAfter <= 0 {
				t.Errorf("a webhook was answered %d, Retry-After %v, %v; want 503", status, retryAfter, err)
			}
		})
	}
	posting.Wait()
	for _, e := range second {
		other.accepted(t, e.body)
	}
	awaitRequests(t, receiver, 1)

	execute(`ALTER ROLE ` + role + ` LOGIN`)
	cut.awaitReadiness(t, func(status int, _ readiness) bool { return status == http.StatusOK })
	for _, e := range call[1:] {
		cut.accepted(t, e.body)
	}
	awaitRequests(t, receiver, 2)
	cut.awaitReadiness(t, func(_ int, r readiness) bool { return r.Events["exported"] == 8 })
	// A hundred webhooks were refused, and the database was asked about as often.
	if n := strings.Count(log.String(), "\n") - before; n == 0 || n > 40 {
		t.Errorf("an outage of some seconds is %d lines of log:\n%s", n, log)
	}
	if strings.Contains(log.String()+words, password) {
		t.Error("the password of the database is told")
	}
}

func TestARollingRestartUnderLoadRefusesNoWebhookAndLosesNothing(t *testing.T) {
	t.Parallel()
	at, _ := schematest.New(t)
	seen := newSightings()
	receiver := otlptest.New(t, otlptest.Options{Discard: true, OnRequest: seen.note})
	var all []*slot
	for range 3 {
		s := &slot{run: func() *sidecar {
			cfg := replicaConfiguration(t, at)
			cfg.ShutdownDelay = 3 * time.Second // a probe needs a fraction of one
			return start(t, cfg, overriding(receiver, otlptest.ProtocolGRPC))
		}}
		s.set(s.run())
		all = append(all, s)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, s := range all {
		running.Go(func() { s.check(ctx) })
	}
	load := &rollingLoad{t: t, slots: all, started: make(chan struct{})}
	for n := range 4 {
		running.Go(func() { load.post(ctx, n) })
	}
	<-load.started
	for _, s := range all {
		if err := s.get().stop(); err != nil {
			t.Error(err)
		}
		s.set(s.run())
	}
	cancel()
	running.Wait()
	waiting, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	if missing := seen.await(waiting, load.acknowledged); len(missing) > 0 {
		t.Errorf("%d of %d acknowledged events never arrived", len(missing), len(load.acknowledged))
	}
	t.Logf("three replicas restarted, %d webhooks accepted, 0 refused, 0 lost", len(load.acknowledged))
}

// slot is where a replica runs, and what a load balancer knows of it: what its probe says.
type slot struct {
	run func() *sidecar

	mu      sync.Mutex // guards what follows
	sidecar *sidecar
	ready   bool
}

func (s *slot) set(next *sidecar) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sidecar = next
}

func (s *slot) get() *sidecar {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sidecar
}

// check probes until ctx ends.
func (s *slot) check(ctx context.Context) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		resp, err := client.Get("http://" + s.get().HealthAddr() + "/readyz")
		if err == nil {
			resp.Body.Close()
		}
		s.mu.Lock()
		s.ready = err == nil && resp.StatusCode == http.StatusOK
		s.mu.Unlock()
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

func (s *slot) url() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ready {
		return ""
	}
	return s.sidecar.WebhookURL(config.DefaultSource)
}

// rollingLoad posts each webhook once, to a replica that is ready.
type rollingLoad struct {
	t     *testing.T
	slots []*slot

	started chan struct{} // closed once some were accepted

	mu           sync.Mutex // guards what follows
	acknowledged []string
}

// post takes a connection for each request, as a proxy does by default. Calls are posted
// to their end, so that all leave.
func (l *rollingLoad) post(ctx context.Context, poster int) {
	hooks := &client.Client{Secret: secret, HTTPClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}}
	tpl := callTemplate(l.t)
	tick := time.NewTicker(5 * time.Millisecond) // nor does it take the machine from the probes
	defer tick.Stop()
	for n := 0; ctx.Err() == nil; n++ {
		for i, e := range tpl.call(fmt.Sprintf("roll%d-%d", poster, n)) {
			for next := n + i; ; next++ {
				<-tick.C
				if hooks.URL = l.slots[next%len(l.slots)].url(); hooks.URL != "" {
					break
				}
			}
			status, _, err := hooks.Post(context.WithoutCancel(ctx), e.body)
			if err != nil || status != http.StatusOK {
				l.t.Errorf("a webhook was answered %d, %v", status, err)
				return
			}
			l.accepted(e.id)
		}
	}
}

func (l *rollingLoad) accepted(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acknowledged = append(l.acknowledged, id)
	if len(l.acknowledged) == 100 {
		close(l.started)
	}
}
