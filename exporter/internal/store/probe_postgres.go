package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// ConnectionsOfReplica are those that one process keeps to its PostgreSQL at most: of
// its writer, its readers, and the one that listens.
const ConnectionsOfReplica = 1 + readers + 1

// ProbedServer is what ProbePostgres saw of a database.
type ProbedServer struct {
	// Address is host:port or a folder of sockets, as it was connected to.
	Address string
	// Remote: it is on another machine. TLS is the version that is spoken, "" none;
	// Verified: the server showed a certificate that was checked.
	Remote, Verified bool
	TLS              string

	Database, Role, Schema string // Schema "": none of search_path exists
	Version                int    // server_version_num
	Encoding               string
	Standby, ReadOnly      bool
	// What durability rests on, as the server says it.
	SynchronousCommit, Fsync, SynchronousStandbys string

	// Pooled says why connections do not keep their session; "": they do.
	Pooled string
	// Tables are those of a store, MayCreate that the role may add to the schema.
	Tables    Tables
	MayCreate bool
	// Denied are tables that the role may not read and write, NotOwned those that it
	// may not change when a later release needs that, nor vacuum.
	Denied, NotOwned []string

	// Commit is how long one took to be durable; 0: it was not tried, see NoCommit.
	Commit   time.Duration
	NoCommit string
	// Ahead is the server's clock of this machine's.
	Ahead time.Duration
	// Free is how many connections the role may still open to the database, without
	// the probe's own; Ours those that are open by the name of a sidecar's.
	Free, Ours int
}

// Tables are what is in the schema of a store.
type Tables string

// Kinds of what is there.
const (
	NoTables      Tables = "none"
	OurTables     Tables = "ours"
	EarlierTables Tables = "earlier" // the next start adds what is missing
	LaterTables   Tables = "later"   // of a later release
	OtherTables   Tables = "other"   // somebody else's with names of ours
)

// probePatience bounds a commit of the probe: with synchronous standbys that are down
// it would wait for ever.
const probePatience = 10 * time.Second

// probeName is that of the probe's own connections.
const probeName = "cdr2otel-doctor"

// ProbePostgres finds out whether a store could be durable in a database, and changes
// nothing there. On an error ProbedServer has what was found until then; the error holds
// no password.
func ProbePostgres(ctx context.Context, url string) (p ProbedServer, err error) {
	cfg, err := postgresConfig(url)
	if err != nil {
		return p, err
	}
	p.Address = address(cfg.Host, cfg.Port)
	p.Database, p.Role = cfg.Database, cfg.User
	name := cfg.RuntimeParams["application_name"]
	cfg.RuntimeParams["application_name"] = probeName
	// A pooler may not know what an earlier transaction prepared.
	cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	ctx, cancel := context.WithTimeout(ctx, 3*probePatience)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return p, oneLine{error: err}
	}
	defer closeConn(conn)
	p.connection(conn, cfg)
	other, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return p, oneLine{error: err}
	}
	defer closeConn(other)
	for _, look := range []func(context.Context, *pgx.Conn) error{p.server, p.sessions(other), p.tables, p.connections(name), p.commit} {
		if err := look(ctx, conn); err != nil {
			return p, oneLine{error: err}
		}
	}
	return p, nil
}

func address(host string, port uint16) string {
	if strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") {
		return host
	}
	return net.JoinHostPort(host, fmt.Sprint(port))
}

// connection is what can be told from the connection. With several hosts in the URL it
// says which one was chosen.
func (p *ProbedServer) connection(conn *pgx.Conn, cfg *pgx.ConnConfig) {
	verified := func(c *tls.Config) bool { return c != nil && (!c.InsecureSkipVerify || c.VerifyPeerCertificate != nil) }
	p.Verified = verified(cfg.TLSConfig)
	raw := conn.PgConn().Conn()
	if t, ok := raw.(*tls.Conn); ok {
		p.TLS = tls.VersionName(t.ConnectionState().Version)
	}
	p.Verified = p.Verified && p.TLS != ""
	remote, isTCP := raw.RemoteAddr().(*net.TCPAddr)
	p.Remote = isTCP && !remote.IP.IsLoopback()
	if isTCP && len(cfg.Fallbacks) > 0 {
		p.Address = remote.String()
	}
}

func (p *ProbedServer) server(ctx context.Context, conn *pgx.Conn) error {
	var now time.Time
	began := time.Now()
	if err := conn.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&now); err != nil {
		return err
	}
	p.Ahead = now.Sub(began.Add(time.Since(began) / 2))
	return conn.QueryRow(ctx, `SELECT current_database(), current_user, coalesce(current_schema(), ''), current_setting('server_version_num')::int,
		current_setting('server_encoding'), pg_is_in_recovery(), current_setting('transaction_read_only') = 'on',
		current_setting('synchronous_commit'), current_setting('fsync'), current_setting('synchronous_standby_names')`).
		Scan(&p.Database, &p.Role, &p.Schema, &p.Version, &p.Encoding, &p.Standby, &p.ReadOnly, &p.SynchronousCommit, &p.Fsync, &p.SynchronousStandbys)
}

// sessions tells whether a connection keeps its session between transactions. A pooler
// of transactions gives the server's process that just served one client to the next.
func (p *ProbedServer) sessions(other *pgx.Conn) func(context.Context, *pgx.Conn) error {
	return func(ctx context.Context, conn *pgx.Conn) error {
		var mine, others uint32
		if err := conn.QueryRow(ctx, `SELECT pg_backend_pid()`).Scan(&mine); err != nil {
			return err
		}
		tx, err := other.Begin(ctx)
		if err != nil {
			return err
		}
		defer tx.Rollback(ctx)
		if err := tx.QueryRow(ctx, `SELECT pg_backend_pid()`).Scan(&others); err != nil {
			return err
		}
		if mine == others {
			p.Pooled = "two connections share one session"
			return nil
		}
		return p.keeps(ctx, conn, tx)
	}
}

// keeps tries what only a session can: a lock that outlives its transaction, and to be
// told.
func (p *ProbedServer) keeps(ctx context.Context, conn *pgx.Conn, other pgx.Tx) error {
	const lock, channel = int64(0x6364723270726f62), "cdr2otel_probe"
	var mine, others, freed bool
	if err := conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, lock).Scan(&mine); err != nil {
		return err
	}
	if err := other.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock($1)`, lock).Scan(&others); err != nil {
		return err
	}
	if mine {
		if err := conn.QueryRow(ctx, `SELECT pg_advisory_unlock($1)`, lock).Scan(&freed); err != nil {
			return err
		}
	}
	if mine && (others || !freed) {
		p.Pooled = "a lock of a session is gone with the transaction"
		return nil
	}
	if p.Standby {
		return nil // where nobody may listen
	}
	if _, err := conn.Exec(ctx, `LISTEN `+channel+`; SELECT pg_notify('`+channel+`', '')`); err != nil {
		return err
	}
	soon, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if _, err := conn.WaitForNotification(soon); errors.Is(err, context.DeadlineExceeded) {
		p.Pooled = "LISTEN hears nothing"
	}
	return nil
}

func (p *ProbedServer) tables(ctx context.Context, conn *pgx.Conn) error {
	p.Tables = NoTables
	if p.Schema == "" {
		return nil
	}
	var recorded, event bool
	err := conn.QueryRow(ctx, `SELECT has_schema_privilege(current_schema(), 'CREATE'), EXISTS (SELECT FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'migration'),
		EXISTS (SELECT FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'event')`).Scan(&p.MayCreate, &recorded, &event)
	switch {
	case err != nil:
		return err
	case recorded:
		return p.release(ctx, conn)
	case event:
		p.Tables = OtherTables
	}
	return nil
}

// release compares what is there with the steps of this one.
func (p *ProbedServer) release(ctx context.Context, conn *pgx.Conn) error {
	p.Tables = OurTables
	var err error
	const mine = `SELECT relname::text FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND `
	p.Denied, err = names(ctx, conn, mine+`NOT (has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT')
		AND has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE')) ORDER BY relname`)
	if err == nil {
		p.NotOwned, err = names(ctx, conn, mine+`NOT pg_has_role(relowner, 'USAGE') ORDER BY relname`)
	}
	if err != nil || len(p.Denied) > 0 {
		return err
	}
	applied, err := names(ctx, conn, `SELECT name::text FROM migration`)
	if err != nil {
		return err
	}
	steps, err := migrationsForPostgres()
	if err != nil {
		return err
	}
	known := make(map[string]bool)
	for _, step := range steps {
		known[step.name] = true
	}
	if len(applied) < len(steps) {
		p.Tables = EarlierTables
	}
	for _, name := range applied {
		if !known[name] {
			p.Tables = LaterTables
		}
	}
	return nil
}

func names(ctx context.Context, conn *pgx.Conn, query string) ([]string, error) {
	rows, err := conn.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// connections counts those that this role may still open.
func (p *ProbedServer) connections(name string) func(context.Context, *pgx.Conn) error {
	return func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `WITH open AS (SELECT usename, datname, application_name FROM pg_stat_activity
				WHERE usesysid IS NOT NULL AND application_name <> $1)
			SELECT greatest(0, least(
				current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int - (SELECT count(*) FROM open),
				(SELECT nullif(datconnlimit, -1) - (SELECT count(*) FROM open WHERE open.datname = d.datname) FROM pg_database d WHERE datname = current_database()),
				(SELECT nullif(rolconnlimit, -1) - (SELECT count(*) FROM open WHERE usename = rolname) FROM pg_roles WHERE rolname = current_user))),
			(SELECT count(*) FROM open WHERE datname = current_database() AND application_name = $2)`, probeName, name).Scan(&p.Free, &p.Ours)
	}
}

// commit times one that the server makes durable as it does ours. A message to logical
// decoding is a record in its log, and nothing in a table.
func (p *ProbedServer) commit(ctx context.Context, conn *pgx.Conn) error {
	if p.Standby || p.ReadOnly {
		p.NoCommit = "the server lets nobody write"
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, probePatience)
	defer cancel()
	began := time.Now()
	_, err := conn.Exec(ctx, `SELECT pg_logical_emit_message(true, 'cdr2otel', 'probe')`)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("a commit did not end within %v: synchronous_standby_names may name one that is down", probePatience)
	case err != nil:
		p.NoCommit = oneLine{error: err}.Error()
		return nil
	}
	p.Commit = time.Since(began)
	return nil
}
