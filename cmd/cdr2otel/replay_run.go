package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"cdr2otel/internal/client"
)

const (
	// maxAttempts bounds how often a body is posted, and how often in a row nothing
	// is settled between two pauses. Those last from minPause, doubling, to
	// maxPause: a minute and a half, unless longer ones are asked for.
	maxAttempts = 10
	minPause    = 250 * time.Millisecond
	maxPause    = 30 * time.Second
	// maxRetryAfter is the longest pause that is waited for when it is asked for.
	maxRetryAfter = 5 * time.Minute
	// ahead times concurrency is how far posting is ahead of the first body that is
	// not settled. Messages and their CDR lie close together in what was recorded;
	// posted long after it they would be late.
	ahead = 4
)

// replay posts the bodies of files:
//
//	read ─► dispatch ─► post ×concurrency ─┐
//	           └─ window, in order ────────┴─► settle
//
// Bodies are in memory only while they are posted.
type replay struct {
	client      client.Client
	concurrency int
	state       *replayState
	show        progress
	gate        gate

	tally tally
	stop  context.CancelCauseFunc // ends the replay in order
}

// posting is a body on its way.
type posting struct {
	at      place
	size    int64 // with the white space before it
	hash    bodyHash
	done    chan struct{} // closed when outcome is there
	outcome outcome
}

// readBody is a body and where it is from.
type readBody struct {
	at    place
	size  int64
	bytes []byte
}

// run posts until the files end or ctx does, which lets the requests under way end
// first. The error says what is left to do.
func (r *replay) run(ctx context.Context, files []string, stdin io.Reader) error {
	defer r.show.end()
	going, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	r.stop = stop
	bodies, unreadable := make(chan readBody), make(chan error, 1)
	go func() {
		defer close(bodies)
		unreadable <- read(going, files, stdin, bodies)
	}()
	window := make(chan *posting, ahead*r.concurrency)
	go r.dispatch(going, bodies, window)
	for p := range window {
		<-p.done
		r.settle(p)
	}
	if going.Err() != nil {
		// The reader may hang in a pipe that nobody writes to. It touches nothing.
		return r.unfinished(context.Cause(going))
	}
	return r.unfinished(<-unreadable)
}

// read passes on every body of the files.
func read(ctx context.Context, files []string, stdin io.Reader, bodies chan<- readBody) error {
	for _, path := range files {
		end := int64(0)
		err := eachBody(path, stdin, func(body jsontext.Value, at place) error {
			next := readBody{at: at, size: at.at + int64(len(body)) - end, bytes: bytes.Clone(body)}
			end = at.at + int64(len(body))
			select {
			case bodies <- next:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// dispatch starts a request for each body, in order, and closes window.
func (r *replay) dispatch(ctx context.Context, bodies <-chan readBody, window chan<- *posting) {
	defer close(window)
	free := make(chan struct{}, r.concurrency)
	for {
		var body readBody
		var ok bool
		select {
		case body, ok = <-bodies:
		case <-ctx.Done():
		}
		if !ok {
			return
		}
		p := &posting{at: body.at, size: body.size, hash: hashOf(body.bytes), done: make(chan struct{})}
		select {
		case window <- p:
		case <-ctx.Done():
			return
		}
		if r.state.has(p.hash) {
			p.outcome.fate = known
			close(p.done)
			continue
		}
		// Those before it end also when ctx does.
		free <- struct{}{}
		go func() {
			defer func() { <-free }()
			defer close(p.done)
			p.outcome = r.post(ctx, body.bytes)
		}()
	}
}

// post posts a body until something is decided. After maxAttempts it is the body,
// which counts as refused, if others were settled meanwhile; after as many pauses
// in which nothing was, it is the receiver, and the replay ends.
func (r *replay) post(ctx context.Context, body []byte) outcome {
	before := r.gate.counted()
	for attempt := 1; ; attempt++ {
		passed, err := r.gate.pass(ctx)
		if err != nil {
			return outcome{fate: left}
		}
		// A request under way is not given up: it may be acknowledged.
		answer, err := r.client.Send(context.WithoutCancel(ctx), body)
		o, step := judge(answer, err)
		switch {
		case step == hopeless:
			r.stop(errors.New(o.inFull()))
			return o
		case step == settled:
			r.gate.count()
			return o
		case attempt >= maxAttempts && r.gate.counted() > before:
			return o
		case answer.RetryAfter > maxRetryAfter:
			r.stop(fmt.Errorf("%s: not before %s", o.words(), answer.RetryAfter))
			return outcome{fate: left}
		}
		pause, number := r.gate.pause(passed, answer.RetryAfter)
		if number >= maxAttempts {
			r.stop(errors.New(o.inFull()))
			return outcome{fate: left}
		}
		if number > 0 {
			r.show.waiting(fmt.Sprintf("%s, waiting %s", o.inFull(), pause))
		}
	}
}

// settle counts a body and remembers it if it was acknowledged.
func (r *replay) settle(p *posting) {
	if p.outcome.fate == acknowledged {
		if err := r.state.add(p.hash); err != nil {
			r.stop(err)
		}
	}
	r.tally.add(p)
	r.show.settled(p.size, &r.tally)
}

// unfinished is what is left to do and how, after the replay ended with cause.
func (r *replay) unfinished(cause error) error {
	switch {
	case errors.Is(cause, context.Canceled):
		cause = errors.New("interrupted")
	case cause != nil:
	case r.tally.refused > 0:
		cause = fmt.Errorf("%s refused", bodyCount(r.tally.refused))
	default:
		r.state.finished()
		return nil
	}
	if !r.state.remembers() {
		return fmt.Errorf("%w; nothing was acknowledged", cause)
	}
	return fmt.Errorf("%w; the same command goes on from here: %s remembers what was acknowledged", cause, r.state.path)
}
