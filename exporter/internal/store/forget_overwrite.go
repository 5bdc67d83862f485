package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Three places keep the bytes of a deleted row:
//
//   - cells and pages that were freed: the writer's secure_delete writes zeros over
//     them, always, so that what was deleted long ago is gone too;
//   - copies in the gap between a page's cell pointers and its cells: SQLite moves
//     cells between neighbours when it balances a tree, and leaves the old bytes
//     behind, secure_delete or not. sweepPages finds and overwrites them;
//   - the write-ahead log, which holds pages as they were. truncateLog ends it.
//
// What the file system or the disk itself keeps of blocks that were overwritten is
// beyond a program.

// overwrite makes sure that of what was deleted no byte is left in the files.
func (s *Store) overwrite(ctx context.Context) error {
	// A page that SQLite renumbers just then can escape one pass.
	for range 2 {
		n, err := s.sweepPages(ctx)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
	}
	return s.truncateLog(ctx)
}

// pagesAtOnce is the number of pages of one read: a few milliseconds.
const pagesAtOnce = 1000

// unambiguous is the number of pages from which the first byte of an overflow or
// free page, the high byte of a page number, could be that of a B-tree's: 128 GiB.
const unambiguous = 2 << 24

// sweepPages reads every page of the database and overwrites the gaps that are not
// zero; it tells how many pages had one.
func (s *Store) sweepPages(ctx context.Context) (int, error) {
	var count int64
	if err := s.reader.QueryRowContext(ctx, `PRAGMA page_count`).Scan(&count); err != nil {
		return 0, s.engine.doubt(err)
	}
	if count >= unambiguous {
		return 0, errors.New("the store has 128 GiB or more: stop the process and run VACUUM on the file")
	}
	swept := 0
	var dirty []int64
	for first := int64(1); first <= count; first += pagesAtOnce {
		rows, err := s.read(ctx, `WITH RECURSIVE n(page) AS (VALUES (?) UNION ALL SELECT page + 1 FROM n WHERE page < ?)
			SELECT n.page, d.data FROM n CROSS JOIN sqlite_dbpage d WHERE d.pgno = n.page`, first, min(first+pagesAtOnce-1, count))
		err = s.each(rows, err, func(rows *sql.Rows) error {
			var page int64
			var data sql.RawBytes
			err := rows.Scan(&page, &data)
			if len(dirtyGap(page, data)) > 0 {
				dirty = append(dirty, page)
			}
			return err
		})
		if err != nil {
			return swept, err
		}
		for ; len(dirty) > 0; dirty = dirty[min(len(dirty), sliceRows):] {
			slice := dirty[:min(len(dirty), sliceRows)]
			err := s.writer.write(ctx, &op{stage: stageOther, run: func(t *tx) error { return t.clearGaps(slice) }})
			if err != nil {
				return swept, err
			}
			swept += len(slice)
		}
		dirty = nil // the writer may still read a slice of it
	}
	return swept, nil
}

// clearGaps writes zeros over the gaps of these pages, as they are now.
func (t *tx) clearGaps(pages []int64) error {
	for _, page := range pages {
		var data []byte
		found, err := t.one(`SELECT data FROM sqlite_dbpage WHERE pgno = ?`, []any{page}, &data)
		if err != nil {
			return err
		}
		gap := dirtyGap(page, data)
		if !found || len(gap) == 0 {
			continue
		}
		clear(gap)
		if err := t.exec(`UPDATE sqlite_dbpage SET data = ? WHERE pgno = ?`, data, page); err != nil {
			return fmt.Errorf("page %d: %w", page, err)
		}
	}
	return nil
}

// dirtyGap is the part of a B-tree page that nothing uses, between its cell
// pointers and its cells, if there is anything in it but zeros; else it is empty.
// https://sqlite.org/fileformat2.html#b_tree_pages
func dirtyGap(page int64, data []byte) []byte {
	header := 0
	if page == 1 {
		header = 100
	}
	if len(data) < header+12 {
		return nil
	}
	start := header + 8
	switch data[header] {
	case 2, 5: // interior
		start += 4
	case 10, 13: // leaf
	default:
		return nil
	}
	cells := int(binary.BigEndian.Uint16(data[header+3:]))
	pointers := start
	start += 2 * cells
	end := int(binary.BigEndian.Uint16(data[header+5:]))
	if end == 0 {
		end = 1 << 16
	}
	if start > end || end > len(data) {
		return nil
	}
	for i := range cells {
		if at := int(binary.BigEndian.Uint16(data[pointers+2*i:])); at < end || at >= len(data) {
			return nil
		}
	}
	gap := data[start:end]
	for _, b := range gap {
		if b != 0 {
			return gap
		}
	}
	return nil
}

// errReaders: somebody reads a page that is only in the log.
var errReaders = errors.New("the write-ahead log is being read")

// Patience with the readers of the log.
const (
	logPatience = 30 * time.Second
	logPause    = 20 * time.Millisecond
)

// truncateLog copies the log into the file and cuts it to nothing. A reader keeps it
// from that for as long as it reads, which is milliseconds; so it is tried again.
func (s *Store) truncateLog(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, logPatience,
		fmt.Errorf("%w for %s on end, and holds what was forgotten: run forget again", errReaders, logPatience))
	defer cancel()
	for {
		err := s.writer.write(ctx, &op{stage: stageOther, aside: (*writer).truncateLog})
		if !errors.Is(err, errReaders) {
			return err
		}
		timer := time.NewTimer(logPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}

// truncateLog waits only a moment for readers: acknowledgements wait with it.
func (w *writer) truncateLog() (err error) {
	if err := w.command(`PRAGMA busy_timeout = 10`); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.command(busyTimeout)) }()
	stmt, err := w.prepare(`PRAGMA wal_checkpoint(TRUNCATE)`)
	if err != nil {
		return err
	}
	var busy, frames, copied int
	if err := stmt.QueryRowContext(context.Background()).Scan(&busy, &frames, &copied); err != nil {
		return err
	}
	if busy != 0 {
		return errReaders
	}
	return nil
}

// busyTimeout is that of every connection, see connect.
const busyTimeout = `PRAGMA busy_timeout = 5000`

// runAside runs the ops that can't be part of a transaction and returns the others.
func (w *writer) runAside(batch []*op) []*op {
	rest := batch[:0]
	for _, o := range batch {
		if o.aside == nil {
			rest = append(rest, o)
			continue
		}
		if err := o.aside(w); err != nil {
			w.fail([]*op{o}, err)
			continue
		}
		w.finish([]*op{o}, nil)
		w.measure()
	}
	return rest
}
