// Package correlator turns what is due into encoded requests: it claims a
// subject, gathers its events, has them mapped and commits membership and bytes
// at once. It knows no deadlines of its own: the inbox says what is due and why.
package correlator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"cdr2otel/mapping"
)

// ErrLost is returned by Inbox.Commit when the claim was lost.
var ErrLost = errors.New("claim was lost")

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
	// Poll bounds how long the correlator sleeps when nobody wakes it.
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
// It never blocks, and costs nothing when the correlator looks by then anyway.
func (c *Correlator) Due(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.next.IsZero() && !at.Before(c.next) {
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
	for ctx.Err() == nil {
		c.looksAt(time.Time{})
		due, next, err := c.cfg.Inbox.Claim(ctx, c.cfg.Batch)
		if err != nil && ctx.Err() == nil {
			c.cfg.Logger.Error("claiming due calls failed", "error", err)
		}
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
	d := c.cfg.Poll
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
	default:
		c.cfg.Logger.Error("assembling failed, it will be tried again", "source", s.Source, "subject", s.Kind, "error", err)
	}
}

func (c *Correlator) report(ctx context.Context, a Assembly) {
	if a.DeadReason != "" {
		c.cfg.Logger.Warn("dead letter", "source", a.Subject.Source, "subject", a.Subject.Kind, "reason", a.DeadReason, "detail", a.DeadDetail)
		return
	}
	c.cfg.Logger.LogAttrs(ctx, slog.LevelDebug, "assembled",
		slog.String("source", a.Subject.Source), slog.String("subject", string(a.Subject.Kind)),
		slog.String("reason", a.Subject.Reason), slog.Int("events", len(a.Members)),
		slog.String("trace_id", a.Root.TraceID.String()))
}

// build reads the members and maps them. What can't be mapped comes back as an
// assembly of dead letters, so that it leaves the queue (I8); an error means the
// inbox could not be read.
func (c *Correlator) build(ctx context.Context, s Subject) (Assembly, Assembled, error) {
	in, err := c.gather(ctx, s)
	done := Assembled{Subject: s, Messages: len(in.messages), ReceivedAt: in.receivedAt}
	var bad *unmappableError
	if errors.As(err, &bad) {
		return dead(s, in.ids, bad.Error()), done, nil
	}
	if err != nil {
		return Assembly{}, done, err
	}
	if in.empty() {
		return Assembly{Subject: s}, done, nil
	}
	trace, err := c.mapSafely(s, in)
	if err != nil {
		return dead(s, in.ids, err.Error()), done, nil
	}
	encoded, err := mapping.Encode(trace.Request)
	if err != nil {
		return dead(s, in.ids, err.Error()), done, nil
	}
	requests, err := mapping.Split(encoded, c.cfg.MaxRequest)
	if err != nil {
		return dead(s, in.ids, err.Error()), done, nil
	}
	done.Orphaned = in.orphaned(s.Kind)
	trace.Request = nil // encoded: whoever is told needs only what was measured
	done.Trace = trace
	a := Assembly{Subject: s, Members: in.ids, Requests: requests, Root: trace.Root}
	a.Turns = make(map[Hash]mapping.SpanRef, len(trace.Turns))
	for logID, ref := range trace.Turns {
		a.Turns[c.cfg.LogKey(logID)] = ref
	}
	return a, done, nil
}

func dead(s Subject, ids []int64, detail string) Assembly {
	return Assembly{Subject: s, Members: ids, DeadReason: "unmappable", DeadDetail: detail}
}

// mapSafely turns a panic of the mapping into an error. The panic's value could
// hold payload text, so only its type leaves (I5).
func (c *Correlator) mapSafely(s Subject, in gathered) (trace *mapping.Trace, err error) {
	defer func() {
		if p := recover(); p != nil {
			trace, err = nil, fmt.Errorf("mapping stopped on this input (%T); please report it", p)
		}
	}()
	m := c.cfg.Mapper(s.Source)
	switch s.Kind {
	case Call:
		return m.Call(in.call(s, c.cfg.LogKey)), nil
	case Late:
		return m.Late(in.late(s)), nil
	default:
		return m.Conversation(in.conversation()), nil
	}
}
