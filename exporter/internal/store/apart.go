package store

import (
	"context"
	"database/sql"
	"log/slog"
	"maps"
	"slices"
	"sync"
)

// A message and the CDR that names it may come at the same moment to two processes. With
// neither a session nor a Call-ID in common no lock keeps them apart, and neither sees
// the other, which is not committed yet. Whoever commits last would: so each asks again
// after its commit, and what it finds is joined in a transaction of its own. What a
// process that died did not ask, Sweep does. SQLite has one writer, and none of this.

// Bounds of what is asked for.
const (
	maxApart  = 10_000 // messages, and calls, that wait to be asked for; Sweep finds the rest
	sweptOpen = 1_000  // calls that one Sweep asks for, those first that leave first
)

// pair is a message that belongs to another subject than that which holds it.
type pair struct{ event, owner, call int64 }

// unowned notes a message that no call owns by its log id.
func (t *tx) unowned(in *intake) {
	if t.engine.shared() && len(in.LogKeys) > 0 {
		t.loose = append(t.loose, in)
	}
}

// waits notes a call of which messages are missing.
func (t *tx) waits(call int64) {
	if t.engine.shared() {
		t.short = append(t.short, call)
	}
}

// apart asks for what was committed at the same moment, so that nobody waits for it.
type apart struct {
	*Store
	wake  chan struct{}
	stop  context.CancelFunc
	ended sync.WaitGroup

	mu              sync.Mutex // guards what follows
	messages, calls []int64
}

func startApart(s *Store) *apart {
	a := &apart{Store: s, wake: make(chan struct{}, 1)}
	var ctx context.Context
	ctx, a.stop = context.WithCancel(context.Background())
	a.ended.Go(func() { a.loop(ctx) })
	return a
}

// ask never blocks.
func (a *apart) ask(t *tx) {
	if len(t.loose)+len(t.short) == 0 {
		return
	}
	a.mu.Lock()
	for _, in := range t.loose[:min(len(t.loose), maxApart-len(a.messages))] {
		a.messages = append(a.messages, in.id)
	}
	a.calls = append(a.calls, t.short[:min(len(t.short), maxApart-len(a.calls))]...)
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

func (a *apart) loop(ctx context.Context) {
	for {
		select {
		case <-a.wake:
		case <-ctx.Done():
			return
		}
		a.mu.Lock()
		messages, calls := a.messages, a.calls
		a.messages, a.calls = nil, nil
		a.mu.Unlock()
		if _, err := a.joinApart(ctx, messages, calls); err != nil && ctx.Err() == nil {
			a.cfg.Logger.Debug("messages of calls that came at the same moment are looked for later", slog.Any("error", err))
		}
	}
}

func (a *apart) close() {
	a.stop()
	a.ended.Wait()
}

// sweepApart asks for the calls that wait for messages, in one process of all.
func (s *Store) sweepApart(ctx context.Context) (int, error) {
	if !s.Shared() || !s.Leads() {
		return 0, nil
	}
	var calls []int64
	rows, err := s.read(ctx, `SELECT id FROM subject WHERE state = 'open'/*pg: AND id > 0*/ AND kind = 'call' AND missing > 0 AND due_at > ?
		ORDER BY due_at, id LIMIT 0 + ?`, s.now(), sweptOpen)
	err = s.each(rows, err, func(rows *sql.Rows) error {
		var id int64
		err := rows.Scan(&id)
		calls = append(calls, id)
		return err
	})
	if err != nil || len(calls) == 0 {
		return 0, err
	}
	return s.joinApart(ctx, nil, calls)
}

// joinApart joins what belongs together of these messages and calls, and tells how
// many messages that were.
func (s *Store) joinApart(ctx context.Context, messages, calls []int64) (int, error) {
	found, err := s.findApart(ctx, messages, calls)
	if err != nil {
		return 0, err
	}
	joined := 0
	for part := range slices.Chunk(found, sliceRows) {
		o := &op{stage: stageOther}
		for _, p := range part {
			o.subjects = append(o.subjects, p.owner, p.call)
		}
		var n int // the writer may still write it after ctx ended, so an error doesn't read it
		o.run = func(t *tx) (err error) { n, err = t.joinApart(part); return err }
		if err := s.writer.write(ctx, o); err != nil {
			return joined, err
		}
		joined += n
	}
	return joined, nil
}

func (s *Store) findApart(ctx context.Context, messages, calls []int64) (found []pair, err error) {
	// Of a table that was empty when this was planned the server would read all: so it
	// looks up row by row, each by its key.
	const apart = `SELECT e.id, o.id, c.id FROM unnest(CAST(? AS BIGINT[])) AS asked(id) `
	const open = ` CROSS JOIN LATERAL (SELECT id, state, kind FROM subject WHERE id = t.subject_id OFFSET 0) c
		CROSS JOIN LATERAL (SELECT id, state, kind FROM subject WHERE id = e.subject_id OFFSET 0) o
		WHERE e.state IN ('pending', 'dead') AND c.id <> o.id AND c.state = 'open' AND c.kind = 'call' AND o.state = 'open' AND o.kind IN ('conversation', 'call')`
	if messages == nil {
		messages = []int64{}
	}
	if calls == nil {
		calls = []int64{}
	}
	rows, err := s.read(ctx, apart+`CROSS JOIN LATERAL (SELECT id, source, key, state, subject_id, kind, conflict FROM event WHERE id = asked.id OFFSET 0) e
			CROSS JOIN LATERAL (SELECT subject_id FROM turn WHERE source = e.source AND log_key = e.key OFFSET 0) t`+open+` AND e.kind = 'message' AND e.conflict = 0 UNION `+
		apart+`CROSS JOIN LATERAL (SELECT source, log_key, subject_id FROM turn WHERE subject_id = asked.id OFFSET 0) t
			CROSS JOIN LATERAL (SELECT id, state, subject_id FROM event WHERE source = t.source AND kind = 'message' AND key = t.log_key AND conflict = 0 OFFSET 0) e`+open, messages, calls)
	return found, s.each(rows, err, func(rows *sql.Rows) error {
		var p pair
		err := rows.Scan(&p.event, &p.owner, &p.call)
		found = append(found, p)
		return err
	})
}

// joinApart looks again at what was found, now that both subjects of each pair are
// locked.
func (t *tx) joinApart(found []pair) (int, error) {
	c := &call{tx: t, robbed: make(map[int64]bool)}
	joined := make(map[int64]bool)
	n := 0
	for _, p := range found {
		of, _, err := t.hold(p.call)
		if err != nil {
			return 0, err
		}
		from, _, err := t.hold(p.owner)
		if err != nil {
			return 0, err
		}
		if of.state != "open" || of.kind != string(SubjectCall) || from.state != "open" {
			continue
		}
		moved, err := t.change(`UPDATE event SET subject_id = ? WHERE id = ? AND subject_id = ? AND state IN ('pending', 'dead')`, p.call, p.event, p.owner)
		if err != nil {
			return 0, err
		}
		if moved > 0 {
			n++
			c.robbed[p.owner], joined[p.call] = true, true
		}
	}
	if err := c.closeRobbed(); err != nil {
		return 0, err
	}
	for _, id := range slices.Sorted(maps.Keys(joined)) {
		if err := t.recount(id); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// recount counts anew what an open call waits for, which is due when that is nothing.
func (t *tx) recount(call int64) error {
	var missing int64
	_, err := t.one(`SELECT count(*) FROM turn t WHERE t.subject_id = ? AND NOT EXISTS
		(SELECT 1 FROM event e WHERE e.source = t.source AND e.kind = 'message' AND e.key = t.log_key AND e.conflict = 0)`, []any{call}, &missing)
	if err != nil {
		return err
	}
	if missing == 0 {
		t.dueAt(t.now)
	}
	return t.exec(`UPDATE subject SET missing = ?, due_at = CASE WHEN ? = 0 AND due_at > ? THEN ? ELSE due_at END,
		reason = CASE WHEN ? = 0 THEN 'complete' ELSE reason END WHERE id = ?`, missing, missing, t.now, t.now, missing, call)
}
