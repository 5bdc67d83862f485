package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// postgres is the engine of processes that share a database. What keeps them apart
// is written down in docs/decisions/0014-postgresql.md.
type postgres struct {
	store  *Store
	cfg    *pgx.ConnConfig
	schema string
	ahead  atomic.Int64 // skew
	why    atomic.Pointer[error]
	notes  *notices

	// Owned by the writer.
	ownClock bool // the database's clock counts
	measured time.Time
	wait     time.Duration // until the next attempt to connect
	retryAt  time.Time
	ticker   *time.Ticker
	texts    map[string]sizedText
}

// Bounds of what a transaction of the writer waits for. A process that hangs must not
// hold up the others for longer.
const (
	patience       = 20 * time.Second // of a transaction
	connectWait    = 5 * time.Second
	minReconnect   = 50 * time.Millisecond
	maxReconnect   = 5 * time.Second
	tendEvery      = 250 * time.Millisecond
	measureEvery   = 5 * time.Second
	maxBatchJoins  = 1024 // locks of one batch, of the some 6 400 that a server has
	ledgerShards   = 64
	postgresOldest = 140000 // server_version_num
)

func isPostgres(url string) bool {
	return strings.HasPrefix(url, "postgres:") || strings.HasPrefix(url, "postgresql:")
}

func (s *Store) openPostgres(ctx context.Context) (err error) {
	cfg, err := pgx.ParseConfig(s.cfg.URL)
	if err != nil {
		return errors.New("store.url is not a URL of PostgreSQL: postgres://USER@HOST/DATABASE") // the cause may quote a password
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = connectWait
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "cdr2otel"
	}
	p := &postgres{store: s, cfg: cfg, ownClock: s.cfg.Now == nil, ticker: time.NewTicker(tendEvery), texts: make(map[string]sizedText)}
	s.engine, s.shard = p, rand.Int64N(ledgerShards)
	if p.ownClock {
		s.cfg.Now = func() time.Time { return time.Now().Add(p.skew()) }
	}
	if s.codec, err = newCodec(); err != nil {
		return err
	}
	db := stdlib.OpenDB(*cfg, stdlib.OptionAfterConnect(p.prepareWriter))
	db.SetMaxOpenConns(1)
	s.reader = stdlib.OpenDB(*cfg, stdlib.OptionAfterConnect(prepareReader))
	s.reader.SetMaxOpenConns(readers)
	s.reader.SetMaxIdleConns(readers / 2)
	defer func() {
		if err != nil {
			p.ticker.Stop()
			s.codec.close()
			err = errors.Join(err, s.reader.Close(), db.Close())
		}
	}()
	if err := p.prepare(ctx, db); err != nil {
		return oneLine(err)
	}
	if p.notes, err = startNotices(ctx, p); err != nil {
		return err
	}
	if s.writer, err = startWriter(ctx, s, db, &usage{max: s.cfg.MaxSize}); err != nil {
		p.notes.close()
	}
	return err
}

// openExistingPostgres is Open where the tables are there already.
func openExistingPostgres(ctx context.Context, cfg Config) (*Store, error) {
	conn, err := pgx.Connect(ctx, cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", oneLine(err))
	}
	var there bool
	err = conn.QueryRow(ctx, `SELECT to_regclass('migration') IS NOT NULL AND to_regclass('event') IS NOT NULL`).Scan(&there)
	closeConn(conn)
	switch {
	case err != nil:
		return nil, fmt.Errorf("open store: %w", oneLine(err))
	case !there:
		return nil, fmt.Errorf("%w in the first schema of search_path: run this with the configuration of the sidecar", ErrNone)
	}
	return Open(ctx, cfg)
}

// prepare makes the tables.
func (p *postgres) prepare(ctx context.Context, db *sql.DB) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	var schema sql.NullString
	if err := conn.QueryRowContext(ctx, `SELECT current_schema()`).Scan(&schema); err != nil {
		return err
	}
	if !schema.Valid {
		return errors.New("no schema of search_path exists: make it, or name another one in store.url (?search_path=NAME)")
	}
	p.schema = schema.String
	return p.migrate(ctx, conn)
}

// prepareReader: tables may be empty when statements are planned, and large when
// they run; every one of them has its index.
func prepareReader(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, `SET enable_seqscan = off; SET jit = off`)
	return err
}

// prepareWriter also sees to it that the server forgets a writer that died or hangs
// inside a transaction, and that it does what durability rests on (I1).
func (p *postgres) prepareWriter(ctx context.Context, conn *pgx.Conn) error {
	if err := prepareReader(ctx, conn); err != nil {
		return err
	}
	_, err := conn.Exec(ctx, `SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '20s';
		SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 3; SET tcp_keepalives_count = 3`)
	if err != nil {
		return err
	}
	var version int
	var recovering, readOnly bool
	var commit, standbys, sync, encoding string
	err = conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, pg_is_in_recovery(), current_setting('transaction_read_only') = 'on',
		current_setting('synchronous_commit'), current_setting('synchronous_standby_names'), current_setting('fsync'),
		current_setting('server_encoding')`).Scan(&version, &recovering, &readOnly, &commit, &standbys, &sync, &encoding)
	switch {
	case err != nil:
		return err
	case version < postgresOldest:
		return fmt.Errorf("the server is of version %d, 14 is the oldest that will do", version/10000)
	case encoding != "UTF8":
		return fmt.Errorf("the database's encoding is %s, it must be UTF8", encoding)
	case recovering:
		return errors.New("the server is a standby: store.url must lead to the primary (several hosts and target_session_attrs=read-write find it)")
	case readOnly:
		return errors.New("the server lets nobody write: transaction_read_only is on")
	case commit == "off", sync != "on", commit == "local" && standbys != "":
		return fmt.Errorf("the server would acknowledge what is not durable: synchronous_commit is %s, fsync is %s, synchronous_standby_names is %q: set synchronous_commit to on for this role or database",
			commit, sync, standbys)
	}
	return nil
}

// lockID is that of an advisory lock. They are the database's, not the schema's.
func (p *postgres) lockID(what string) int64 {
	sum := sha256.Sum256([]byte("cdr2otel\x00" + p.schema + "\x00" + what))
	return int64(binary.BigEndian.Uint64(sum[:]))
}

func (p *postgres) trouble() error {
	if err := p.why.Load(); err != nil {
		return *err
	}
	return nil
}

func (p *postgres) usable(w *writer) error {
	err := p.trouble()
	if err == nil || time.Now().Before(p.retryAt) {
		return err
	}
	return p.reconnect(w)
}

// lost lets go of the connection. It may still work, but not for writing.
func (p *postgres) lost(w *writer, err error) {
	if p.trouble() == nil {
		p.store.cfg.Logger.Error("database is unavailable", slog.Any("error", err))
		p.wait = minReconnect
	}
	p.unavailable(err)
	discard(w.conn)
	clear(w.stmts)
	clear(w.sources)
}

// unavailable says why, and when it is tried again.
func (p *postgres) unavailable(err error) {
	if !errors.Is(err, ErrUnavailable) {
		err = fmt.Errorf("%w: %w", ErrUnavailable, oneLine(err))
	}
	p.why.Store(&err)
	p.retryAt = time.Now().Add(p.wait/2 + rand.N(p.wait))
	p.wait = min(2*p.wait, maxReconnect)
}

// oneLine is an error whose text is one line: those of a failed connection are not.
func oneLine(err error) error { return lined{err} }

type lined struct{ error }

func (l lined) Error() string { return strings.Join(strings.Fields(l.error.Error()), " ") }

func (l lined) Unwrap() error { return l.error }

// discard ends a connection, so that the pool does not give it out again.
func discard(conn *sql.Conn) {
	_ = conn.Raw(func(c any) error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		return c.(*stdlib.Conn).Conn().Close(ctx)
	})
	_ = conn.Close()
}

func (p *postgres) reconnect(w *writer) error {
	ctx, cancel := context.WithTimeout(context.Background(), connectWait)
	defer cancel()
	conn, err := w.db.Conn(ctx)
	if err != nil {
		p.unavailable(err)
		return p.trouble()
	}
	w.conn = conn
	p.measured = time.Time{}
	if err := p.measure(w); err != nil {
		discard(conn)
		p.unavailable(err)
		return p.trouble()
	}
	p.why.Store(nil)
	p.store.cfg.Logger.Info("database is available again")
	return nil
}

func (p *postgres) tick() <-chan time.Time { return p.ticker.C }

// tend connects anew, so that a process to which nobody sends any more gets ready,
// and notices that a connection is gone which nobody uses.
func (p *postgres) tend(w *writer) {
	if p.usable(w) == nil {
		w.measure()
	}
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

// overwrite lets the place of what was deleted be used again, and what is indexed of
// it be removed. The server writes over it in its time; of copies that are not in the
// tables (its log and archives of that, backups, standbys) a client knows nothing.
func (p *postgres) overwrite(ctx context.Context) error {
	for _, table := range []string{"event", "body", "subject", "turn", "alias", "orphan", "outbox", "request", "summary", "observation"} {
		if _, err := p.store.reader.ExecContext(ctx, `VACUUM (INDEX_CLEANUP ON, TRUNCATE OFF) `+table); err != nil {
			return err
		}
	}
	return nil
}

func (p *postgres) cut(ctx context.Context) error {
	_, err := p.store.reader.ExecContext(ctx, `VACUUM (INDEX_CLEANUP ON, TRUNCATE OFF) forgetting`)
	return err
}

func (p *postgres) shared() bool { return true }

func (p *postgres) skew() time.Duration { return time.Duration(p.ahead.Load()) }

func (p *postgres) announce(due, outbox bool) { p.notes.announce(due, outbox) }

// release gives the claims of this process back: nobody has to wait for their end.
func (p *postgres) release(w *writer) (err error) {
	if p.trouble() == nil {
		_, err = w.transactAgain([]*op{{run: func(t *tx) error {
			name := p.store.name[:]
			if err := t.exec(`UPDATE subject SET claim_token = NULL, claim_until = 0
				WHERE state = 'open' AND claim_until > 0 AND substring(claim_token FROM 1 FOR 8) = ?`, name); err != nil {
				return err
			}
			return t.exec(`UPDATE outbox SET claim_token = NULL, claim_until = 0
				WHERE state = 'pending' AND claim_until > 0 AND substring(claim_token FROM 1 FOR 8) = ?`, name)
		}}})
		if p.fault(w, err) == faultLost {
			err = nil // they end by themselves
		}
	}
	p.notes.announce(true, true)
	p.notes.close()
	p.ticker.Stop()
	return err
}

func (p *postgres) close() error { return nil }

var _ engine = (*postgres)(nil)
