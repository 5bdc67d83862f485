package exporter

import (
	"context"
	"time"
)

const (
	// retryBatch is how many dead letters are looked at in one transaction.
	retryBatch = 50
	// retryTime is after how long no further batch begins for the same request.
	retryTime = 5 * time.Second
)

func (l deliveryLog) RetryableReasons(ctx context.Context, source string) (map[string]int64, bool, error) {
	return l.store.RetryableReasons(ctx, source)
}

func (l deliveryLog) RetryReason(ctx context.Context, source, reason string, after int64) (retried, next int64, err error) {
	began := l.opts.Now()
	for {
		n, last, err := l.store.RetryReason(ctx, source, reason, after, retryBatch)
		retried += n
		if err != nil || last == 0 {
			return retried, 0, err
		}
		if after = last; l.opts.Now().Sub(began) > retryTime {
			return retried, after, nil
		}
	}
}
