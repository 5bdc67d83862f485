package store

import (
	"context"
)

// sliceRows is the number of rows one transaction of Sweep changes, about: an
// acknowledgement never waits for more.
const sliceRows = 50

// Sweep does one slice of housekeeping and tells how many rows it changed; call
// it again until that is 0. It ends dead letters whose time is up, deletes kept
// bodies, counted answers and history that is old enough, and, when the store is nearly
// full, history that is not. Where the database is shared it joins what was committed at the
// same moment by a process that died.
func (s *Store) Sweep(ctx context.Context) (int, error) {
	var n int // the writer may still write it after ctx ended, so an error doesn't read it
	err := s.writer.write(ctx, &op{stage: stageOther, run: func(t *tx) (err error) {
		n, err = t.sweep()
		return err
	}})
	if err != nil {
		return 0, err
	}
	if n == 0 { // once in each round of them
		return s.sweepApart(ctx)
	}
	return n, nil
}

func (t *tx) sweep() (int, error) {
	if alone, err := t.engine.sweepsAlone(t); err != nil || !alone {
		return 0, err
	}
	if t.size.noSpace.Load() {
		// Not ready, so perhaps no webhook comes that would find out: try.
		if err := t.exec(`UPDATE ledger SET n = n`); err != nil {
			return 0, err
		}
		t.wrote = true
	}
	steps := []func(int) (int, error){t.expire, t.endBodies, t.endHistory, t.endAlone, t.endObservations, t.endAnswers, t.evictIfCrowded}
	left := sliceRows
	for _, step := range steps {
		n, err := step(left)
		if err != nil {
			return 0, err
		}
		if left -= n; left <= 0 {
			break
		}
	}
	return sliceRows - left, nil
}

// expire ends dead letters whose time is up. Their rows go with the history.
func (t *tx) expire(budget int) (int, error) {
	type letter struct {
		id, subject, record int64
		source              string
	}
	var ended []letter
	err := t.each(`UPDATE event SET state = 'expired', ended_at = ?
		WHERE id IN (SELECT id FROM event WHERE state = 'dead'/*pg: AND id > 0*/ AND ended_at <= ? ORDER BY ended_at LIMIT ?) AND state = 'dead'
		RETURNING id, coalesce(subject_id, 0), record, source`,
		[]any{t.now, t.now - int64(t.store.cfg.DeadLetterRetention), budget}, func(rows scanner) error {
			var l letter
			err := rows.Scan(&l.id, &l.subject, &l.record, &l.source)
			ended = append(ended, l)
			return err
		})
	if err != nil {
		return 0, err
	}
	subjects := make(map[int64]bool)
	for _, l := range ended {
		t.moved(l.source, StateDead, StateExpired, 1)
		subjects[l.subject] = true
		if err := t.exec(`DELETE FROM body WHERE event_id = ?`, l.id); err != nil {
			return 0, err
		}
		if l.record == recordNone {
			continue
		}
		if err := t.expireRecord(l.id); err != nil {
			return 0, err
		}
	}
	delete(subjects, 0)
	for id := range subjects {
		if err := t.expireSubject(id); err != nil {
			return 0, err
		}
	}
	return len(ended), nil
}

// expireSubject deletes the refused requests of a subject once none of its
// events can be retried any more.
func (t *tx) expireSubject(subject int64) error {
	if _, _, err := t.hold(subject); err != nil {
		return err
	}
	var rest int64
	some, err := t.one(`SELECT id FROM event WHERE subject_id = ? AND state IN ('pending', 'dead') LIMIT 1`, []any{subject}, &rest)
	if err != nil || some {
		return err
	}
	if err := t.exec(`DELETE FROM request WHERE outbox_id IN (SELECT id FROM outbox WHERE subject_id = ? AND state = 'dead')`, subject); err != nil {
		return err
	}
	n, err := t.change(`DELETE FROM outbox WHERE subject_id = ? AND state = 'dead'`, subject)
	if err != nil {
		return err
	}
	return t.exec(`UPDATE subject SET open_parts = open_parts - ?, settled_at = CASE WHEN open_parts <= ? THEN CAST(? AS BIGINT) END
		WHERE id = ? AND state <> 'open'`,
		n, n, t.now, subject)
}

// Who may change what hangs from a subject holds it: so what is found here is what it
// seems until the end of the transaction, and what another process holds is history a
// little later.

// endBodies deletes bodies that were kept for a while after assembly.
func (t *tx) endBodies(budget int) (int, error) {
	var subject int64
	n := 0
	for n < budget {
		found, err := t.one(`SELECT id FROM subject WHERE bodies = 1 AND assembled_at <= ? ORDER BY assembled_at LIMIT 1/*pg: FOR UPDATE SKIP LOCKED*/`,
			[]any{t.now - int64(t.store.cfg.KeepBodies)}, &subject)
		if err != nil || !found {
			return n, err
		}
		gone, err := t.deleteBodies(subject, budget-n)
		if err != nil {
			return n, err
		}
		if n += gone; n < budget {
			if err := t.exec(`UPDATE subject SET bodies = 0 WHERE id = ?`, subject); err != nil {
				return n, err
			}
			n++
		}
	}
	return n, nil
}

// deleteBodies leaves those of which a log record is to be made: who makes it
// deletes them.
func (t *tx) deleteBodies(subject int64, budget int) (int, error) {
	n, err := t.change(`DELETE FROM body WHERE event_id IN
		(SELECT e.id FROM event e JOIN body b ON b.event_id = e.id WHERE e.subject_id = ? AND e.record <> ? LIMIT ?)`, subject, recordDue, budget)
	return int(n), err
}

// endHistory deletes settled subjects after their retention, with everything
// that hangs from them.
func (t *tx) endHistory(budget int) (int, error) {
	return t.deleteSettled(budget, t.now-int64(t.store.cfg.Retention))
}

func (t *tx) deleteSettled(budget int, before int64) (int, error) {
	n := 0
	for n < budget {
		var subject int64
		found, err := t.one(`SELECT id FROM subject WHERE settled_at IS NOT NULL AND settled_at <= ? ORDER BY settled_at LIMIT 1/*pg: FOR UPDATE SKIP LOCKED*/`, []any{before}, &subject)
		if err != nil || !found {
			return n, err
		}
		gone, err := t.deleteSubject(subject, budget-n)
		if err != nil {
			return n, err
		}
		n += gone
	}
	return n, nil
}

// deleteSubject deletes up to budget rows of a settled subject, itself last, so
// that a large one takes several transactions and is found again.
func (t *tx) deleteSubject(subject int64, budget int) (int, error) {
	n := 0
	for _, query := range []string{
		`DELETE FROM body WHERE event_id IN (SELECT e.id FROM event e JOIN body b ON b.event_id = e.id WHERE e.subject_id = ? LIMIT ?)`,
		`DELETE FROM request WHERE outbox_id IN (SELECT o.id FROM outbox o JOIN request r ON r.outbox_id = o.id WHERE o.subject_id = ? LIMIT ?)`,
		`DELETE FROM event WHERE id IN (SELECT id FROM event WHERE subject_id = ? LIMIT ?)`,
		`DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE subject_id = ? LIMIT ?)`,
		`DELETE FROM turn WHERE id IN (SELECT id FROM turn WHERE subject_id = ? LIMIT ?)`,
		// Bounded in number when they were inserted.
		`DELETE FROM orphan WHERE subject_id = ? AND ? > 0`,
		`DELETE FROM alias WHERE subject_id = ? AND ? > 0`,
		`DELETE FROM summary WHERE subject_id = ? AND ? > 0`,
		`DELETE FROM subject WHERE id = ? AND ? > 0`,
	} {
		gone, err := t.change(query, subject, budget-n)
		if err != nil {
			return n, err
		}
		if n += int(gone); n >= budget {
			return n, nil
		}
	}
	return n, nil
}

// endAlone deletes what belongs to no subject after its retention: dropped
// messages, and dead letters that were dead on arrival and expired.
func (t *tx) endAlone(budget int) (int, error) {
	return t.deleteAlone(budget, t.now-int64(t.store.cfg.Retention))
}

func (t *tx) deleteAlone(budget int, before int64) (int, error) {
	n, err := t.change(`DELETE FROM event WHERE id IN
		(SELECT id FROM event WHERE subject_id IS NULL AND state <> 'dead'/*pg: AND id > 0*/ AND ended_at <= ? ORDER BY ended_at LIMIT ?)`, before, budget)
	return int(n), err
}

func (t *tx) evictIfCrowded(budget int) (int, error) {
	if !t.size.crowded() {
		return 0, nil
	}
	return t.evict(budget)
}

// evict makes room: with observations, then with history, oldest first: the bodies
// and requests of what was exported, then its rows. What is pending or dead is
// never touched.
func (t *tx) evict(budget int) (int, error) {
	if alone, err := t.engine.sweepsAlone(t); err != nil || !alone {
		return 0, err
	}
	for _, step := range []func(int) (int, error){t.evictObservations, t.strip} {
		if n, err := step(budget); err != nil || n > 0 {
			return n, err
		}
	}
	n, err := t.deleteSettled(budget, t.now)
	if err != nil || n >= budget {
		return n, err
	}
	alone, err := t.deleteAlone(budget-n, t.now)
	return n + alone, err
}

func (t *tx) strip(budget int) (int, error) {
	var subject int64
	n := 0
	for n < budget {
		found, err := t.one(`SELECT id FROM subject WHERE settled_at IS NOT NULL AND stripped = 0 ORDER BY settled_at LIMIT 1/*pg: FOR UPDATE SKIP LOCKED*/`, nil, &subject)
		if err != nil || !found {
			return n, err
		}
		bodies, err := t.deleteBodies(subject, budget-n)
		if n += bodies; err != nil || n >= budget {
			return n, err
		}
		requests, err := t.change(`DELETE FROM request WHERE outbox_id IN (SELECT id FROM outbox WHERE subject_id = ?)`, subject)
		if err != nil {
			return n, err
		}
		if err := t.exec(`UPDATE subject SET stripped = 1, bodies = 0 WHERE id = ?`, subject); err != nil {
			return n, err
		}
		n += int(requests) + 1
	}
	return n, nil
}
