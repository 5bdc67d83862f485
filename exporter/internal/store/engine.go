package store

import (
	"context"
	"database/sql"
	"time"
)

// engine is what differs between SQLite and PostgreSQL; all else is one SQL and
// one writer. Statements are written for SQLite. What PostgreSQL needs besides is in
// comments that begin with "pg:", which only its engine reads.
type engine interface {
	// sql is a statement, and args are its arguments, as the engine takes them.
	sql(query string) string
	args(args []any) []any

	// begin begins the transaction of a batch and tells its time, Unix nanoseconds.
	begin(w *writer, batch []*op) (now int64, err error)
	commit(w *writer) error
	// committed sees what was committed before anybody is told.
	committed(t *tx) error
	// run runs the ops of a batch, with the outcome that they have one after the other.
	run(t *tx, batch []*op) error
	// exec runs a statement of which nobody asks what it did. It may be put off until
	// something is asked. change tells how many rows were changed, insert inserts a row and
	// tells its id, one scans the first row into dest and tells whether there was one, each
	// calls fn for every row.
	exec(t *tx, query string, args []any) error
	change(t *tx, query string, args []any) (int64, error)
	insert(t *tx, query string, args []any) (int64, error)
	one(t *tx, query string, args, dest []any) (bool, error)
	each(t *tx, query string, args []any, fn func(scanner) error) error
	// abreast runs n parts of an op, with the outcome that they have one after the other. No
	// part may rely on what another does between two of its own statements.
	abreast(t *tx, n int, run func(i int) error) error

	// readMany runs a query for each row of arguments, which come column by column, in
	// their order, and calls fn for every row that it tells, on a reader's connection. A
	// query that tells of one row only ends with LIMIT 1.
	readMany(ctx context.Context, query string, columns [][]int64, fn func(*sql.Rows) error) error

	// account writes what else is counted, as the last write of a transaction.
	account(t *tx) error

	// ready readies what an earlier process, or an earlier connection, left, in the first
	// transaction.
	ready(t *tx) error
	// usable is nil when a batch can be tried. It may connect anew.
	usable(w *writer) error
	// tick wakes tend, which looks after a writer that has nothing to do; nil: never.
	tick() <-chan time.Time
	tend(w *writer)
	// fault says what an error of a transaction means.
	fault(w *writer, err error) fault
	// lost is called after a fault of that name.
	lost(w *writer, err error)

	// measure reads what the store occupies.
	measure(w *writer) error
	// shrink gives back what room it can when deletions were not enough.
	shrink(w *writer) error
	// giveUp gives what was kept back for a disk without space.
	giveUp(w *writer) error
	// overwrite makes sure, as far as it can, that of what was deleted no byte is left.
	overwrite(ctx context.Context) error
	// cut is overwrite of whom was forgotten, which is in a table of its own.
	cut(ctx context.Context) error

	// shared tells whether other processes may write to the same database. Then
	// sweepsAlone keeps others from sweeping until the end of the transaction, and
	// tells whether it could; alone waits for a lock of that name.
	shared() bool
	leads() bool
	sweepsAlone(t *tx) (bool, error)
	alone(t *tx, what string) error
	// forgetsAlone keeps other processes from forgetting until release is called; with
	// wait it waits for one that does, else it tells that it could not.
	forgetsAlone(ctx context.Context, wait bool) (release func(), alone bool, err error)

	// doubt is what an error of a read means to its caller, and to the store.
	doubt(err error) error

	// skew is what the engine's clock is ahead of this process's.
	skew() time.Duration
	// trouble is why the store can't be written to just now.
	trouble() error
	// available is closed once it can be again, as far as is known.
	available() <-chan struct{}
	// apart asks for what others committed at the same moment.
	apart(t *tx)
	// announce tells other processes that something is due or to be sent.
	announce(due, outbox bool)
	// close ends what the engine started, once the writer wrote everything; release
	// before it gives back, through the writer, what only this process needed.
	release(w *writer) error
	close() error
}

// fault is what an error of a transaction means. In any case nothing of it was
// committed, or nobody knows.
type fault int

const (
	faultOther    fault = iota
	faultOp             // one op of the batch is to blame, not the store
	faultFull           // the disk has no place
	faultBroken         // what is on the disk may be anything
	faultConflict       // another process was in the way: again
	faultLost           // the database can't be reached, or does not let us write
)
