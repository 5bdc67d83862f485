package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// postgres is the engine of processes that share a database. What keeps them apart
// is written down in docs/decisions/0014-postgresql.md.
type postgres struct {
	store   *Store
	cfg     *pgx.ConnConfig
	schema  string
	ahead   atomic.Int64 // skew
	why     atomic.Pointer[error]
	mended  atomic.Pointer[chan struct{}] // closed when why is no more
	leading atomic.Bool
	pairs   *apart
	looks   *looks
	notes   *notices // nil until the first connection

	// Owned by the writer.
	ownClock bool // the database's clock counts
	measured time.Time
	wait     time.Duration // until the next attempt to connect
	retryAt  time.Time
	timer    *time.Timer // of tend
	texts    map[string]sizedText
	manys    map[string]manyRows
	strand   *strand // the one that runs
	ids      []int64 // of the events to come
	unsure   bool    // see noticed
}

// Bounds of what a transaction of the writer waits for. A process that hangs must not
// hold up the others for longer.
const (
	patience          = 20 * time.Second // of a transaction
	migrationPatience = 10 * time.Minute
	connectWait       = 5 * time.Second
	connectWaitEach   = 2 * time.Second // of several hosts: one that is gone must not keep from the next
	minReconnect      = 50 * time.Millisecond
	maxReconnect      = 500 * time.Millisecond // senders wait for it
	tendEvery         = 250 * time.Millisecond
	measureEvery      = 5 * time.Second
	maxBatchJoins     = 1024 // locks of one batch, of the some 6 400 that a server has
	ledgerShards      = 64
	postgresOldest    = 140000 // server_version_num
)

// How soon this process and the server find out that the other's machine is gone: the
// server's side of it lets go of locks. Nobody probes a connection on which something is
// under way, as a notice to a leader that is gone: of that the answer is awaited as long.
const (
	keepIdle     = 5 * time.Second
	keepInterval = 3 * time.Second
	keepCount    = 3
	unanswered   = keepIdle + keepCount*keepInterval
	keepalives   = `SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 3; SET tcp_keepalives_count = 3; SET tcp_user_timeout = 14000`
)

func isPostgres(url string) bool {
	return strings.HasPrefix(url, "postgres:") || strings.HasPrefix(url, "postgresql:")
}

// lockID is that of an advisory lock. They are the database's, not the schema's.
func (p *postgres) lockID(what string) int64 {
	sum := sha256.Sum256([]byte("cdr2otel\x00" + p.schema + "\x00" + what))
	return int64(binary.BigEndian.Uint64(sum[:]))
}

// measure samples what all processes stored; in between what this one did counts.
func (p *postgres) measure(w *writer) error {
	w.size.limit.Store(w.size.max)
	if time.Since(p.measured) < measureEvery {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var used int64
	if err := w.conn.QueryRowContext(ctx, `SELECT coalesce(sum(n), 0)::bigint FROM space`).Scan(&used); err != nil {
		return err
	}
	w.size.used.Store(used)
	p.measured = time.Now()
	return nil
}

// shrink: what was deleted is used again, there is nothing else.
func (p *postgres) shrink(*writer) error { return nil }

func (p *postgres) giveUp(*writer) error { return nil }

func (p *postgres) shared() bool { return true }

func (p *postgres) skew() time.Duration { return time.Duration(p.ahead.Load()) }

func (p *postgres) apart(t *tx) { p.pairs.ask(t) }

func (p *postgres) announce(due, outbox bool) {
	if p.notes != nil {
		p.notes.announce(due, outbox)
	}
}

// release gives the claims of this process back: nobody has to wait for their end.
func (p *postgres) release(w *writer) (err error) {
	if p.trouble() == nil {
		_, err = w.transactAgain([]*op{{run: func(t *tx) error {
			if err := p.unclaimSubjects(t); err != nil {
				return err
			}
			return t.exec(`UPDATE outbox SET claim_token = NULL, claim_until = 0
				WHERE state = 'pending' AND id > 0 AND claim_until > 0 AND substring(claim_token FROM 1 FOR 8) = ?`, p.store.name[:])
		}}})
		if p.fault(w, err) == faultLost {
			err = nil // they end by themselves
		}
	}
	if p.notes != nil {
		p.notes.announce(true, true)
		p.notes.close()
	}
	p.pairs.close()
	p.looks.close()
	p.timer.Stop()
	return err
}

func (p *postgres) close() error { return nil }

var _ engine = (*postgres)(nil)
