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

// acceptAwaiting accepts the events of a webhook, again if the database went away
// meanwhile and comes back in time, or tells why not.
func (e *Exporter) acceptAwaiting(ctx context.Context, arrivals []arrival, arrived time.Time) ([]store.Receipt, error) {
	events := make([]*store.Event, len(arrivals))
	for i := range arrivals {
		events[i] = arrivals[i].event
	}
	receipts, err := e.store.AcceptAll(ctx, events)
	if !errors.Is(err, store.ErrUnavailable) {
		return receipts, err
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
		receipts, err = e.store.AcceptAll(ctx, events)
		uncertain = uncertain || errors.Is(err, store.ErrUncertain)
	}
	for i := range receipts {
		if uncertain && receipts[i].Outcome == store.OutcomeDuplicate {
			receipts[i].Outcome = store.OutcomeAccepted // its own: what it was before can't be told
			if events[i].DeadReason != "" {
				receipts[i].Outcome = store.OutcomeUnsupported
				receipts[i].Reason, receipts[i].Detail = events[i].DeadReason, events[i].DeadDetail
			}
		}
	}
	return receipts, err
}
