package store

import (
	"context"
	"database/sql"
	"time"
)

// Waiting is what is not done yet, and since when. A zero time: nothing waits.
type Waiting struct {
	// OverdueSince is when the oldest subject that is not assembled was due, or
	// the oldest request that is not delivered was assembled. A call in progress
	// is not overdue.
	OverdueSince time.Time
	// OpenCalls are telephone sessions with messages whose CDR has not come, by
	// source; OpenSince is when the first message of the oldest came.
	OpenCalls map[string]int64
	OpenSince time.Time
}

// Waiting reads what waits, beside the writer. Requests count for the given
// signals.
func (s *Store) Waiting(ctx context.Context, signals ...string) (Waiting, error) {
	var w Waiting
	var err error
	if w.OverdueSince, err = s.OverdueSince(ctx, signals...); err != nil {
		return w, err
	}
	return w, s.openCalls(ctx, &w)
}

// OverdueSince is Waiting.OverdueSince alone, which reads a row or two.
func (s *Store) OverdueSince(ctx context.Context, signals ...string) (time.Time, error) {
	now := s.now()
	var oldest int64
	older := func(rows *sql.Rows) error {
		var at int64
		err := rows.Scan(&at)
		if oldest == 0 || at < oldest {
			oldest = at
		}
		return err
	}
	rows, err := s.read(ctx, `SELECT CASE WHEN due_at < not_before THEN not_before ELSE due_at END FROM subject
		WHERE state = 'open'/*pg: AND id > 0*/ AND due_at <= ? AND not_before <= ? ORDER BY due_at, id LIMIT 1`, now, now)
	if err := s.each(rows, err, older); err != nil {
		return time.Time{}, err
	}
	for _, signal := range signals {
		rows, err := s.read(ctx, `SELECT created_at FROM outbox WHERE signal = ? AND state = 'pending'/*pg: AND id > 0*/ ORDER BY id LIMIT 1`, signal)
		if err := s.each(rows, err, older); err != nil {
			return time.Time{}, err
		}
	}
	if oldest == 0 {
		return time.Time{}, nil
	}
	return s.local(oldest), nil
}

// OpenCalls counts Waiting.OpenCalls of all sources, up to limit.
func (s *Store) OpenCalls(ctx context.Context, limit int) (int64, error) {
	n, _, err := s.pair(ctx, `SELECT count(*), 0 FROM (SELECT 1 FROM subject INDEXED BY subject_due
		WHERE state = 'open'/*pg: AND id > 0*/ AND kind = 'conversation' AND reason = 'window' LIMIT 0 + ?)`, limit)
	return n, err
}

// openCalls reads the sessions through the index of what is open, which holds
// hours of calls at most: correlation.window bounds it. Ids grow with age, so the
// session opened first has the smallest.
func (s *Store) openCalls(ctx context.Context, w *Waiting) error {
	var first int64
	rows, err := s.read(ctx, `SELECT source, count(*), min(id) FROM subject INDEXED BY subject_due
		WHERE state = 'open'/*pg: AND id > 0*/ AND kind = 'conversation' AND reason = 'window' GROUP BY source`)
	err = s.each(rows, err, func(rows *sql.Rows) error {
		var source string
		var n, id int64
		if err := rows.Scan(&source, &n, &id); err != nil {
			return err
		}
		if w.OpenCalls == nil {
			w.OpenCalls = make(map[string]int64)
		}
		w.OpenCalls[source] = n
		if first == 0 || id < first {
			first = id
		}
		return nil
	})
	if err != nil || first == 0 {
		return err
	}
	rows, err = s.read(ctx, `SELECT received_at FROM event WHERE subject_id = ? AND kind = 'message' ORDER BY received_at LIMIT 1`, first)
	return s.each(rows, err, func(rows *sql.Rows) error {
		var at int64
		err := rows.Scan(&at)
		w.OpenSince = time.Unix(0, at).UTC()
		return err
	})
}
