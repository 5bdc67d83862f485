package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
)

// usage is what the store occupies and how much it can. The writer measures it
// once a commit, everybody reads it.
type usage struct {
	path, wal string
	max       int64        // Config.MaxSize; 0: none
	limit     atomic.Int64 // max, or what the file system can hold if that is less; 0: neither is known
	used      atomic.Int64
	// noSpace: the disk had no place for the last write that needed some.
	noSpace atomic.Bool

	// Owned by the writer.
	log       int64 // of used, the write-ahead log
	main, own os.FileInfo
	reserve   *reserve
}

func newUsage(path string, limit int64, r *reserve) *usage {
	u := &usage{path: path, wal: path + "-wal", max: limit, reserve: r}
	u.limit.Store(limit)
	return u
}

// accepts is the size up to which events are accepted: the last 5 % belong to
// delivery and retention, which make room again.
func (u *usage) accepts() int64 { limit := u.limit.Load(); return limit - limit/20 }

// evicts is the size from which history makes room.
func (u *usage) evicts() int64 { limit := u.limit.Load(); return limit - limit/10 }

func (u *usage) full() bool { return u.fullWith(0) }

func (u *usage) fullWith(more int64) bool {
	return u.limit.Load() > 0 && u.used.Load()+more > u.accepts()
}

func (u *usage) crowded() bool { return u.limit.Load() > 0 && u.used.Load() > u.evicts() }

// errGone: the files under the store's names are not those it writes to. What was
// committed into them would not be found by the next start.
var errGone = errors.New("store was moved, replaced or removed while it was open")

// look reads the sizes of the files, and that they still are the store's.
func (u *usage) look() error {
	for _, f := range []struct {
		path string
		seen *os.FileInfo
	}{{u.path, &u.main}, {u.wal, &u.own}} {
		info, err := os.Stat(f.path)
		switch {
		case err != nil:
			return fmt.Errorf("%w: %w", errGone, err)
		case *f.seen != nil && !os.SameFile(info, *f.seen):
			return fmt.Errorf("%w: %s is another file now", errGone, f.path)
		}
		*f.seen = info
	}
	return nil
}

// measure counts live pages and the log: a SQLite file does not shrink, so its
// own size says nothing. What the file system has left bounds both.
func (u *usage) measure(w *writer) error {
	stmt, err := w.prepare(`SELECT (c.page_count - f.freelist_count) * s.page_size
		FROM pragma_page_count() c, pragma_freelist_count() f, pragma_page_size() s`)
	if err != nil {
		return err
	}
	var pages int64
	if err := stmt.QueryRowContext(context.Background()).Scan(&pages); err != nil {
		return err
	}
	if err := u.look(); err != nil {
		return err
	}
	u.log = u.own.Size()
	u.used.Store(pages + u.log)
	free, ok := freeSpace(filepath.Dir(u.path))
	if !ok {
		return nil
	}
	u.reserve.take(free)
	u.limit.Store(lesser(u.max, max(1, u.main.Size()+u.log+free-u.reserve.missing())))
	return nil
}

// capacity is what the store could occupy on its file system before it is open; 0
// when that can't be told.
func capacity(path string) int64 {
	free, ok := freeSpace(filepath.Dir(path))
	if !ok {
		return 0
	}
	for _, name := range []string{path, path + "-wal"} {
		if info, err := os.Stat(name); err == nil {
			free += info.Size()
		}
	}
	return free
}

// lesser of two limits, of which 0 is none.
func lesser(a, b int64) int64 {
	if a <= 0 || b > 0 && b < a {
		return b
	}
	return a
}

// admit ends the ops for which there is no room and returns the others. History
// makes room first, also for what delivery adds, which uses up the last 5 % else:
// an event is refused only when what is pending or dead alone fills the store. An
// error means that the store can't be trusted.
func (w *writer) admit(batch []*op) ([]*op, error) {
	var adds int64
	for _, o := range batch {
		adds += o.bytes
	}
	if !w.size.fullWith(adds) {
		return batch, nil
	}
	if err := w.makeRoom(adds); err != nil {
		if f := w.engine.fault(w, err); f == faultBroken || f == faultLost {
			return batch, err
		}
	}
	admitted := batch[:0]
	var taken int64
	for _, o := range batch {
		switch {
		case o.grows && w.size.fullWith(taken+o.bytes):
			w.finish([]*op{o}, ErrFull)
		case o.grows:
			taken += o.bytes
			admitted = append(admitted, o)
		default:
			admitted = append(admitted, o)
		}
	}
	return admitted, nil
}

// makeRoom evicts history, a few slices at most: acknowledgements wait for it.
func (w *writer) makeRoom(more int64) error {
	const slices = 16
	for range slices {
		var n int
		_, err := w.transactAgain([]*op{{run: func(t *tx) (err error) { n, err = t.evict(sliceRows); return err }}})
		if err == nil {
			err = w.engine.measure(w)
		}
		if err != nil || !w.size.fullWith(more) {
			return err
		}
		if n == 0 {
			break
		}
	}
	return w.engine.shrink(w)
}

// retryInPlace is for a batch that the disk had no place for: nothing of it was
// committed. What would make the store grow ends; the rest, which delivers and
// makes room, gets another chance, each op alone: the reserve is given up, and the
// log, copied into the file, gives back its place.
func (w *writer) retryInPlace(batch []*op) {
	w.size.noSpace.Store(true)
	err := w.engine.giveUp(w)
	for _, o := range batch {
		switch {
		case w.isBroken():
			w.finish([]*op{o}, ErrBroken)
		case w.engine.trouble() != nil:
			w.finish([]*op{o}, w.engine.trouble())
		case err != nil && w.engine.fault(w, err) == faultBroken:
			w.fail([]*op{o}, err)
		case o.grows:
			w.finish([]*op{o}, errNoSpace)
		default:
			t, err := w.transact([]*op{o})
			if err != nil {
				w.fail([]*op{o}, err)
				continue
			}
			w.succeed([]*op{o}, t)
		}
	}
}
