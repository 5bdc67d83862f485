package store

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"unicode/utf8"
)

// A log record is made of one message, beside the span or instead of it. Its
// subject (kind log) is due at once and gathers nothing: the message stays with
// its call or conversation, and is exported when both are done. Only a message
// that is nothing else (LateRecord) belongs to its log subject.

// The states of an event's log record.
const (
	recordNone   = 0
	recordDue    = 1 // to be mapped: the body stays
	recordLeft   = 2 // in the outbox, and some of it is not done
	recordedDone = 3 // every part is done
)

// anchorOfTurn is what hangs from a turn t of a call c has for its parent: the
// span of the turn or, when that has none, of the call, and whether the turn named
// it. While the call is open there is neither span, and a turn that may get one.
const anchorOfTurn = `coalesce(t.span_id, c.span_id),
	CASE WHEN t.span_id IS NULL THEN c.start_ns ELSE t.start_ns END, CASE WHEN t.span_id IS NULL THEN c.end_ns ELSE t.end_ns END,
	CASE WHEN t.id IS NOT NULL AND (c.state = 'open' OR t.span_id IS NOT NULL) THEN 1 ELSE 0 END`

// insertRecord makes the log subject of a message, with what is known of its call
// at that moment: the call may be gone when it is mapped. own is zero when there
// is no call.
func (t *tx) insertRecord(source string, event int64, log any, own owner) (int64, error) {
	t.dueAt(t.now)
	if own.subject == 0 {
		return t.insert(`INSERT INTO subject (source, kind, state, reason, due_at, not_before, claim_until, messages, missing, orphans,
				start_ns, end_ns, named, assembled_at, open_parts, bodies, stripped, event_id)
			VALUES (?, 'log', 'open', 'record', ?, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, ?)`, source, t.now, event)
	}
	return t.insert(`INSERT INTO subject (source, kind, state, reason, due_at, not_before, claim_until, messages, missing, orphans, call_id,
			trace_id, span_id, start_ns, end_ns, named, assembled_at, open_parts, bodies, stripped, event_id)
		SELECT c.source, 'log', 'open', 'record', ?, 0, 0, 1, 0, 0, c.call_id, c.trace_id, `+anchorOfTurn+`, 0, 0, 0, 0, ?
		FROM subject c LEFT JOIN turn t ON t.source = c.source AND t.log_key = ? AND t.subject_id = c.id WHERE c.id = ?`,
		t.now, event, log, own.subject)
}

// acceptRecord makes the log record of a message that was just inserted.
func (t *tx) acceptRecord(in *intake, own owner) error {
	if !in.Record {
		return nil
	}
	_, err := t.insertRecord(in.Source, in.id, in.log(), own)
	return err
}

// acceptLateRecord takes in a message that came after its call was assembled and
// becomes a log record, and nothing else.
func (t *tx) acceptLateRecord(in *intake, own owner) error {
	in.Record = true
	if _, err := t.insertEvent(in, row{state: StatePending}); err != nil {
		return err
	}
	record, err := t.insertRecord(in.Source, in.id, in.log(), own)
	if err != nil {
		return err
	}
	return t.belongsToRecord(in.id, record)
}

// belongsToRecord makes a late message that of its log record, which says by its
// reason that it is late.
func (t *tx) belongsToRecord(event, record int64) error {
	if err := t.exec(`UPDATE event SET subject_id = ? WHERE id = ?`, record, event); err != nil {
		return err
	}
	return t.exec(`UPDATE subject SET reason = 'late' WHERE id = ? AND state = 'open'`, record)
}

// recordMembers makes the log records of the messages of a subject that have none.
// Its spans are known by now: the ids are no prediction.
func (t *tx) recordMembers(subject Subject) error {
	var members []member
	err := t.each(`SELECT id, key FROM event WHERE subject_id = ? AND kind = 'message' AND state = 'pending' AND record = 0`, []any{subject.ID}, func(rows scanner) error {
		var m member
		err := rows.Scan(&m.id, &m.key)
		members = append(members, m)
		return err
	})
	if err != nil {
		return err
	}
	for _, m := range members {
		if _, err := t.giveRecord(subject, m); err != nil {
			return err
		}
	}
	return nil
}

// giveRecord makes the log record of a message that has none.
func (t *tx) giveRecord(of Subject, m member) (record int64, err error) {
	if record, err = t.insertRecord(of.Source, m.id, m.key, owner{subject: of.ID}); err != nil {
		return 0, err
	}
	return record, t.exec(`UPDATE event SET record = ? WHERE id = ?`, recordDue, m.id)
}

// leaveToRecord gives a message that came while its call was assembled to its log
// record, however far that is; one that has none gets it.
func (t *tx) leaveToRecord(call Subject, m member) error {
	if m.record == recordNone {
		record, err := t.giveRecord(call, m)
		if err != nil {
			return err
		}
		return t.belongsToRecord(m.id, record)
	}
	var record, bodies int64
	found, err := t.one(`SELECT id, bodies FROM subject WHERE event_id = ?/*pg: AND id > 0*/`, []any{m.id}, &record, &bodies)
	if err == nil && found { // else it was done so long ago that it is history, and the row stays with the call
		err = t.belongsToRecord(m.id, record)
	}
	if err != nil || m.record == recordDue {
		return err
	}
	if bodies == 0 {
		if err := t.exec(`DELETE FROM body WHERE event_id = ?`, m.id); err != nil {
			return err
		}
	}
	if m.record == recordLeft {
		return nil
	}
	n, err := t.change(`UPDATE event SET state = 'exported' WHERE id = ? AND state = 'pending'`, m.id)
	t.moved(call.Source, StatePending, StateExported, n)
	return err
}

// recorded is the event of a log subject.
type recorded struct {
	id, owner  int64 // owner 0: none
	source     string
	ownerState string
	bodies     bool // its owner keeps bodies for a while
}

func (t *tx) recorded(subject int64) (e recorded, found bool, err error) {
	found, err = t.one(`SELECT e.id, e.source, coalesce(o.id, 0), coalesce(o.state, ''), coalesce(o.bodies, 0)
		FROM subject s JOIN event e ON e.id = s.event_id JOIN body b ON b.event_id = e.id LEFT JOIN subject o ON o.id = e.subject_id
		WHERE s.id = ? AND e.state <> 'forgotten'`, []any{subject}, &e.id, &e.source, &e.owner, &e.ownerState, &e.bodies)
	return e, found, err
}

// assembleRecord is assemble of a log subject, whose claim holds.
func (t *tx) assembleRecord(a Assembly, packed [][]byte) error {
	if err := t.holdRecorded(a.Subject.ID); err != nil {
		return err
	}
	e, found, err := t.recorded(a.Subject.ID)
	switch {
	case err != nil:
		return err
	case !found:
		return t.deleteRecord(a.Subject)
	case len(a.Members) != 1 || a.Members[0] != e.id:
		return ErrFenced
	case a.DeadReason != "":
		return t.assembleDead(a, e.id)
	}
	if err := t.insertParts(a, packed); err != nil {
		return err
	}
	if err := t.anchor(a); err != nil {
		return err
	}
	if t.needsNoBody(a.Subject.ID, e) {
		if err := t.exec(`DELETE FROM body WHERE event_id = ?`, e.id); err != nil {
			return err
		}
	}
	if len(a.Parts) == 0 {
		return t.endRecord(a.Subject.ID, e.id)
	}
	return t.exec(`UPDATE event SET record = ? WHERE id = ?`, recordLeft, e.id)
}

// needsNoBody tells whether nobody reads the body any more once the record is
// mapped: an owner that is open maps it, one that is dead maps it on a retry, one
// that keeps bodies deletes it in its time.
func (t *tx) needsNoBody(record int64, e recorded) bool {
	if e.owner == record {
		return t.store.cfg.KeepBodies <= 0
	}
	return e.ownerState == "assembled" && !e.bodies || e.owner == 0
}

// deleteRecord ends a log subject that has nothing to say: its event was forgotten
// or expired before it was mapped, or its body is gone.
func (t *tx) deleteRecord(sub Subject) error {
	var event int64
	if _, err := t.one(`SELECT coalesce(event_id, 0) FROM subject WHERE id = ?`, []any{sub.ID}, &event); err != nil {
		return err
	}
	if err := t.bury(sub.ID, sub.Source, reasonDamaged, "its body is gone"); err != nil {
		return err
	}
	if err := t.exec(`UPDATE event SET subject_id = NULL WHERE subject_id = ?`, sub.ID); err != nil {
		return err
	}
	if err := t.endRecord(sub.ID, event); err != nil {
		return err
	}
	return t.deleteEmpty(sub.ID)
}

// endRecord is the end of a log record: every part of it is done, or there is
// none. Its event is exported if its owner is done as well, and that may have
// been the last one its owner waited for.
func (t *tx) endRecord(record, event int64) error {
	if err := t.holdOwner(event); err != nil {
		return err
	}
	var owner int64
	var source string
	_, err := t.one(`UPDATE event SET record = ? WHERE id = ? RETURNING coalesce(subject_id, 0), source`, []any{recordedDone, event}, &owner, &source)
	if err != nil {
		return err
	}
	n, err := t.change(`UPDATE event SET state = 'exported' WHERE id = ? AND state = 'pending'
		AND EXISTS (SELECT 1 FROM subject s WHERE s.id = event.subject_id AND s.state = 'assembled' AND s.open_parts = 0)`, event)
	if err != nil {
		return err
	}
	t.moved(source, StatePending, StateExported, n)
	if n > 0 && owner != record {
		if err := t.finish(owner); err != nil {
			return err
		}
	}
	return t.finish(record)
}

// buryWhole makes dead letters of what a subject is made of: its pending events or,
// of a log record, the one it records. The other events of that one's owner go on.
func (t *tx) buryWhole(subject, recorded int64, source, reason, detail string) error {
	if recorded == 0 {
		return t.bury(subject, source, reason, detail)
	}
	n, err := t.change(`UPDATE event SET state = 'dead', reason = ?, detail = ?, ended_at = ? WHERE id = ? AND state = 'pending'`,
		display(reason, maxDisplay), display(detail, maxDetail), t.now, recorded)
	t.moved(source, StatePending, StateDead, n)
	return err
}

// retryRecords brings back the records of the dead events of a subject: those
// that could not be mapped and those that were refused.
func (t *tx) retryRecords(subject int64) error {
	mapped, err := t.change(`UPDATE subject SET state = 'open', due_at = ?, assembled_at = 0, settled_at = NULL
		WHERE state = 'dead'/*pg: AND id > 0*/ AND event_id IN (SELECT id FROM event WHERE subject_id = ? AND state = 'dead' AND record = ?)`, t.now, subject, recordDue)
	if err != nil {
		return err
	}
	if mapped > 0 {
		t.dueAt(t.now)
	}
	sent, err := t.change(`UPDATE outbox SET state = 'pending', attempts = 0 WHERE state = 'dead' AND subject_id IN
		(SELECT s.id FROM event e JOIN subject s ON s.event_id = e.id/*pg: AND s.id > 0*/ WHERE e.subject_id = ? AND e.state = 'dead' AND e.record = ?)`, subject, recordLeft)
	t.outbox = t.outbox || sent > 0
	return err
}

// expireRecord ends the record of an event that expired, and with it the refused
// requests. One that waits to be mapped finds no body and ends itself.
func (t *tx) expireRecord(event int64) error {
	var record int64
	found, err := t.one(`SELECT id FROM subject WHERE event_id = ?/*pg: AND id > 0*/`, []any{event}, &record)
	if err != nil || !found {
		return err
	}
	return t.expireSubject(record)
}

// known completes claimed log subjects whose message no call owned when it came: a call
// may own it by now.
func (s *Store) known(ctx context.Context, records []int64, of map[int64]*Subject) error {
	return s.engine.readMany(ctx, `SELECT l.id, c.kind, c.call_id, c.trace_id, `+anchorOfTurn+`, CASE c.kind WHEN 'conversation' THEN
				(SELECT m.log_id FROM event m WHERE m.subject_id = c.id AND m.kind = 'message' ORDER BY m.received_at, m.id LIMIT 1) END
			FROM subject l JOIN event e ON e.id = l.event_id JOIN subject c ON c.id = e.subject_id
			LEFT JOIN turn t ON t.source = e.source AND t.log_key = e.key AND t.subject_id = c.id
		WHERE l.id = ? LIMIT 1`, [][]int64{records}, func(rows *sql.Rows) error {
		var id, start, end int64
		var kind SubjectKind
		var call, trace, span sql.RawBytes
		var named bool
		var first sql.NullString
		if err := rows.Scan(&id, &kind, &call, &trace, &span, &start, &end, &named, &first); err != nil {
			return err
		}
		switch sub := of[id]; kind {
		case SubjectCall:
			sub.CallID, sub.Parent, sub.Named = slices.Clone(call), newAnchor(trace, span, start, end), named
			sub.TraceID = sub.Parent.TraceID
		case SubjectConversation:
			if whole(first.String) {
				sub.FirstLogID = first.String
			}
		}
		return nil
	})
}

// whole tells whether a display copy certainly is what the payload said.
func whole(copied string) bool {
	return len(copied) <= maxDisplay-utf8.UTFMax && !strings.ContainsRune(copied, utf8.RuneError)
}
