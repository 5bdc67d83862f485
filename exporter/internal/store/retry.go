package store

import (
	"context"
	"database/sql"
	"errors"
)

// Retry brings a dead letter back, with everything that died with it: a subject
// that could not be mapped is due again, refused requests are sent again, and the log
// records of its dead events likewise.
// ErrNotRetryable: it is no dead letter, or one that was dead on arrival.
func (s *Store) Retry(ctx context.Context, eventID int64) error {
	return s.writer.write(ctx, &op{stage: stageOther, run: func(t *tx) error {
		_, err := t.retry(eventID)
		return err
	}})
}

// RetryableReasons counts the dead letters of a source ("": all of them) that can be
// retried, by reason. It looks at a bounded number of dead letters, the oldest; all tells
// whether there are no others.
func (s *Store) RetryableReasons(ctx context.Context, source string) (counts map[string]int64, all bool, err error) {
	return s.retryableReasons(ctx, source, lookedRows)
}

func (s *Store) retryableReasons(ctx context.Context, source string, looked int64) (counts map[string]int64, all bool, err error) {
	counts = map[string]int64{}
	rows, err := s.read(ctx, `SELECT reason, count(*), count(CASE WHEN subject_id IS NOT NULL AND (? = '' OR source = ?) THEN 1 END)
		FROM (SELECT reason, subject_id, source FROM event WHERE state = ? AND state <> 'exported'/*pg: AND id > 0*/ ORDER BY id LIMIT 0 + ?) AS found GROUP BY reason`,
		source, source, string(StateDead), looked)
	err = s.each(rows, err, func(rows *sql.Rows) error {
		var reason string
		var dead, retryable int64
		err := rows.Scan(&reason, &dead, &retryable)
		if looked -= dead; retryable > 0 {
			counts[reason] = retryable
		}
		return err
	})
	return counts, looked > 0, err
}

// RetryReason brings back, in one transaction, the dead letters of a reason and a source
// ("": all of them) with ids above after, and what died with them: up to limit of them are
// looked at, oldest first. It says how many are pending again, and after which id to go on;
// 0: there are no more. Those that can't be retried stay.
func (s *Store) RetryReason(ctx context.Context, source, reason string, after int64, limit int) (retried, last int64, err error) {
	var events, subjects []int64
	rows, err := s.read(ctx, `SELECT id, subject_id FROM event WHERE state = ? AND state <> 'exported' AND id > ? AND reason = ?
		AND (? = '' OR source = ?) AND subject_id IS NOT NULL ORDER BY id LIMIT 0 + ?`,
		string(StateDead), after, reason, source, source, limit)
	err = s.each(rows, err, func(rows *sql.Rows) error {
		var event, subject int64
		err := rows.Scan(&event, &subject)
		events, subjects = append(events, event), append(subjects, subject)
		return err
	})
	if err != nil || len(events) == 0 {
		return 0, 0, err
	}
	err = s.writer.write(ctx, &op{stage: stageOther, subjects: subjects, run: func(t *tx) error {
		retried = 0
		for _, event := range events {
			n, err := t.retry(event)
			if err != nil && !errors.Is(err, ErrNotRetryable) { // it came back with another one
				return err
			}
			retried += n
		}
		return nil
	}})
	if len(events) == limit {
		last = events[limit-1]
	}
	return retried, last, err
}

// retry says how many events are pending again.
func (t *tx) retry(event int64) (retried int64, err error) {
	var subject int64
	var source, state string
	found, err := t.one(`SELECT s.id, s.source, s.state FROM event e JOIN subject s ON s.id = e.subject_id
		WHERE e.id = ? AND e.state = 'dead' AND s.state <> 'forgotten'/*pg: FOR UPDATE OF s, e*/`, []any{event}, &subject, &source, &state)
	if err != nil {
		return 0, err
	}
	if !found {
		return 0, ErrNotRetryable
	}
	if state == "dead" {
		t.dueAt(t.now)
		err = t.exec(`UPDATE subject SET state = 'open', due_at = ?, assembled_at = 0, settled_at = NULL WHERE id = ?`, t.now, subject)
	} else {
		t.outbox = true
		err = t.exec(`UPDATE outbox SET state = 'pending', attempts = 0 WHERE subject_id = ? AND state = 'dead'`, subject)
	}
	if err != nil {
		return 0, err
	}
	if err := t.retryRecords(subject); err != nil {
		return 0, err
	}
	n, err := t.change(`UPDATE event SET state = 'pending', reason = '', detail = '', ended_at = 0 WHERE subject_id = ? AND state = 'dead'`, subject)
	t.moved(source, StateDead, StatePending, n)
	return n, err
}
