package store

import (
	"context"
)

// Retry brings a dead letter back, with everything that died with it: a subject
// that could not be mapped is due again, refused requests are sent again, and the log
// records of its dead events likewise.
// ErrNotRetryable: it is no dead letter, or one that was dead on arrival.
func (s *Store) Retry(ctx context.Context, eventID int64) error {
	return s.writer.write(ctx, &op{stage: stageOther, run: func(t *tx) error { return t.retry(eventID) }})
}

func (t *tx) retry(event int64) error {
	var subject int64
	var source, state string
	found, err := t.one(`SELECT s.id, s.source, s.state FROM event e JOIN subject s ON s.id = e.subject_id
		WHERE e.id = ? AND e.state = 'dead' AND s.state <> 'forgotten'/*pg: FOR UPDATE OF s, e*/`, []any{event}, &subject, &source, &state)
	if err != nil {
		return err
	}
	if !found {
		return ErrNotRetryable
	}
	if state == "dead" {
		t.dueAt(t.now)
		err = t.exec(`UPDATE subject SET state = 'open', due_at = ?, assembled_at = 0, settled_at = NULL WHERE id = ?`, t.now, subject)
	} else {
		t.outbox = true
		err = t.exec(`UPDATE outbox SET state = 'pending', attempts = 0, first_failed_at = 0 WHERE subject_id = ? AND state = 'dead'`, subject)
	}
	if err != nil {
		return err
	}
	if err := t.retryRecords(subject); err != nil {
		return err
	}
	n, err := t.change(`UPDATE event SET state = 'pending', reason = '', detail = '', ended_at = 0 WHERE subject_id = ? AND state = 'dead'`, subject)
	t.moved(source, StateDead, StatePending, n)
	return err
}
