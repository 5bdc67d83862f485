package exporter

import "context"

// retryBatch is how many dead letters are looked at in one transaction.
const retryBatch = 50

// RetryDeadLetters brings back all dead letters of a reason that can be retried, some at a
// time, and says how many events are pending again. For a reason that is mended for all of
// them: a limit of the back end, a header that was missing. After an error those so far are
// back.
func (e *Exporter) RetryDeadLetters(ctx context.Context, reason string) (retried int64, err error) {
	var after int64
	for {
		n, last, err := e.store.RetryReason(ctx, "", reason, after, retryBatch)
		retried += n
		if err != nil || last == 0 {
			if retried > 0 {
				e.log.Info("dead letters were retried", "reason", reason, "events", retried)
			}
			return retried, err
		}
		after = last
	}
}
