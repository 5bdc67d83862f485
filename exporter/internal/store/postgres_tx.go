package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

func (p *postgres) sql(query string) string { return postgresSQL(query) }

func (p *postgres) args(args []any) []any {
	for i, arg := range args {
		if text, ok := arg.(string); ok {
			if clean := postgresText(text); clean != text {
				args = slices.Clone(args)
				args[i] = clean
			}
		}
	}
	return args
}

// begin locks what the batch is about before it looks at anything, in the same order
// everywhere: then the join keys, so that two processes never decide about the same
// call at once, then the subjects.
func (p *postgres) begin(w *writer, batch []*op) (now int64, err error) {
	w.ctx, w.cancel = context.WithTimeout(context.Background(), patience)
	joins, subjects, accepts := []int64{}, []int64(nil), 0
	schema := p.lockID("join")
	for _, o := range batch {
		for _, join := range o.joins {
			joins = append(joins, join^schema)
		}
		subjects = append(subjects, o.subjects...)
		if o.stage == stageAccept && o.key != nil {
			accepts++
		}
	}
	slices.Sort(joins)
	p.strand, p.ids = new(strand), nil
	queue := []*statement{command("BEGIN"), p.statement(`SELECT count(*) FROM (SELECT pg_advisory_xact_lock(k) FROM unnest(CAST(? AS BIGINT[])) AS k OFFSET 0) locked`,
		[]any{slices.Compact(joins)})}
	if len(subjects) > 0 {
		queue = append(queue, p.statement(`SELECT count(*) FROM (SELECT 1 FROM subject WHERE id = ANY(CAST(? AS BIGINT[])) ORDER BY id FOR UPDATE) held`, []any{subjects}))
	}
	// Told before a lock was waited for, it would seem that the clocks differ by that.
	clock := p.statement(`SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)`, nil)
	clock.dest = []any{&now}
	queue = append(queue, clock)
	if accepts > 0 {
		ids := p.statement(`SELECT array_agg(nextval(s)) FROM (SELECT CAST(pg_get_serial_sequence('event', 'id') AS regclass) AS s OFFSET 0) event,
			generate_series(1, CAST(? AS BIGINT))`, []any{accepts})
		ids.dest = []any{&p.ids}
		queue = append(queue, ids)
	}
	if _, err := p.send(w, queue); err != nil {
		return 0, err
	}
	if !p.ownClock {
		return p.store.now(), nil
	}
	now *= int64(time.Microsecond)
	// Late by the way of the answer, which is far less than what clocks differ by.
	p.ahead.Store(now - time.Now().UnixNano())
	return now, nil
}

// errRolledBack: a COMMIT of a transaction that had failed is answered ROLLBACK.
var errRolledBack = errors.New("the database rolled the transaction back")

// errOnlyHere: the server has committed, and a synchronous standby may not.
var errOnlyHere = errors.New("the server stopped waiting for its synchronous standby")

// commit goes with what waited for it.
func (p *postgres) commit(w *writer) error {
	p.unsure = false
	_, err := p.send(w, append(p.strand.queue, command("COMMIT")))
	if err == nil && p.unsure {
		err = errOnlyHere
	}
	return err
}

// noticed: a COMMIT that waits for a synchronous standby and is cancelled, as an
// administrator does when that is down, is answered like any other, with a warning.
func (p *postgres) noticed(_ *pgconn.PgConn, n *pgconn.Notice) {
	p.unsure = p.unsure || n.SeverityUnlocalized == "WARNING"
}

func (p *postgres) committed(t *tx) error {
	t.size.used.Add(t.bytes)
	return nil
}

// account writes by how much what is stored grew, with what it counts.
func (p *postgres) account(t *tx) error {
	if err := p.flush(t); err != nil || t.bytes == 0 {
		return err
	}
	return t.exec(`INSERT INTO space (shard, n) VALUES (?, ?) ON CONFLICT (shard) DO UPDATE SET n = space.n + excluded.n`, p.store.shard, t.bytes)
}

func (p *postgres) sweepsAlone(t *tx) (alone bool, err error) {
	_, err = t.one(`SELECT pg_try_advisory_xact_lock(?)`, []any{p.lockID("sweep")}, &alone)
	return alone, err
}

func (p *postgres) alone(t *tx, what string) error {
	return t.exec(`SELECT pg_advisory_xact_lock(?)`, p.lockID(what))
}

// Codes of errors, https://www.postgresql.org/docs/current/errcodes-appendix.html.
const (
	uniqueViolation  = "23505"
	readOnly         = "25006"
	diskFull         = "53100"
	lockNotAvailable = "55P03"
)

func (p *postgres) fault(w *writer, err error) fault {
	var e *pgconn.PgError
	switch {
	case err == nil:
		return faultOther
	case errors.Is(err, errRolledBack):
		return faultConflict
	case errors.Is(err, errOnlyHere):
		return faultLost
	case errors.As(err, &e):
		return faultOfCode(e.Code)
	}
	var network net.Error
	switch {
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, sql.ErrConnDone), errors.Is(err, context.DeadlineExceeded), errors.Is(err, io.EOF),
		errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &network), pgconn.SafeToRetry(err), isClosed(w.conn):
		return faultLost
	}
	return faultOp
}

func faultOfCode(code string) fault {
	switch code {
	case uniqueViolation, lockNotAvailable: // what is in the way is looked at again
		return faultConflict
	case diskFull:
		return faultFull
	case readOnly:
		return faultLost
	}
	switch code[:min(len(code), 2)] {
	case "40": // deadlock, serialization
		return faultConflict
	case "08", "53", "57", "58", "F0", "XX", "25", "0A", "26":
		// The connection, its server's resources, its shutdown, its disk, its state.
		return faultLost
	}
	return faultOp
}

func isClosed(conn *sql.Conn) bool {
	closed := true
	if conn == nil {
		return true
	}
	_ = conn.Raw(func(c any) error {
		closed = c.(*stdlib.Conn).Conn().IsClosed()
		return nil
	})
	return closed
}
