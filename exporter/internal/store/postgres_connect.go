package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// openPostgres connects for the first time. While the database can't be reached
// the store is open all the same, and unavailable; with existing that is an error.
func (s *Store) openPostgres(ctx context.Context, existing bool) (err error) {
	cfg, err := postgresConfig(s.cfg.URL)
	if err != nil {
		return err
	}
	p := &postgres{
		store: s, cfg: cfg, ownClock: s.cfg.Now == nil,
		wait: minReconnect, timer: time.NewTimer(tendEvery), texts: make(map[string]sizedText), manys: make(map[string]manyRows),
	}
	s.engine, s.shard = p, rand.Int64N(ledgerShards)
	if p.ownClock {
		s.cfg.Now = func() time.Time { return time.Now().Add(p.skew()) }
	}
	if s.codec, err = newCodec(); err != nil {
		return err
	}
	writes := cfg.Copy()
	writes.OnNotice = p.noticed
	db := stdlib.OpenDB(*writes, stdlib.OptionBeforeConnect(p.renewPassword), stdlib.OptionAfterConnect(p.prepareWriter))
	db.SetMaxOpenConns(1)
	s.reader = stdlib.OpenDB(*cfg, stdlib.OptionBeforeConnect(p.renewPassword), stdlib.OptionAfterConnect(prepareReader))
	s.reader.SetMaxOpenConns(readers)
	s.reader.SetMaxIdleConns(readers / 2)
	s.writer = newWriter(s, db, &usage{max: s.cfg.MaxSize})
	err = p.connect(ctx, s.writer)
	if err != nil && !existing && ctx.Err() == nil && passes(err) {
		p.unavailable(err)
		err = nil
	}
	if err != nil {
		p.timer.Stop()
		s.codec.close()
		return errors.Join(advised(err), s.reader.Close(), db.Close())
	}
	p.pairs, p.looks = startApart(s), startLooks(p)
	go s.writer.loop()
	return nil
}

// postgresConfig is how to connect, with the bounds of this program where the URL
// names none.
func postgresConfig(url string) (*pgx.ConnConfig, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, errors.New("store.url is not a URL of PostgreSQL: postgres://USER@HOST/DATABASE") // the cause may quote a password
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = connectWait
		for _, other := range cfg.Fallbacks {
			if other.Host != cfg.Host || other.Port != cfg.Port {
				cfg.ConnectTimeout = connectWaitEach
			}
		}
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "cdr2otel"
	}
	// A machine that is gone says nothing: the operating system asks whether it is there.
	dialer := &net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: keepIdle, Interval: keepInterval, Count: keepCount},
		Control:         boundUnanswered,
	}
	cfg.DialFunc = dialer.DialContext
	if validate := cfg.ValidateConnect; validate != nil {
		cfg.ValidateConnect = func(ctx context.Context, conn *pgconn.PgConn) error {
			err := validate(ctx, conn)
			if _, other := errors.AsType[*pgconn.NotPreferredError](err); err == nil || other {
				return err
			}
			return passing{err} // of target_session_attrs: the server's role is another one
		}
	}
	return cfg, nil
}

// renewPassword reads a password that is in a file anew: who rotates it need not
// restart this process.
func (p *postgres) renewPassword(_ context.Context, cfg *pgx.ConnConfig) error {
	if now, err := pgx.ParseConfig(p.store.cfg.URL); err == nil {
		cfg.Password = now.Password
	}
	return nil
}

// dialPatience is how long connecting to one of the hosts may take.
func (p *postgres) dialPatience() time.Duration {
	return connectWait + p.cfg.ConnectTimeout*time.Duration(1+len(p.cfg.Fallbacks))
}

// connect is the one place in which the writer connects, for the first time or anew:
// it makes what is missing of the tables, reads what the store needs of them, and
// hears what others tell.
func (p *postgres) connect(ctx context.Context, w *writer) (err error) {
	dial, cancel := context.WithTimeout(ctx, p.dialPatience())
	defer cancel()
	conn, err := w.db.Conn(dial)
	if err != nil {
		return err
	}
	w.conn = conn
	defer func() {
		if err != nil {
			w.disconnect()
		}
	}()
	ctx, cancel = context.WithTimeout(ctx, migrationPatience)
	defer cancel()
	if err := p.prepare(ctx, w.conn); err != nil {
		return err
	}
	p.measured = time.Time{}
	if err := w.recover(); err != nil {
		return err
	}
	if p.notes == nil {
		p.notes, err = startNotices(ctx, p)
	}
	return err
}

// openExistingPostgres is Open where the tables are there already.
func openExistingPostgres(ctx context.Context, cfg Config) (*Store, error) {
	there, err := hasTables(ctx, cfg.URL)
	switch {
	case err != nil:
		return nil, fmt.Errorf("open store: %w", advised(err))
	case !there:
		return nil, fmt.Errorf("%w in the first schema of search_path: run this with the configuration of the sidecar", ErrNone)
	}
	return open(ctx, cfg, true)
}

func hasTables(ctx context.Context, url string) (there bool, err error) {
	cfg, err := postgresConfig(url)
	if err != nil {
		return false, err
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return false, err
	}
	defer closeConn(conn)
	err = conn.QueryRow(ctx, `SELECT count(*) = 2 FROM pg_tables WHERE schemaname = current_schema() AND tablename IN ('migration', 'event')`).Scan(&there)
	return there, err
}

// prepare makes the tables.
func (p *postgres) prepare(ctx context.Context, conn *sql.Conn) error {
	var schema sql.NullString
	if err := conn.QueryRowContext(ctx, `SELECT current_schema()`).Scan(&schema); err != nil {
		return err
	}
	switch {
	case schema.Valid && p.schema == "":
		p.schema = schema.String
	case !schema.Valid:
		return errors.New("no schema of search_path exists: make it, or name another one in store.url (?search_path=NAME)")
	case p.schema != "" && p.schema != schema.String:
		// Connections that are open already still work with the other one.
		return fmt.Errorf("the first schema of search_path is %s now, and was %s: start this process again, or name one in store.url (?search_path=NAME)", schema.String, p.schema)
	}
	return p.migrate(ctx, conn)
}

func (p *postgres) checkServer(ctx context.Context, conn *pgx.Conn) error {
	var version int
	var recovering, readOnly bool
	var commit, standbys, sync, encoding string
	err := conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, pg_is_in_recovery(), current_setting('transaction_read_only') = 'on',
		current_setting('synchronous_commit'), current_setting('synchronous_standby_names'), current_setting('fsync'),
		current_setting('server_encoding')`).Scan(&version, &recovering, &readOnly, &commit, &standbys, &sync, &encoding)
	asynchronous := commit == "off" || commit == "local" && standbys != ""
	switch {
	case err != nil:
		return err
	case version < postgresOldest:
		return fmt.Errorf("the server is of version %d, 14 is the oldest that will do", version/10000)
	case encoding != "UTF8":
		return fmt.Errorf("the database's encoding is %s, it must be UTF8", encoding)
	case recovering:
		return passing{errors.New("the server is a standby: store.url must lead to the primary (several hosts and target_session_attrs=read-write find it)")}
	case readOnly:
		return passing{errors.New("the server lets nobody write: transaction_read_only is on")}
	case sync != "on":
		return fmt.Errorf("the server would acknowledge what is not durable: fsync is %s: set it to on", sync)
	case asynchronous && !p.store.cfg.AllowAsynchronousCommit:
		return fmt.Errorf("the server would acknowledge what is not durable: synchronous_commit is %s, synchronous_standby_names is %q: set synchronous_commit to on for this role or database",
			commit, standbys)
	case asynchronous:
		p.store.cfg.Logger.Warn("the server acknowledges what is not durable: its crash or failover loses events that were answered 2xx",
			slog.String("synchronous_commit", commit), slog.String("synchronous_standby_names", standbys))
	}
	return nil
}
