package store

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// The server plans a prepared statement once, by what it believes of the tables: that
// a queue is empty if nothing waited when it last looked, and a new database always.
// Such a plan reads all there is where one row is asked for, and is kept. So plans are
// not left to belief: every statement looks up by an index, joins are nested loops in
// the order in which they are written, and the indexes of queues are only for statements
// that say so (migrations/postgres/0003_queues.sql).
const planned = `SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
	SET join_collapse_limit = 1; SET from_collapse_limit = 1; SET jit = off`

// Bounds of how soon a new database is looked at again.
const (
	firstLook  = time.Second
	lastLook   = 64 * time.Second
	smallStore = 10_000 // events
)

// looks has the server look at tables that fill. It comes by itself, but once a minute,
// and by then a new database is large.
type looks struct {
	stop  context.CancelFunc
	ended sync.WaitGroup
}

func startLooks(p *postgres) *looks {
	ctx, stop := context.WithCancel(context.Background())
	l := &looks{stop: stop}
	l.ended.Go(func() {
		for wait := firstLook; wait <= lastLook; wait *= 2 {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return
			}
			if err := p.look(ctx); err != nil && ctx.Err() == nil {
				p.store.cfg.Logger.Debug("tables were not analyzed", slog.Any("error", err))
			}
		}
	})
	return l
}

func (l *looks) close() {
	l.stop()
	l.ended.Wait()
}

// look is for one process to do, and only where the server knows of few rows.
func (p *postgres) look(ctx context.Context) error {
	if !p.leads() || p.trouble() != nil {
		return nil
	}
	var known float64
	err := p.store.reader.QueryRowContext(ctx, `SELECT reltuples FROM pg_class WHERE oid = to_regclass('event')`).Scan(&known)
	if err != nil || known > smallStore {
		return err
	}
	_, err = p.store.reader.ExecContext(ctx, `ANALYZE event, body, subject, turn, alias, outbox, request, summary`)
	return err
}
