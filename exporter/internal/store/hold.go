package store

import (
	"database/sql"
	"slices"
)

// With other processes at the same database whoever changes what belongs to a
// subject, or what became of it, locks its row first, until the end of the
// transaction. SQLite has one writer, and none of this does anything there.

// holder is a subject as far as it matters to who joins or takes what it holds.
type holder struct {
	id          int64
	kind, state string
	trace, span []byte
	start, end  int64
}

// hold locks a subject and reads it as it is now; not found: there is none any more.
func (t *tx) hold(subject int64) (h holder, found bool, err error) {
	if !t.engine.shared() || subject == 0 {
		return h, false, nil
	}
	h.id = subject
	found, err = t.one(`SELECT kind, state, trace_id, span_id, start_ns, end_ns FROM subject WHERE id = ? FOR UPDATE`,
		[]any{subject}, &h.kind, &h.state, &h.trace, &h.span, &h.start, &h.end)
	return h, found, err
}

// holdAll locks the subjects that were read before, in the order of their ids, and
// tells what they are now.
func (t *tx) holdAll(read []holder) ([]holder, error) {
	if !t.engine.shared() {
		return read, nil
	}
	ids := make([]int64, len(read))
	for i, h := range read {
		ids[i] = h.id
	}
	slices.Sort(ids)
	now := make(map[int64]holder, len(ids))
	for _, id := range slices.Compact(ids) {
		h, _, err := t.hold(id)
		if err != nil {
			return nil, err
		}
		now[id] = h
	}
	held := make([]holder, len(read))
	for i := range read {
		held[i] = now[read[i].id]
	}
	return held, nil
}

// holdOwner locks the subject that an event belongs to; 0: there is no event. Who
// gives an event to another subject holds the one it takes it from, so that it stays.
func (t *tx) holdOwner(event int64) error {
	if !t.engine.shared() || event == 0 {
		return nil
	}
	for held := int64(0); ; {
		var owner int64
		_, err := t.one(`SELECT coalesce(subject_id, 0) FROM event WHERE id = ?`, []any{event}, &owner)
		if err != nil || owner == held {
			return err
		}
		if _, _, err := t.hold(owner); err != nil {
			return err
		}
		held = owner
	}
}

// holdRecorded is holdOwner of the event that a log subject records.
func (t *tx) holdRecorded(record int64) error {
	if !t.engine.shared() {
		return nil
	}
	var event sql.NullInt64
	if _, err := t.one(`SELECT event_id FROM subject WHERE id = ?`, []any{record}, &event); err != nil {
		return err
	}
	return t.holdOwner(event.Int64)
}
