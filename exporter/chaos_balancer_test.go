package exporter_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"cdr2otel/internal/client"
)

const (
	// plainEvery: of each so many calls one is sent by somebody who tries once.
	plainEvery = 10
	// chaosMix is how many calls of a poster are under way at once.
	chaosMix = 10
	// answerWithin is how long the balancer waits for an answer.
	answerWithin = 5 * time.Second
)

// book is what was posted, and what became of it.
type book struct {
	t        testing.TB
	replicas []*replica
	template template
	total    int                          // calls to post
	acks     chan struct{}                // one per acknowledgement
	restarts [chaosRestarts]chan struct{} // closed when the database is about to be stopped

	mu         sync.Mutex // guards what follows
	entries    map[string]*entry
	calls      []*posted
	acked      int
	refused    int // answers 503
	unanswered int // requests without an answer
}

// entry is one webhook.
type entry struct {
	acknowledged bool
	uncertain    bool // refused or unanswered at some time: it may be stored
}

// posted is a call.
type posted struct {
	events      []generated
	first, last time.Time // the first was sent, the last had its answer
}

func newBook(t testing.TB, replicas []*replica, calls int) *book {
	b := &book{
		t: t, replicas: replicas, template: callTemplate(t), total: calls, entries: map[string]*entry{},
		acks: make(chan struct{}, calls*8),
	}
	for n := range b.restarts {
		b.restarts[n] = make(chan struct{})
	}
	return b
}

// restartAt is how many events are acknowledged when the database is stopped.
func (b *book) restartAt(n int) int {
	return b.total * len(b.template.bodies) * (n + 1) / (chaosRestarts + 1)
}

// pace keeps posters from getting ahead of the restarts of the database.
func (b *book) pace(ctx context.Context) {
	acked := b.count()
	for n, begun := range b.restarts {
		if acked < b.restartAt(n) {
			return
		}
		select {
		case <-begun:
		case <-ctx.Done():
		}
	}
}

// postAll posts a poster's share of the calls: some at a time, their webhooks in
// random order, each to a random replica, a few twice.
func (b *book) postAll(ctx context.Context, random *rand.Rand, poster int) {
	transport := newTransport()
	defer transport.CloseIdleConnections()
	hooks := &client.Client{Secret: secret, HTTPClient: &http.Client{Transport: transport, Timeout: answerWithin}}
	for n := 0; n < b.total/chaosPosters; n += chaosMix {
		type hook struct {
			call  *posted
			event generated
			plain bool
		}
		var mixed []hook
		for i := range chaosMix {
			call := &posted{events: b.template.call(fmt.Sprintf("x%d-%d", poster, n+i))}
			b.add(call)
			for _, e := range call.events {
				mixed = append(mixed, hook{call, e, i%plainEvery == 0})
			}
		}
		random.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		for _, h := range mixed {
			b.pace(ctx)
			b.began(h.call)
			b.balance(ctx, hooks, random, h.event, h.plain)
			if !h.plain && random.IntN(20) == 0 {
				b.balance(ctx, hooks, random, h.event, false)
			}
			b.ended(h.call)
		}
	}
}

func (b *book) add(call *posted) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range call.events {
		b.entries[e.id] = &entry{}
	}
	b.calls = append(b.calls, call)
}

func (b *book) began(call *posted) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if call.first.IsZero() {
		call.first = time.Now()
	}
}

func (b *book) ended(call *posted) {
	b.mu.Lock()
	defer b.mu.Unlock()
	call.last = time.Now()
}

// balance sends a webhook as a load balancer does: to a replica at random, and to the
// next when there is none. One with retries also goes to the next when there is no
// answer, or a 503, until it is taken; a plain one does not.
func (b *book) balance(ctx context.Context, hooks *client.Client, random *rand.Rand, e generated, plain bool) {
	pause := time.NewTicker(100 * time.Millisecond)
	defer pause.Stop()
	for {
		for _, n := range random.Perm(len(b.replicas)) {
			if b.send(ctx, hooks, b.replicas[n].current(), e, plain) {
				return
			}
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return
		}
	}
}

// send tells whether that was it.
func (b *book) send(ctx context.Context, hooks *client.Client, url string, e generated, plain bool) bool {
	if url == "" {
		return false
	}
	hooks.URL = url
	status, retryAfter, err := hooks.Post(ctx, e.body)
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		return false // nobody is there
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	entry := b.entries[e.id]
	switch {
	case err != nil:
		b.unanswered++
		entry.uncertain = true
		return plain
	case status == http.StatusServiceUnavailable:
		if retryAfter <= 0 {
			b.t.Error("a 503 has no Retry-After")
		}
		b.refused++
		entry.uncertain = true
		return plain
	case status != http.StatusOK:
		b.t.Errorf("webhook answered %d", status)
		return true
	}
	if !entry.acknowledged {
		entry.acknowledged = true
		b.acked++
		b.acks <- struct{}{}
	}
	return true
}

// count of acknowledged events.
func (b *book) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.acked
}

// acknowledged events, and how many others may be stored.
func (b *book) acknowledged() (ids []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, e := range b.entries {
		if e.acknowledged {
			ids = append(ids, id)
		}
	}
	return ids
}

// uncertain is how many events may or may not be stored.
func (b *book) uncertain() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.entries {
		if e.uncertain && !e.acknowledged {
			n++
		}
	}
	return n
}

// whole says whether all of a call was acknowledged, and in time: else it may rightly
// have left in pieces.
func (b *book) whole(call *posted) bool {
	for _, e := range call.events {
		if !b.entries[e.id].acknowledged {
			return false
		}
	}
	return call.last.Sub(call.first) < chaosWait
}
