package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	sqlite3 "modernc.org/sqlite/lib"
)

// sqliteEngine is the engine of one process with a file of its own.
type sqliteEngine struct{ *Store }

func (sqliteEngine) sql(query string) string { return query }

func (sqliteEngine) args(args []any) []any { return args }

func (e sqliteEngine) begin(w *writer, _ []*op) (int64, error) {
	return e.now(), w.command("BEGIN IMMEDIATE")
}

func (sqliteEngine) commit(w *writer) error { return w.command("COMMIT") }

// committed: durable, but where? Not a lie that the next start would find out.
func (sqliteEngine) committed(t *tx) error { return t.size.look() }

func (sqliteEngine) run(t *tx, batch []*op) error { return t.runEach(batch) }

func (e sqliteEngine) exec(t *tx, query string, args []any) error {
	_, err := e.change(t, query, args)
	return err
}

func (sqliteEngine) change(t *tx, query string, args []any) (int64, error) {
	stmt, err := t.prepare(query)
	if err != nil {
		return 0, err
	}
	result, err := stmt.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (sqliteEngine) insert(t *tx, query string, args []any) (int64, error) {
	stmt, err := t.prepare(query)
	if err != nil {
		return 0, err
	}
	result, err := stmt.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	return result.LastInsertId()
}

func (sqliteEngine) one(t *tx, query string, args, dest []any) (bool, error) {
	stmt, err := t.prepare(query)
	if err != nil {
		return false, err
	}
	err = stmt.QueryRowContext(context.Background(), args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

func (sqliteEngine) each(t *tx, query string, args []any, fn func(scanner) error) error {
	stmt, err := t.prepare(query)
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(t.ctx, args...)
	return eachRow(rows, err, func(rows *sql.Rows) error { return fn(rows) })
}

func (sqliteEngine) abreast(_ *tx, n int, run func(i int) error) error {
	for i := range n {
		if err := run(i); err != nil {
			return err
		}
	}
	return nil
}

func (e sqliteEngine) readMany(ctx context.Context, query string, columns [][]int64, fn func(*sql.Rows) error) error {
	args := make([]any, len(columns))
	for row := range columns[0] {
		for i := range columns {
			args[i] = columns[i][row]
		}
		rows, err := e.read(ctx, query, args...)
		if err := e.Store.each(rows, err, fn); err != nil {
			return err
		}
	}
	return nil
}

func (sqliteEngine) account(*tx) error { return nil }

// ready: the claims of an earlier process are void. The lock proves that nobody
// else lives.
func (sqliteEngine) ready(t *tx) error {
	if err := t.exec(`UPDATE subject SET claim_token = NULL, claim_until = 0 WHERE state = 'open' AND claim_until > 0`); err != nil {
		return err
	}
	return t.exec(`UPDATE outbox SET claim_token = NULL, claim_until = 0 WHERE state = 'pending' AND claim_until > 0`)
}

func (sqliteEngine) usable(*writer) error { return nil }

func (sqliteEngine) tick() <-chan time.Time { return nil }

func (sqliteEngine) tend(*writer) {}

func (sqliteEngine) fault(_ *writer, err error) fault {
	switch {
	case isUntrusted(err):
		return faultBroken
	case isDataError(err):
		return faultOp
	case sqliteCode(err) == sqlite3.SQLITE_FULL:
		return faultFull
	}
	return faultOther
}

func (sqliteEngine) lost(*writer, error) {}

func (sqliteEngine) measure(w *writer) error { return w.size.measure(w) }

// shrink copies the log into the file: there it takes no place of its own.
func (sqliteEngine) shrink(w *writer) error {
	if w.size.log < w.size.limit.Load()/100 {
		return nil
	}
	if err := w.command("PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		return err
	}
	return w.size.measure(w)
}

func (sqliteEngine) giveUp(w *writer) error {
	w.size.reserve.release()
	return w.command("PRAGMA wal_checkpoint(TRUNCATE)")
}

func (e sqliteEngine) overwrite(ctx context.Context) error { return e.Store.overwrite(ctx) }

// cut: secure_delete overwrote the row, and it is in the log.
func (e sqliteEngine) cut(ctx context.Context) error { return e.truncateLog(ctx) }

func (sqliteEngine) shared() bool { return false }

func (sqliteEngine) leads() bool { return true }

func (sqliteEngine) sweepsAlone(*tx) (bool, error) { return true, nil }

func (sqliteEngine) forgetsAlone(context.Context, bool) (func(), bool, error) {
	return func() {}, true, nil
}

func (sqliteEngine) alone(*tx, string) error { return nil }

// doubt ends the store when a read shows that its file is damaged: writing on
// would spread that.
func (e sqliteEngine) doubt(err error) error {
	switch sqliteCode(err) {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR:
		e.writer.breakDown(err)
	}
	return err
}

func (sqliteEngine) skew() time.Duration { return 0 }

func (sqliteEngine) trouble() error { return nil }

func (sqliteEngine) available() <-chan struct{} { return always }

func (sqliteEngine) apart(*tx) {}

func (sqliteEngine) announce(bool, bool) {}

func (sqliteEngine) release(*writer) error { return nil }

func (e sqliteEngine) close() error { return e.lock.Close() }

// isUntrusted tells whether after this error the file or its log may hold
// anything. What SQLite rolls back cleanly, or refuses up front, is not that.
func isUntrusted(err error) bool {
	if errors.Is(err, errGone) {
		return true
	}
	switch sqliteCode(err) {
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB,
		sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PROTOCOL:
		return true
	}
	return false
}

// isDataError tells whether one op of the batch is to blame, not the store.
func isDataError(err error) bool {
	if errors.Is(err, errGone) {
		return false
	}
	switch sqliteCode(err) {
	case 0, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH,
		sqlite3.SQLITE_RANGE, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_NOMEM:
		return true
	}
	return false
}
