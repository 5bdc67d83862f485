package delivery

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"
)

// fakeOutbox is an outbox in memory, with the rules of the store.
type fakeOutbox struct {
	mu      sync.Mutex
	rows    []Request // open ones, by id
	claimed map[int64]bool
	aside   map[int64]time.Time // not to be claimed before
	last    int64
	most    int // most rows claimed at once
	settled []Settlement
	changed chan struct{} // closed and replaced at each change
	fenced  map[int64]bool
	// away is how many calls find no outbox from now on; unsure: what they ask is done.
	away   int
	unsure bool
}

func newOutbox(bodies ...string) *fakeOutbox {
	o := &fakeOutbox{claimed: map[int64]bool{}, aside: map[int64]time.Time{}, changed: make(chan struct{}), fenced: map[int64]bool{}}
	o.add(bodies...)
	return o
}

func (o *fakeOutbox) add(bodies ...string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, b := range bodies {
		o.last++
		o.rows = append(o.rows, Request{ID: o.last, Signal: "traces", Body: []byte(b), CreatedAt: time.Now(), Handle: o.last})
	}
}

func (o *fakeOutbox) Claim(_ context.Context, signal string, after int64, limit int) ([]Request, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.isAway() {
		return nil, ErrUnavailable
	}
	var out []Request
	for _, r := range o.rows {
		if r.ID > after && r.Signal == signal && !o.claimed[r.ID] && !time.Now().Before(o.aside[r.ID]) && len(out) < limit {
			o.claimed[r.ID] = true
			out = append(out, r)
		}
	}
	o.most = max(o.most, len(o.claimed))
	return out, nil
}

func (o *fakeOutbox) isAway() bool {
	if o.away > 0 {
		o.away--
		return true
	}
	return false
}

func (o *fakeOutbox) Settle(ctx context.Context, settled []Settlement) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	away := o.isAway()
	if away && !o.unsure {
		return ErrUnavailable
	}
	var lost []int64
	for _, s := range settled {
		if o.fenced[s.Request.ID] {
			lost = append(lost, s.Request.ID)
			continue
		}
		o.settle(s)
		o.settled = append(o.settled, s)
	}
	close(o.changed)
	o.changed = make(chan struct{})
	if away {
		for _, s := range settled {
			o.fenced[s.Request.ID] = true
		}
		return ErrUnavailable
	}
	if lost != nil {
		return &LostError{lost}
	}
	return nil
}

func (o *fakeOutbox) settle(s Settlement) {
	delete(o.claimed, s.Request.ID)
	n := slices.IndexFunc(o.rows, func(r Request) bool { return r.ID == s.Request.ID })
	switch s.Verdict {
	case VerdictHold:
		o.aside[s.Request.ID] = time.Now().Add(s.Aside)
		return
	case VerdictRetry:
		o.aside[s.Request.ID] = time.Now().Add(s.Aside)
		o.rows[n].Attempts++
		return
	case VerdictSplit:
		for _, p := range s.Parts {
			o.last++
			o.rows = append(o.rows, Request{ID: o.last, Signal: "traces", Part: 1, Body: p})
		}
	}
	o.rows = slices.Delete(o.rows, n, n+1)
}

// wait until the settlements so far are enough; returns them.
func (o *fakeOutbox) wait(t *testing.T, enough func([]Settlement) bool) []Settlement {
	t.Helper()
	for {
		o.mu.Lock()
		settled, changed := slices.Clone(o.settled), o.changed
		o.mu.Unlock()
		if enough(settled) {
			return settled
		}
		select {
		case <-changed:
		case <-t.Context().Done():
			t.Fatal("test ended first")
		}
	}
}

// finished is how many requests left the outbox for good.
func finished(n int) func([]Settlement) bool {
	return func(all []Settlement) bool { return len(bodies(all, VerdictDone))+len(bodies(all, VerdictDead)) >= n }
}

// bodies of the settlements with a verdict, in order.
func bodies(all []Settlement, v Verdict) []string {
	var out []string
	for _, s := range all {
		if s.Verdict == v {
			out = append(out, string(s.Request.Body))
		}
	}
	return out
}

// open rows.
func (o *fakeOutbox) open() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.rows)
}

// clientFunc is a client without a network.
type clientFunc func(ctx context.Context, body string) Answer

func (f clientFunc) Send(ctx context.Context, body []byte) Answer { return f(ctx, string(body)) }
func (clientFunc) Close() error                                   { return nil }

// halves is a Split for bodies that are just text.
func halves(body []byte, limit int) ([][]byte, error) {
	if len(body) < 2 {
		return nil, errors.New("one span")
	}
	return [][]byte{body[:limit], body[limit:]}, nil
}

// run a delivery until the test ends, or stop is called.
func run(t *testing.T, c Config) (d *Delivery, stop func()) {
	t.Helper()
	return start(t, c, func(*Delivery) {})
}

// start is run with something to be done before.
func start(t *testing.T, c Config, before func(*Delivery)) (d *Delivery, stop func()) {
	t.Helper()
	c.Signal = "traces"
	if c.Split == nil {
		c.Split = halves
	}
	if c.Count == nil {
		c.Count = func(body []byte) int { return len(body) }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	d, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	before(d)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return d, stop
}
