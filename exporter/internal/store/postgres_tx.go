package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
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
	if err := p.command(w, "BEGIN"); err != nil {
		return 0, err
	}
	var joins, subjects []int64
	schema := p.lockID("join")
	for _, o := range batch {
		for _, join := range o.joins {
			joins = append(joins, join^schema)
		}
		subjects = append(subjects, o.subjects...)
	}
	if now, err = p.lockJoins(w, joins); err != nil || len(subjects) == 0 {
		return now, err
	}
	stmt, err := w.prepare(`SELECT count(*) FROM (SELECT 1 FROM subject WHERE id = ANY(CAST(? AS BIGINT[])) ORDER BY id FOR UPDATE) held`)
	if err != nil {
		return 0, err
	}
	var held int64
	return now, stmt.QueryRowContext(w.ctx, subjects).Scan(&held)
}

// lockJoins tells the time after it got the locks.
func (p *postgres) lockJoins(w *writer, joins []int64) (now int64, err error) {
	slices.Sort(joins)
	joins = slices.Compact(joins)
	if joins == nil {
		joins = []int64{}
	}
	stmt, err := w.prepare(`SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)
		FROM (SELECT count(*) FROM (SELECT pg_advisory_xact_lock(k) FROM unnest(CAST(? AS BIGINT[])) AS k OFFSET 0) locked) all_locked`)
	if err != nil {
		return 0, err
	}
	if err := stmt.QueryRowContext(w.ctx, joins).Scan(&now); err != nil {
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

func (p *postgres) commit(w *writer) error { return p.command(w, "COMMIT") }

// command wants that what was asked for is what was done.
func (p *postgres) command(w *writer, query string) error {
	return w.conn.Raw(func(c any) error {
		tag, err := c.(*stdlib.Conn).Conn().Exec(w.ctx, query)
		if err == nil && tag.String() != query {
			err = fmt.Errorf("%w: %s was answered %s", errRolledBack, query, tag)
		}
		return err
	})
}

func (p *postgres) committed(t *tx) error {
	t.size.used.Add(t.bytes)
	return nil
}

// sizedText is a statement that adds or deletes rows of which the size is counted.
type sizedText struct {
	text   string
	sign   int64 // 0: not counted
	row    int64 // of a row and its index entries
	inside bool  // it also tells the size of what is in the row
}

// rowSizes are the tables of which the size is counted, what a row of them occupies,
// about, the smaller tables with them, and what tells the size of what is in it.
var rowSizes = map[string]struct {
	row    int64
	inside string
}{
	"event":       {2048, `coalesce(octet_length(headers), 0) + coalesce(octet_length(request_headers), 0)`},
	"body":        {96, `octet_length(bytes)`},
	"outbox":      {512, ``},
	"request":     {96, `octet_length(bytes)`},
	"observation": {192, `octet_length(bytes)`},
	"turn":        {turnSize, ``},
}

func (p *postgres) sized(query string, id bool) sizedText {
	if s, ok := p.texts[query]; ok {
		return s
	}
	s := sizedText{text: query}
	var returning []string
	if id {
		returning = append(returning, "id")
	}
	for verb, sign := range map[string]int64{"INSERT INTO ": 1, "DELETE FROM ": -1} {
		rest, ok := strings.CutPrefix(query, verb)
		if !ok {
			continue
		}
		table, _, _ := strings.Cut(rest, " ")
		size, ok := rowSizes[table]
		if !ok {
			continue
		}
		s.sign, s.row, s.inside = sign, size.row, size.inside != ""
		if s.inside {
			returning = append(returning, size.inside)
		}
	}
	if len(returning) > 0 {
		s.text += " RETURNING " + strings.Join(returning, ", ")
	}
	p.texts[query] = s
	return s
}

func (p *postgres) exec(t *tx, query string, args []any) (n int64, err error) {
	s := p.sized(query, false)
	stmt, err := t.prepare(s.text)
	if err != nil {
		return 0, err
	}
	if !s.inside {
		result, err := stmt.ExecContext(t.ctx, p.args(args)...)
		if err != nil {
			return 0, err
		}
		n, err = result.RowsAffected()
		t.grew(s.sign * n * s.row)
		return n, err
	}
	rows, err := stmt.QueryContext(t.ctx, p.args(args)...)
	return n, eachRow(rows, err, func(rows *sql.Rows) error {
		var inside int64
		err := rows.Scan(&inside)
		t.grew(s.sign * (s.row + inside))
		n++
		return err
	})
}

func (p *postgres) insert(t *tx, query string, args []any) (id int64, err error) {
	s := p.sized(query, true)
	stmt, err := t.prepare(s.text)
	if err != nil {
		return 0, err
	}
	var inside int64
	dest := []any{&id}
	if s.inside {
		dest = append(dest, &inside)
	}
	if err := stmt.QueryRowContext(t.ctx, p.args(args)...).Scan(dest...); err != nil {
		return 0, err
	}
	t.grew(s.sign * (s.row + inside))
	return id, nil
}

// account writes by how much what is stored grew, with what it counts.
func (p *postgres) account(t *tx) error {
	if t.bytes == 0 {
		return nil
	}
	return t.exec(`INSERT INTO space (shard, n) VALUES (?, ?) ON CONFLICT (shard) DO UPDATE SET n = space.n + excluded.n`, p.store.shard, t.bytes)
}

// ready has nothing to void: the claims of others hold, and those of a process that
// died end by themselves.
func (p *postgres) ready(*tx) error { return nil }

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
	_ = conn.Raw(func(c any) error {
		closed = c.(*stdlib.Conn).Conn().IsClosed()
		return nil
	})
	return closed
}
