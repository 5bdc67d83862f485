package exporter

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"cdr2otel/exporter/internal/store"
)

// Bounds of what a webhook waits for a database that went away. Every refused webhook
// is lost at its source, and a restart or a failover of a database takes seconds.
const (
	// awaitStore is from the arrival of the webhook: less than the receiver waits for
	// the store at all (receiver.DefaultWaitForAccept). What waits holds its memory and
	// its place there, so that is bounded too.
	awaitStore = 5 * time.Second
	// awaitTries is how often it is tried again, and awaitPause what is waited before,
	// twice as much each time, up to that, at random: if it is the event itself that the
	// database does not stand, its neighbours go without it (I8).
	awaitTries = 6
	awaitPause = 25 * time.Millisecond
)

// acceptAwaiting accepts an event, again if the database went away meanwhile and comes
// back in time, or tells why not.
func (e *Exporter) acceptAwaiting(ctx context.Context, ev *store.Event, arrived time.Time) (store.Receipt, error) {
	receipt, err := e.store.Accept(ctx, ev)
	if !errors.Is(err, store.ErrUnavailable) {
		return receipt, err
	}
	await, cancel := context.WithTimeout(ctx, min(awaitStore, awaitStore-e.opts.Now().Sub(arrived)))
	defer cancel()
	defer context.AfterFunc(e.patience, cancel)()
	uncertain := errors.Is(err, store.ErrUncertain)
	for try := 0; try < awaitTries && errors.Is(err, store.ErrUnavailable); try++ {
		if try > 0 {
			wait(await, rand.N(awaitPause<<try))
		}
		if e.store.Await(await) != nil || await.Err() != nil {
			break
		}
		receipt, err = e.store.Accept(ctx, ev)
		uncertain = uncertain || errors.Is(err, store.ErrUncertain)
	}
	if err == nil && uncertain && receipt.Outcome == store.OutcomeDuplicate {
		receipt.Outcome = store.OutcomeAccepted // its own: what it was before can't be told
		if ev.DeadReason != "" {
			receipt.Outcome, receipt.Reason, receipt.Detail = store.OutcomeUnsupported, ev.DeadReason, ev.DeadDetail
		}
	}
	return receipt, err
}
