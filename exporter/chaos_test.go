package exporter_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"cdr2otel/internal/otlptest"
	"cdr2otel/internal/postgrestest"
	"cdr2otel/internal/testenv"
)

const (
	// fewChaosCalls give each poster two mixes of calls.
	fewChaosCalls = 2 * chaosPosters * chaosMix
	chaosReplicas = 3
	chaosPosters  = 8
	// chaosWait is how long a call waits for its messages, and a message for its call:
	// longer than an outage, shorter than a claim on a request.
	chaosWait = 45 * time.Second
	// chaosClaim is longer than a claim lasts.
	chaosClaim = 62 * time.Second
	// afterOutage is how long a replica that does nothing may take to notice that its
	// connection is gone.
	afterOutage = 6 * time.Second
	// chaosRestarts of the database, at equal distances.
	chaosRestarts = 4
)

// Three processes on one database, behind a load balancer. They are killed, one of them
// hangs for longer than its claims last, and the database stops in every way that it
// can. What was acknowledged leaves; a call of which all was acknowledged leaves as the
// mapping makes it of its webhooks at once; and it leaves twice only where that can't be
// helped: the collector's yes was never written down.
func TestThreeReplicasLoseNothingAndRepeatNothingWhileTheyAndTheirDatabaseAreKilled(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes more than a minute: run without -short")
	}
	c := newChaos(t)
	c.launchAll()
	var posters sync.WaitGroup
	for n := range chaosPosters {
		posters.Go(func() { c.book.postAll(t.Context(), rand.New(rand.NewPCG(6, uint64(n))), n) })
	}
	over := make(chan struct{})
	go func() {
		posters.Wait()
		close(over)
	}()
	c.disturb(over)
	c.launchAll()
	c.thaw()
	c.awaitAcknowledged()
	ledger := c.settled()
	for _, r := range c.replicas {
		r.terminate()
	}
	c.judge(ledger)
}

// chaos is the state of the test.
type chaos struct {
	t        *testing.T
	server   *postgrestest.Server
	calls    int // to post
	replicas []*replica
	book     *book
	exports  *exports
	seen     *sightings
	random   *rand.Rand

	// Owned by the goroutine of the test.
	kills, launches int
	frozen          *replica
	frozenAt        time.Time
	outages         []span
}

// span of time.
type span struct{ from, to time.Time }

func newChaos(t *testing.T) *chaos {
	t.Helper()
	c := &chaos{t: t, server: postgrestest.Start(t), calls: testenv.Rounds(t, testenv.ChaosCalls, fewChaosCalls), exports: newExports(), seen: newSightings(), random: rand.New(rand.NewPCG(7, 7))}
	receiver := otlptest.New(t, otlptest.Options{Discard: true, OnRequest: func(q otlptest.Request) {
		c.exports.note(q)
		c.seen.note(q)
	}})
	for n := range chaosReplicas {
		r := &replica{process: &process{t: t, dir: t.TempDir(), endpoint: receiver.GRPCEndpoint(), up: make(chan struct{})}, number: n}
		t.Cleanup(r.kill)
		c.replicas = append(c.replicas, r)
	}
	c.book = newBook(t, c.replicas, c.calls)
	return c
}

// replica is a process that is launched again and again; each launch has a name.
type replica struct {
	*process
	number, count int
	hidden        string // its URL while it hangs; guarded by mu
}

func (r *replica) name() string { return fmt.Sprintf("%d.%d", r.number, r.count) }

// launch launches one that is down.
func (c *chaos) launch(r *replica) {
	c.t.Helper()
	if r.current() != "" || r == c.frozen {
		return
	}
	r.count++
	c.launches++
	r.env = []string{storeEnv + "=" + c.server.URL(), waitEnv + "=" + chaosWait.String(), launchEnv + "=" + r.name()}
	if err := r.begin(); err != nil {
		c.t.Fatalf("replica %s did not start: %v", r.name(), err)
	}
}

func (c *chaos) launchAll() {
	c.t.Helper()
	for _, r := range c.replicas {
		c.launch(r)
	}
}

// disturb disturbs until all is posted.
func (c *chaos) disturb(over <-chan struct{}) {
	total := c.calls * len(c.book.template.bodies)
	restarted := 0
	for {
		select {
		case <-c.book.acks:
		case <-over:
			if restarted < chaosRestarts || c.frozen == nil {
				c.t.Errorf("all was posted after %d restarts of the database", restarted)
			}
			return
		}
		switch n := c.book.count(); {
		case restarted < chaosRestarts && n >= c.book.restartAt(restarted):
			close(c.book.restarts[restarted])
			c.stopDatabase(restarted)
			restarted++
		case c.frozen == nil && n >= total*2/5:
			c.freeze()
		case n < total*4/5 && c.random.IntN(min(200, total/8)) == 0: // what the last ones claimed is waited for
			c.killSome()
		}
	}
}

// killSome kills one replica, or two at once.
func (c *chaos) killSome() {
	for range 1 + c.random.IntN(2) {
		c.kill(c.replicas[c.random.IntN(chaosReplicas)])
	}
	c.launchAll()
}

func (c *chaos) kill(r *replica) {
	if r.current() == "" {
		return // it is down, or hangs
	}
	r.kill()
	c.kills++
	c.exports.died(r.name())
}

// freeze lets a replica hang in whatever it does, with its claims and locks, and without
// an answer to whoever has sent it something.
func (c *chaos) freeze() {
	c.frozen, c.frozenAt = c.replicas[c.random.IntN(chaosReplicas)], time.Now()
	c.frozen.signal(syscall.SIGSTOP)
	c.frozen.hide(true)
}

// thaw lets it go on where it was, when others have taken over what it had claimed.
func (c *chaos) thaw() {
	<-time.After(time.Until(c.frozenAt.Add(chaosClaim)))
	c.frozen.hide(false)
	c.frozen.signal(syscall.SIGCONT)
}

// stopDatabase stops it in one of three ways, and launches it again. Once a replica
// dies meanwhile, and another is launched that finds no database.
func (c *chaos) stopDatabase(n int) {
	from := time.Now()
	switch n % 3 {
	case 0:
		c.server.Stop(true)
	case 1:
		c.server.Kill()
	default:
		c.server.Stop(false)
		c.kill(c.replicas[c.random.IntN(chaosReplicas)])
		c.launchAll()
	}
	c.server.Launch()
	for _, r := range c.replicas {
		if r.current() != "" {
			c.awaitReady(r)
		}
	}
	c.outages = append(c.outages, span{from, time.Now().Add(afterOutage)})
}

// awaitReady asks until a replica is ready, for a minute.
func (c *chaos) awaitReady(r *replica) {
	c.t.Helper()
	limit := time.After(time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		status, words := r.readyz(c.t.Context())
		if status == http.StatusOK {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			c.t.Fatalf("replica %s does not recover: %d %s", r.name(), status, words)
		}
	}
}

// settled is the ledger, which all replicas tell alike, once nothing is pending. One that
// hung may have to connect anew, and has none to tell meanwhile.
func (c *chaos) settled() map[string]int64 {
	c.t.Helper()
	limit := time.After(2 * time.Minute)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		var ledgers []map[string]int64
		for _, r := range c.replicas {
			ledgers = append(ledgers, r.ledger(c.t.Context()))
		}
		if !slices.ContainsFunc(ledgers, isPending) {
			for i, r := range c.replicas[1:] {
				if other := ledgers[i+1]; !maps.Equal(other, ledgers[0]) {
					c.t.Errorf("replica %s says %v, replica %s %v", r.name(), other, c.replicas[0].name(), ledgers[0])
				}
			}
			return ledgers[0]
		}
		select {
		case <-tick.C:
		case <-limit:
			c.t.Fatalf("events stay pending: %v", ledgers)
		}
	}
}

// awaitAcknowledged returns once every acknowledged event was received.
func (c *chaos) awaitAcknowledged() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 2*chaosClaim)
	defer cancel()
	if missing := c.seen.await(ctx, c.book.acknowledged()); len(missing) > 0 {
		c.t.Fatalf("%d acknowledged events never arrived, the first: %v", len(missing), missing[:min(5, len(missing))])
	}
}

// current is the URL of the child, "" when it is down.
func (p *process) current() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.url
}

// hide takes a child that hangs out of the balancer, or back in.
func (r *replica) hide(hidden bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if hidden {
		r.hidden, r.url = r.url, ""
		return
	}
	r.url, r.hidden = r.hidden, ""
}

func (p *process) readyz(ctx context.Context) (status int, words string) {
	p.mu.Lock()
	health := p.health
	p.mu.Unlock()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+health+"/readyz", nil)
	if err != nil {
		return 0, err.Error()
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	var ready readiness
	if err := json.NewDecoder(resp.Body).Decode(&ready); err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, ready.NotReady
}
