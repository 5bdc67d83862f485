// Package delivery sends what is in the outbox to an OTLP receiver and says what
// became of each request.
//
//	outbox ──► gate ──► Client.Send ──► outcome.go ──► outbox
//	claim      open: Workers at once    done, hold,    settle
//	           held: one probe          retry, split,
//	                                    dead
//
// Delivery is at least once: what was sent but not settled is sent again, with
// identical bytes. Memory holds at most Workers requests, whatever waits in the
// outbox (I7).
package delivery

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// Request is a claimed row of the outbox.
type Request struct {
	ID        int64 // grows with age: older rows have smaller ids
	Signal    string
	Part      int       // 0 is the whole of a call, or its first part
	Body      []byte    // encoded Export…ServiceRequest
	CreatedAt time.Time // when it was assembled
	Attempts  int       // counted so far
	Handle    any       // the outbox's own, handed back untouched
}

// Errors of an outbox that delivery branches on.
// ErrUnavailable: the outbox can't be reached; what it was asked may have been done.
var ErrUnavailable = errors.New("outbox is unavailable")

// LostError names the requests whose claims were lost, or had ended.
type LostError struct{ Requests []int64 }

func (*LostError) Error() string { return "claim was lost" }

// Settlement is the end of a claim.
type Settlement struct {
	Request  Request
	Verdict  Verdict
	Parts    [][]byte      // VerdictSplit: at least two, each smaller than the request
	Reason   string        // VerdictDead: one of the Dead… constants
	Detail   string        // the answer in words, at most 512 bytes
	Aside    time.Duration // VerdictHold, VerdictRetry: not to be claimed for so long
	Items    int64         // VerdictDone: spans or log records that were sent
	Rejected int64         // VerdictDone: how many of them a partial success rejected
}

// Outbox is where requests wait.
type Outbox interface {
	// Claim takes up to limit requests of a signal whose id is above after,
	// oldest first, for long enough to send them once. None is not an error.
	Claim(ctx context.Context, signal string, after int64, limit int) ([]Request, error)
	// Settle ends claims. An error means that none of them was settled, but for
	// ErrUnavailable, and for a LostError: all others were.
	Settle(ctx context.Context, settled []Settlement) error
}

// Config of the delivery of one signal.
type Config struct {
	Signal string // SignalTraces or SignalLogs
	Client Client
	Outbox Outbox
	// Split cuts an encoded request into several of at most max bytes, the bytes of
	// each span or log record as they are. An error, or fewer than two parts: it can't.
	Split func(body []byte, max int) ([][]byte, error)
	// Count says how many spans or log records an encoded request has.
	Count func(body []byte) int

	// Workers is how many requests are sent at once, and how many bodies are in
	// memory; default 8.
	Workers int
	// MaxAttempts is how often a request that fails for no clear reason is tried, while
	// others go through, before it becomes a dead letter; at least 2, default 5.
	MaxAttempts int
	// Backoff bounds how often a destination that refuses is tried.
	Backoff Backoff
	// Poll is how often the outbox is looked at without a Wake (rows of other
	// replicas, claims that expired); default 5 s. Up to a quarter is taken off, so that
	// processes that began together don't ask together.
	Poll time.Duration
	// Grace is what sends in flight get when Run's context ends; default 5 s.
	Grace time.Duration
	// Logger; default slog.Default().
	Logger *slog.Logger

	// OnSettled, when set, is told of each request after it was settled. It is
	// called from Run and must not block.
	OnSettled func(Settlement)
	// OnGate, when set, is told of each change of the gate, in the same way.
	OnGate func(GateState)
}

// Delivery sends one signal.
type Delivery struct {
	config Config
	log    *slog.Logger
	wake   chan struct{}

	// What follows belongs to the goroutine of Run.
	gate     *gate
	refusals *refusals
	inFlight int
	kept     []Settlement // of answers that the outbox could not take; see settle.go
	answers  chan answered
	cursor   int64 // the last claimed id of this pass over the outbox
	idle     bool  // the last pass found nothing
	retryAt  time.Time
	broken   bool   // the last claim failed, and it was said
	closing  bool   // Run's context has ended
	notice   string // message of the last partial success without rejections

	mu    sync.Mutex // guards shown
	shown GateState
}

// New checks a configuration. Nothing is sent before Run.
func New(c Config) (*Delivery, error) {
	switch {
	case c.Signal == "":
		return nil, errors.New("delivery: no signal")
	case c.Client == nil || c.Outbox == nil || c.Split == nil || c.Count == nil:
		return nil, errors.New("delivery: client, outbox, split and count are required")
	}
	if c.Workers <= 0 {
		c.Workers = 8
	}
	if c.MaxAttempts <= 1 {
		c.MaxAttempts = 5
	}
	if c.Poll <= 0 {
		c.Poll = 5 * time.Second
	}
	if c.Grace <= 0 {
		c.Grace = 5 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	c.Backoff = c.Backoff.orDefault()
	d := &Delivery{
		config:   c,
		log:      c.Logger.With("signal", c.Signal),
		wake:     make(chan struct{}, 1),
		gate:     newGate(c.Signal, c.Backoff, time.Now()),
		refusals: newRefusals(),
		answers:  make(chan answered, c.Workers),
	}
	d.shown = d.gate.state
	return d, nil
}

// Wake says that there may be something new in the outbox. It never blocks.
func (d *Delivery) Wake() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Gate is the state of the signal's gate.
func (d *Delivery) Gate() GateState {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.shown
}

// Run sends until ctx ends, then gives what is in flight Config.Grace to finish,
// holds the rest and returns nil. It is called once.
func (d *Delivery) Run(ctx context.Context) error {
	// Sends outlive ctx by the grace; drain ends them.
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	// What was sent must be written down even when ctx has just ended.
	storing := context.WithoutCancel(ctx)

	for ctx.Err() == nil {
		timer := time.NewTimer(d.start(ctx, sending))
		select {
		case a := <-d.answers:
			d.settle(storing, d.gather(a))
		case <-d.wake:
			d.idle = false
		case <-timer.C:
			d.idle = false
		case <-ctx.Done():
		}
		timer.Stop()
	}
	d.drain(storing, stop)
	return nil
}

// start sends what the gate admits and says when to look again at the latest.
func (d *Delivery) start(ctx, sending context.Context) time.Duration {
	now := time.Now()
	if wait := d.retryAt.Sub(now); wait > 0 {
		return wait
	}
	if d.settleKept(context.WithoutCancel(ctx)); len(d.kept) > 0 {
		d.retryAt = now.Add(d.config.Backoff.Min)
		return d.config.Backoff.Min
	}
	free, wait := d.gate.admit(d.config.Workers-d.inFlight, d.inFlight, now)
	if wait >= 0 {
		return wait
	}
	if free == 0 || d.idle {
		return d.poll()
	}
	requests, err := d.claim(ctx, free)
	if err != nil {
		return d.outboxFailed(ctx, err)
	}
	d.broken = false
	d.idle = len(requests) == 0
	for _, r := range requests {
		d.send(sending, r)
	}
	if d.idle && d.inFlight == 0 && d.gate.doubt != nil {
		d.changeGate(func() bool { return d.gate.alone(now) })
		return 0
	}
	if d.idle || d.gate.probing || d.inFlight == d.config.Workers {
		return d.poll()
	}
	return 0 // a short answer may be the end of the pass: look once more
}

func (d *Delivery) poll() time.Duration { return d.config.Poll - rand.N(d.config.Poll/4) }

// claim goes on with the pass over the outbox and starts a new one at its end.
func (d *Delivery) claim(ctx context.Context, limit int) ([]Request, error) {
	requests, err := d.config.Outbox.Claim(ctx, d.config.Signal, d.cursor, limit)
	if err == nil && len(requests) == 0 && d.cursor > 0 {
		d.cursor = 0
		requests, err = d.config.Outbox.Claim(ctx, d.config.Signal, 0, limit)
	}
	if err != nil {
		return nil, err
	}
	if n := len(requests); n > 0 {
		d.cursor = requests[n-1].ID
	}
	return requests, nil
}

// outboxFailed waits before the store is asked again. One that is unavailable says so by
// itself, once for all.
func (d *Delivery) outboxFailed(ctx context.Context, err error) time.Duration {
	d.retryAt = time.Now().Add(d.config.Backoff.Min)
	if !d.broken && ctx.Err() == nil && !errors.Is(err, ErrUnavailable) {
		d.broken = true
		d.log.Error("outbox can't be read", "error", err)
	}
	return d.config.Backoff.Min
}

// answered is a request and what came back.
type answered struct {
	ticket  ticket
	number  int64 // of the send, in order
	request Request
	answer  Answer
	parts   [][]byte // smaller requests, if they may be wanted and it can be cut
}

// history is what is known before the answer.
func (d *Delivery) history(r Request) history {
	return history{Attempts: r.Attempts, MaxAttempts: d.config.MaxAttempts, Size: len(r.Body), Whole: r.Part == 0}
}

// send in a goroutine of its own; answers has room for it.
func (d *Delivery) send(ctx context.Context, r Request) {
	d.inFlight++
	a := answered{ticket: d.gate.begin(), number: d.refusals.sending(), request: r}
	go func() {
		a.answer = d.config.Client.Send(ctx, r.Body)
		if wantsParts(a.answer, d.history(r)) {
			a.parts = d.split(r.Body)
		}
		d.answers <- a
	}()
}

// split in halves, or less evenly when only that leaves each span as it is: a
// limit below the size of one span makes Split take content out of it. The parts
// are then less than the whole, which repeats nothing. nil: it can't be split.
func (d *Delivery) split(body []byte) [][]byte {
	n := len(body)
	for _, limit := range []int{n / 2, n * 3 / 4, n * 7 / 8, n - 1} {
		parts, err := d.config.Split(body, limit)
		if err == nil && len(parts) > 1 && whole(parts, n) {
			return parts
		}
	}
	return nil
}

// whole says whether parts of a request of size bytes can be all of it, and each
// is smaller: one as large as the request would come back for ever.
func whole(parts [][]byte, size int) bool {
	sum := 0
	for _, p := range parts {
		if len(p) >= size {
			return false
		}
		sum += len(p)
	}
	return sum >= size
}

// gather what else has come meanwhile: one commit for all.
func (d *Delivery) gather(first answered) []answered {
	all := []answered{first}
	for {
		select {
		case a := <-d.answers:
			all = append(all, a)
		default:
			return all
		}
	}
}

// drain ends sends in flight: those that answer within the grace count, the
// others are held.
func (d *Delivery) drain(ctx context.Context, stop context.CancelFunc) {
	d.closing = true
	grace := time.AfterFunc(d.config.Grace, stop)
	defer grace.Stop()
	ctx, cancel := context.WithTimeout(ctx, 2*d.config.Grace)
	defer cancel()
	for d.inFlight > 0 {
		d.settle(ctx, d.gather(<-d.answers))
	}
	d.settleKept(ctx)
	for _, s := range d.kept {
		d.warnUnsettled(s, ErrUnavailable)
	}
}
