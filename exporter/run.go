package exporter

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"cdr2otel/exporter/internal/store"
)

// sweepInterval is how often the store is asked for what its time is up for.
const sweepInterval = 30 * time.Second

// Run serves until ctx ends, then drains: not ready at once, still accepting for
// shutdown_delay, then finishing what is in flight within shutdown_timeout.
// Nothing half-joined is exported; what isn't delivered is in the store. It
// returns nil after an orderly end. An Exporter runs once.
func (e *Exporter) Run(ctx context.Context) error {
	servers := e.servers()
	// The stages outlive ctx: events are still accepted while it drains.
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	g, work := errgroup.WithContext(work)
	for _, s := range servers {
		g.Go(func() error {
			if err := s.serve(); err != nil && !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("%s listener: %w", s.name, err)
			}
			return nil
		})
	}
	for _, stage := range e.stages() {
		g.Go(func() error { return stage(work) })
	}
	close(e.started)

	var err error
	select {
	case <-ctx.Done():
		e.drain(work, servers)
	case <-work.Done():
		// A stage failed: what is in flight can't be promised any more.
		for _, s := range servers {
			err = errors.Join(err, s.http.Close())
		}
	}
	stop()
	e.impatient()
	err = errors.Join(err, g.Wait())
	// An event whose request was given up may still be on its way into the store.
	e.receiver.Wait()
	return errors.Join(err, e.close())
}

// stages are the functions that run beside the listeners. Each returns when its
// context ends; an error of one ends all.
func (e *Exporter) stages() []func(context.Context) error {
	stages := []func(context.Context) error{e.announce, e.correlator.Run, e.recordObservations, e.watch, e.sweep, e.finishForgetting, e.writeOff}
	for _, o := range e.outlets {
		stages = append(stages, o.delivery.Run)
	}
	return stages
}

// drain ends the listeners in order: the webhooks first, health and admin last,
// so that a probe sees the end coming.
func (e *Exporter) drain(work context.Context, servers []server) {
	e.draining.Store(true)
	e.log.Info("shutting down", "still_accepting_for", e.cfg.ShutdownDelay)
	for _, s := range servers {
		s.http.SetKeepAlivesEnabled(false)
	}
	wait(work, e.cfg.ShutdownDelay)
	ctx, cancel := context.WithTimeout(work, e.cfg.ShutdownTimeout)
	defer cancel()
	// Shutdown takes no new connection: what is not refused a connection is taken in,
	// since a refused event is lost and a refused connection is tried again by a proxy.
	// Only what has waited for half of the time is refused, rather than cut off.
	refuse := time.AfterFunc(e.cfg.ShutdownTimeout/2, func() {
		e.receiver.Drain()
		e.impatient()
	})
	defer refuse.Stop()
	for _, s := range servers {
		if err := s.http.Shutdown(ctx); err != nil {
			e.log.Warn("requests were cut off", "listener", s.name, "error", err)
			_ = s.http.Close() // what is left is past its time
		}
	}
	e.settle(ctx)
}

// settle waits, as long as ctx lasts, for what goes on behind answers: events that
// were refused while the store took them, and what synchronous webhooks showed.
func (e *Exporter) settle(ctx context.Context) {
	settled := make(chan struct{})
	go func() {
		e.receiver.Wait()
		close(settled)
	}()
	select {
	case <-settled:
	case <-ctx.Done():
	}
}

// watch ends everything when the store can't be trusted any more: the next start
// recovers what was committed.
func (e *Exporter) watch(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-e.store.Broken():
		return store.ErrBroken
	}
}

// sweep removes what its time is up for, in slices that never stall an
// acknowledgement.
func (e *Exporter) sweep(ctx context.Context) error {
	for ctx.Err() == nil {
		n, err := e.store.Sweep(ctx)
		if isNews(ctx, err) {
			e.log.Error("retention failed, it will be tried again", "error", err)
		}
		if n == 0 || err != nil {
			wait(ctx, sweepInterval)
		}
	}
	return nil
}

// finishForgetting completes what an earlier process, or a request whose client went
// away, began to forget.
func (e *Exporter) finishForgetting(ctx context.Context) error {
	for ctx.Err() == nil {
		events, err := e.store.FinishForgetting(ctx)
		switch {
		case isNews(ctx, err):
			e.log.Error("forgetting did not end, it will be tried again", "error", err)
		case events > 0:
			e.log.Info("what was interrupted is forgotten", "events", events)
		}
		wait(ctx, sweepInterval)
	}
	return nil
}

// isNews tells whether an error is to be logged by who tries again now and then: the end
// is none, and of a database that is away the store has told.
func isNews(ctx context.Context, err error) bool {
	return err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrUnavailable)
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
