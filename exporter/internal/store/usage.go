package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"sync/atomic"
)

// usage is what the store occupies. The writer measures it once a commit,
// everybody reads it.
type usage struct {
	wal   string
	limit int64 // 0: none
	used  atomic.Int64
	// noSpace: the disk had no place for the last write that needed some.
	noSpace atomic.Bool
	log     int64 // of that, the write-ahead log; owned by the writer
}

func newUsage(path string, limit int64) *usage { return &usage{wal: path + "-wal", limit: limit} }

// accepts is the size up to which events are accepted: the last 5 % belong to
// delivery and retention, which make room again.
func (u *usage) accepts() int64 { return u.limit - u.limit/20 }

// evicts is the size from which history makes room.
func (u *usage) evicts() int64 { return u.limit - u.limit/10 }

func (u *usage) full() bool { return u.fullWith(0) }

func (u *usage) fullWith(more int64) bool { return u.limit > 0 && u.used.Load()+more > u.accepts() }

func (u *usage) crowded() bool { return u.limit > 0 && u.used.Load() > u.evicts() }

// measure counts live pages and the log: a SQLite file does not shrink, so its
// own size says nothing.
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
	info, err := os.Stat(u.wal)
	switch {
	case err == nil:
		u.log = info.Size()
	case errors.Is(err, fs.ErrNotExist):
		u.log = 0
	default:
		return err
	}
	u.used.Store(pages + u.log)
	return nil
}

// admit ends the ops for which there is no room and returns the others. History
// makes room first: an event is refused only when what is pending or dead alone
// fills the store.
func (w *writer) admit(batch []*op) []*op {
	var grows int64
	for _, o := range batch {
		if o.grows {
			grows += o.bytes
		}
	}
	if grows == 0 || !w.size.fullWith(grows) {
		return batch
	}
	w.makeRoom(grows)
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
	return admitted
}

// makeRoom evicts history, a few slices at most: acknowledgements wait for it.
func (w *writer) makeRoom(more int64) {
	const slices = 16
	for range slices {
		var n int
		_, err := w.transact([]*op{{run: func(t *tx) (err error) { n, err = t.evict(sliceRows); return err }}})
		if err != nil || w.size.measure(w) != nil || !w.size.fullWith(more) {
			return
		}
		if n == 0 {
			break
		}
	}
	// What is left is the log: copied into the file, it takes no place of its own.
	if w.size.log < w.size.limit/100 {
		return
	}
	if err := w.command("PRAGMA wal_checkpoint(TRUNCATE)"); err == nil {
		_ = w.size.measure(w)
	}
}
