package main

import (
	"context"
	"sync"
	"time"
)

// gate is what the posters of a replay share: when one has to wait, all wait.
type gate struct {
	now  func() time.Time
	wait func(context.Context, time.Duration) error

	mu        sync.Mutex
	notBefore time.Time // guarded by mu
	last      int       // guarded by mu: number of the last pause
	inRow     int       // guarded by mu: pauses since a body was settled
	settled   int64     // guarded by mu: bodies with an answer that decides
}

// pass returns when posting is allowed, and which pause was the last one then; an
// error when ctx ended first.
func (g *gate) pass(ctx context.Context) (last int, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		remaining, last := g.remaining()
		if remaining <= 0 {
			return last, nil
		}
		if err := g.wait(ctx, remaining); err != nil {
			return 0, err
		}
	}
}

func (g *gate) remaining() (d time.Duration, last int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.notBefore.Sub(g.now()), g.last
}

// pause lets nobody pass for a time that doubles with each pause in a row, and for
// at least so long. It returns that time and which pause in a row it is. Those who
// passed before another's pause only make that one longer, number 0.
func (g *gate) pause(passed int, atLeast time.Duration) (d time.Duration, number int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	d = atLeast
	if passed == g.last {
		g.last++
		g.inRow++
		number = g.inRow
		d = max(atLeast, min(minPause<<(number-1), maxPause))
	}
	if until := g.now().Add(d); until.After(g.notBefore) {
		g.notBefore = until
	}
	return d, number
}

// count counts a settled body: the receiver is there.
func (g *gate) count() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.settled++
	g.inRow = 0
}

func (g *gate) counted() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.settled
}
