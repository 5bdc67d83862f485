// Package correlator turns what is due into encoded requests: it claims a
// subject, gathers its events, has them mapped and commits membership and bytes
// at once. It knows no deadlines of its own: the inbox says what is due and why.
package correlator

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"cdr2otel/mapping"
)

var (
	// ErrLost is returned by Inbox.Commit when the claim was lost.
	ErrLost = errors.New("claim was lost")
	// ErrUnavailable is what Inbox returns, wrapped or not, while it can't be reached.
	ErrUnavailable = errors.New("inbox is unavailable")
)

// Config of a correlator.
type Config struct {
	Inbox Inbox
	// Mapper returns the mapper of a source as configured now. A source that is
	// no longer configured still has events to map: it never returns nil.
	Mapper func(source string) *mapping.Mapper
	// LogKey hashes a log id the way the inbox does.
	LogKey func(logID string) Hash
	// MaxRequest is the largest encoded request, in bytes; above it a call is
	// split by turns.
	MaxRequest int
	// Batch is how many subjects are claimed, and worked on, at a time. It bounds
	// memory (I7): each holds its decoded messages.
	Batch int
	// OnAssembled, when set, is told of each subject after it was committed. Several
	// calls run at once: it must not block.
	OnAssembled func(Assembled)
	// Poll bounds how long the correlator sleeps when nobody wakes it. It takes up to a
	// quarter off, so that processes that began together don't ask together.
	Poll   time.Duration
	Now    func() time.Time
	Logger *slog.Logger
}

// Correlator assembles due subjects until its context ends.
type Correlator struct {
	cfg  Config
	wake chan struct{}

	mu   sync.Mutex // guards next
	next time.Time  // when it will look again; zero while it is looking
}

// New returns a correlator; Run starts it.
func New(cfg Config) *Correlator {
	return &Correlator{cfg: cfg, wake: make(chan struct{}, 1)}
}

// Due tells the correlator that something is due at that time, past or to come.
// It never blocks, and costs nothing when the correlator looks by then anyway. What
// is due already wakes it in any case: the clock may have been set forward since it
// went to sleep.
func (c *Correlator) Due(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.next.IsZero() && !at.Before(c.next) && at.After(c.cfg.Now()) {
		return
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// looksAt notes when the correlator will look again.
func (c *Correlator) looksAt(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next = at
}

// claimAgain is how soon a claim that failed is tried again.
const claimAgain = time.Second

// Run assembles what is due until ctx ends. A subject that is being worked on
// then is left to its claim: nothing half-joined is ever committed.
//
// A batch is worked on side by side, so that its commits meet in one transaction.
// One subject's failure never stops another (I8).
func (c *Correlator) Run(ctx context.Context) error {
	work := make(chan Subject)
	var batch, workers sync.WaitGroup
	for range c.cfg.Batch {
		workers.Go(func() {
			for s := range work {
				c.assemble(ctx, s)
				batch.Done()
			}
		})
	}
	defer workers.Wait()
	defer close(work)
	said := false // that claims fail; of an inbox that is unavailable it tells by itself
	for ctx.Err() == nil {
		c.looksAt(time.Time{})
		due, next, err := c.cfg.Inbox.Claim(ctx, c.cfg.Batch)
		if err != nil && ctx.Err() == nil {
			if !said && !errors.Is(err, ErrUnavailable) {
				c.cfg.Logger.Error("claiming due calls failed, it will be tried again", "error", err)
			}
			// A store that comes back does not say so, and calls may be overdue.
			next = c.cfg.Now().Add(claimAgain)
		}
		said = err != nil && (said || !errors.Is(err, ErrUnavailable))
		if len(due) == 0 {
			c.sleep(ctx, next)
			continue
		}
		batch.Add(len(due))
		for _, s := range due {
			work <- s
		}
		batch.Wait()
	}
	return nil
}

// sleep returns at the next due time, after the poll interval, or when something
// is due before that.
func (c *Correlator) sleep(ctx context.Context, next time.Time) {
	d := c.cfg.Poll - rand.N(c.cfg.Poll/4)
	if !next.IsZero() {
		d = max(min(d, next.Sub(c.cfg.Now())), time.Millisecond)
	}
	c.looksAt(c.cfg.Now().Add(d))
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-c.wake:
	case <-timer.C:
	}
}

func (c *Correlator) assemble(ctx context.Context, s Subject) {
	a, assembled, err := c.build(ctx, s)
	if err == nil {
		err = c.cfg.Inbox.Commit(ctx, a)
	}
	switch {
	case err == nil:
		c.report(ctx, a)
		if c.cfg.OnAssembled != nil {
			c.cfg.OnAssembled(assembled)
		}
	case errors.Is(err, ErrLost), ctx.Err() != nil:
		// Another claimant has it, or the next start will.
	case errors.Is(err, ErrUnavailable):
		// The inbox says so, once for all.
	default:
		// The end of its claim is when: what fails by itself must not fail all the time.
		c.cfg.Logger.Error("assembling failed, it will be tried again", "source", s.Source, "subject", s.Kind, "error", err)
	}
}

func (c *Correlator) report(ctx context.Context, a Assembly) {
	if a.DeadReason != "" {
		c.cfg.Logger.Warn("dead letter", "source", a.Subject.Source, "subject", a.Subject.Kind, "reason", a.DeadReason, "detail", a.DeadDetail,
			"page", "/deliveries?state=dead", "hint", "see WxaDeadLetters in docs/runbook.md")
		return
	}
	c.cfg.Logger.LogAttrs(ctx, slog.LevelDebug, "assembled",
		slog.String("source", a.Subject.Source), slog.String("subject", string(a.Subject.Kind)),
		slog.String("reason", a.Subject.Reason), slog.Int("events", len(a.Members)),
		slog.String("trace_id", a.Root.TraceID.String()))
}
