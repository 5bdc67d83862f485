package store

import (
	"database/sql"
	"errors"
)

// tx is the transaction of one group commit. It runs in the writer goroutine.
type tx struct {
	*writer
	now    int64 // one clock reading for the whole transaction, Unix nanoseconds
	counts map[ledgerKey]int64
	due    int64     // the earliest due time that was set, Unix nanoseconds; 0: none was
	outbox bool      // delivery has something new to send
	wrote  bool      // something was certainly written
	loose  []*intake // messages that no call owns by their log id; see unowned
	short  []int64   // calls that wait for messages
	bytes  int64     // by which what is stored grew, as far as the engine counts that
}

type ledgerKey struct {
	source string
	state  State
}

// turnSize is what a row of the table turn occupies with its index entries, about.
const turnSize = 192

// grew notes by how much what is stored grew.
func (t *tx) grew(bytes int64) { t.bytes += bytes }

// dueAt notes that a subject is due at that time.
func (t *tx) dueAt(at int64) {
	if t.due == 0 || at < t.due {
		t.due = at
	}
}

func (t *tx) runAll(batch []*op) error {
	if err := t.engine.run(t, batch); err != nil {
		return err
	}
	return t.writeLedger()
}

// runEach runs ops one after the other. An op that is refused before it wrote anything
// keeps its error and the others go on; any other error undoes the batch.
func (t *tx) runEach(ops []*op) error {
	for _, o := range ops {
		o.err = o.run(t)
		if o.err != nil && !isRefusal(o.err) {
			return o.err
		}
	}
	return nil
}

// isRefusal tells whether an op declined and wrote nothing.
func isRefusal(err error) bool {
	return errors.Is(err, ErrFenced) || errors.Is(err, ErrNotRetryable) || errors.Is(err, ErrFull)
}

// Statements are prepared once and kept. One thing undoes that: SQLite looks at
// the value of a bare "LIMIT ?" and prepares anew each time it is bound, so hot
// statements say "LIMIT 0 + ?".

func (t *tx) exec(query string, args ...any) error {
	return t.engine.exec(t, query, args)
}

// change is exec that tells how many rows were changed.
func (t *tx) change(query string, args ...any) (int64, error) {
	return t.engine.change(t, query, args)
}

// insert is exec that tells the new row's id.
func (t *tx) insert(query string, args ...any) (int64, error) {
	return t.engine.insert(t, query, args)
}

// one scans the first row into dest and tells whether there was one.
func (t *tx) one(query string, args []any, dest ...any) (bool, error) {
	return t.engine.one(t, query, args, dest)
}

// scanner is a row of an answer. What it scans is valid until the next.
type scanner interface{ Scan(dest ...any) error }

// each calls fn for every row, which must run no statement.
func (t *tx) each(query string, args []any, fn func(scanner) error) error {
	return t.engine.each(t, query, args, fn)
}

func eachRow(rows *sql.Rows, err error, fn func(*sql.Rows) error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// blob is a hash as a value of the database: NULL when it is absent.
func blob(h Hash) any {
	if h == (Hash{}) {
		return nil
	}
	return h[:]
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
