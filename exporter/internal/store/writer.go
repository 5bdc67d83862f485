package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// Bounds of one transaction: what has gathered beyond them waits for the next,
// so that no acknowledgement waits long for its neighbours.
const (
	maxBatchOps   = 256
	maxBatchBytes = 16 << 20
)

// Stages of a batch.
const (
	stageAccept = iota
	stageOther
)

// op is one write, part of a group commit.
type op struct {
	stage int // ops of a lower stage come first in a batch
	// What the op is about, to be locked before the batch begins where there are other
	// writers: join keys, hashed, and subjects.
	joins    []int64
	subjects []int64

	key []byte // of an accept or an assembly; orders a stage
	// What it reads no other op of its stage writes that has another key and this set.
	abreast bool
	bytes   int64 // what it adds to the store, about
	grows   bool  // refused with ErrFull when the store is full
	run     func(*tx) error
	// parts, when set, run instead, all in one transaction or none.
	parts []*op
	// aside, when set, runs instead, in no transaction.
	aside func(*writer) error
	err   error // outcome, valid once done is closed
	done  chan struct{}
}

// writer owns the only connection that writes. One goroutine takes everything
// that has gathered, commits it in one transaction, and wakes everybody whose
// write was in it: one fsync for many webhooks, none acknowledged before it (I1).
type writer struct {
	store  *Store
	engine engine
	db     *sql.DB
	conn   *sql.Conn // nil until the database was available for the first time
	size   *usage

	mu     sync.RWMutex // guards closed; held for reading while an op is handed over
	closed bool
	ops    chan *op

	life     context.Context // ended by end, when the store closes
	end      context.CancelFunc
	broken   chan struct{} // closed by breakDown
	breaking sync.Once
	done     chan struct{}

	// Owned by the writer goroutine.
	ctx     context.Context // of the running transaction, ended by cancel
	cancel  context.CancelFunc
	asked   bool // the last transaction came as far as COMMIT
	stmts   map[string]*sql.Stmt
	sources map[string]*sourceClock
	commit  func() error // COMMIT; replaced by tests that make it fail
}

func newWriter(s *Store, db *sql.DB, size *usage) *writer {
	w := &writer{
		store:   s,
		engine:  s.engine,
		ctx:     context.Background(),
		cancel:  func() {},
		db:      db,
		size:    size,
		ops:     make(chan *op, maxBatchOps),
		broken:  make(chan struct{}),
		done:    make(chan struct{}),
		stmts:   make(map[string]*sql.Stmt),
		sources: make(map[string]*sourceClock),
	}
	w.life, w.end = context.WithCancel(context.Background())
	w.commit = func() error { return w.engine.commit(w) }
	return w
}

// startWriter starts a writer whose database is there.
func startWriter(ctx context.Context, s *Store, db *sql.DB, size *usage) (*writer, error) {
	w := newWriter(s, db, size)
	var err error
	if w.conn, err = db.Conn(ctx); err != nil {
		return nil, err
	}
	if err := w.recover(); err != nil {
		return nil, errors.Join(err, w.conn.Close())
	}
	go w.loop()
	return w, nil
}

// recover readies what an earlier process left.
func (w *writer) recover() error {
	if _, err := w.transactAgain([]*op{{run: w.engine.ready}, {run: w.store.openSecret}}); err != nil {
		return fmt.Errorf("ready the store: %w", err)
	}
	return w.engine.measure(w)
}

// write hands a write to the writer and waits for its commit. When ctx ends
// before that, the write still happens and its outcome is unknown to the caller.
func (w *writer) write(ctx context.Context, o *op) error {
	o.done = make(chan struct{})
	if err := w.submit(ctx, o); err != nil {
		return err
	}
	select {
	case <-o.done:
		return o.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (w *writer) submit(ctx context.Context, o *op) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return ErrClosed
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := w.engine.trouble(); err != nil {
		return err // it may take a while until the writer knows better
	}
	select {
	case w.ops <- o:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// close commits what was handed over, then closes the connection.
func (w *writer) close() error {
	w.mu.Lock()
	w.closed = true
	close(w.ops)
	w.mu.Unlock()
	w.end()
	<-w.done
	errs := []error{w.engine.release(w)}
	for _, stmt := range w.stmts {
		errs = append(errs, stmt.Close())
	}
	if w.engine.trouble() == nil { // else it is closed, or never was
		errs = append(errs, w.conn.Close())
	}
	return errors.Join(append(errs, w.db.Close())...)
}

func (w *writer) loop() {
	defer close(w.done)
	for {
		select {
		case first, ok := <-w.ops:
			if !ok {
				return
			}
			w.commitAll(w.gather(first))
		case <-w.engine.tick():
			w.engine.tend(w)
		}
	}
}

// gather takes what is waiting, without waiting for more: with one op in
// flight a commit starts at once, with many they share it.
func (w *writer) gather(first *op) []*op {
	batch, parts, size, joins := []*op{first}, len(first.parts), first.bytes, len(first.joins)
	for len(batch)+parts < maxBatchOps && size < maxBatchBytes && joins < maxBatchJoins {
		select {
		case o, ok := <-w.ops:
			if !ok {
				return batch
			}
			batch, parts, size, joins = append(batch, o), parts+len(o.parts), size+o.bytes, joins+len(o.joins)
		default:
			return batch
		}
	}
	return batch
}

// commitAll brings every op of the batch to an end and wakes its caller.
func (w *writer) commitAll(batch []*op) {
	if w.isBroken() {
		w.finish(batch, ErrBroken)
		return
	}
	w.asked = false
	if err := w.engine.usable(w); err != nil {
		w.finish(batch, err)
		return
	}
	batch, err := w.admit(w.runAside(batch))
	if err != nil {
		w.fail(batch, err)
		return
	}
	if len(batch) == 0 {
		return
	}
	t, err := w.transactAgain(runOrder(batch))
	if err == nil {
		w.succeed(batch, t)
		return
	}
	switch f := w.engine.fault(w, err); {
	case (f == faultOp || f == faultConflict) && len(batch) > 1:
		// One op can't be written (I8): each goes alone, so that only that one fails.
		for _, o := range batch {
			w.commitAll([]*op{o})
		}
	case f == faultFull:
		w.retryInPlace(batch)
	default:
		w.fail(batch, err)
	}
}

// succeed is the only place from which a write returns nil, and it is reached
// only after COMMIT returned: with journal_mode=wal and synchronous=full the
// log is on stable storage by then (I1), and PostgreSQL is not asked to answer sooner.
func (w *writer) succeed(batch []*op, t *tx) {
	if t.wrote {
		w.size.noSpace.Store(false)
	}
	tight := w.size.full()
	if tight { // who made room finds it
		w.measure()
	}
	for _, o := range batch {
		close(o.done)
	}
	if t.due != 0 {
		w.store.onDue(t.due)
	}
	if t.outbox {
		w.store.onOutbox()
	}
	w.engine.apart(t)
	w.engine.announce(t.due != 0 && t.due <= t.now, t.outbox)
	if !tight {
		w.measure()
	}
}

func (w *writer) measure() {
	err := w.engine.measure(w)
	if err == nil {
		return
	}
	switch w.engine.fault(w, err) {
	case faultBroken:
		w.breakDown(err)
	case faultLost:
		w.engine.lost(w, err)
	default:
		w.store.cfg.Logger.Error("store size is unknown", slog.Any("error", err))
	}
}

// errNoSpace is the ErrFull of a disk that is full, below Config.MaxSize.
var errNoSpace = fmt.Errorf("%w: no space left on the disk", ErrFull)

// fail ends a batch of which nothing was committed, or nobody knows.
func (w *writer) fail(batch []*op, err error) {
	switch w.engine.fault(w, err) {
	case faultFull:
		// The log took no commit record, so the transaction never was.
		w.size.noSpace.Store(true)
		err = errNoSpace
	case faultBroken:
		w.breakDown(err)
		err = fmt.Errorf("%w: %w", ErrBroken, err)
	case faultLost:
		w.engine.lost(w, err)
		if w.asked {
			err = fmt.Errorf("%w: %w", ErrUncertain, err)
		}
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	case faultConflict:
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	w.finish(batch, err)
}

// breakDown ends the store: from now on every write is answered ErrBroken. After
// a failed fsync, for one, the kernel may have dropped what it could not write;
// only reading everything anew tells what is there.
func (w *writer) breakDown(err error) {
	w.breaking.Do(func() {
		w.store.cfg.Logger.Error("store is broken", slog.Any("error", err))
		close(w.broken)
	})
}

func (w *writer) finish(batch []*op, err error) {
	for _, o := range batch {
		o.err = err
		close(o.done)
	}
}

func (w *writer) isBroken() bool {
	select {
	case <-w.broken:
		return true
	default:
		return false
	}
}

// transact runs the batch in one transaction.
func (w *writer) transact(batch []*op) (*tx, error) {
	defer func() { w.cancel(); w.ctx = context.Background() }()
	now, err := w.engine.begin(w, batch)
	t := &tx{writer: w, now: now}
	if err == nil {
		err = t.runAll(batch)
	}
	w.asked = err == nil
	if err == nil {
		err = w.commit()
	}
	if err == nil {
		err = w.engine.committed(t)
	}
	if err != nil {
		// SQLite may have rolled back on its own; then this has nothing to do.
		_ = w.command("ROLLBACK")
		clear(w.sources)
		return nil, err
	}
	return t, nil
}

// maxAgain is how often a batch is tried that other processes are in the way of.
const maxAgain = 8

// transactAgain is transact that tries again after a conflict.
func (w *writer) transactAgain(batch []*op) (t *tx, err error) {
	for try := range maxAgain {
		if t, err = w.transact(batch); err == nil || w.engine.fault(w, err) != faultConflict {
			return t, err
		}
		time.Sleep(rand.N(time.Millisecond << try))
	}
	return nil, err
}

func (w *writer) command(query string) error {
	stmt, err := w.prepare(query)
	if err != nil {
		return err
	}
	_, err = stmt.ExecContext(w.ctx)
	return err
}

func (w *writer) prepare(query string) (*sql.Stmt, error) {
	if stmt, ok := w.stmts[query]; ok {
		return stmt, nil
	}
	stmt, err := w.conn.PrepareContext(w.ctx, w.engine.sql(query))
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	w.stmts[query] = stmt
	return stmt, nil
}
