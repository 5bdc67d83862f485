package store

import (
	"context"
	"encoding/binary"
	"fmt"
)

// Assemble commits the outcome of a subject: membership, requests, anchors and
// the reason, in one transaction. From then on the bytes are frozen (I3).
//
// ErrFenced: the claim was lost, or members were taken by a call; nothing was
// committed, and what is left of the subject will be claimed again.
func (s *Store) Assemble(ctx context.Context, a Assembly) error {
	return s.writer.write(ctx, s.assembly(a))
}

func (s *Store) assembly(a Assembly) *op {
	packed := make([][]byte, len(a.Parts))
	size := int64(1024 + 128*len(a.Turns))
	for i, p := range a.Parts {
		packed[i] = s.codec.pack(p.Body)
		size += int64(len(packed[i]))
	}
	return &op{
		stage:    stageOther,
		subjects: []int64{a.Subject.ID},
		key:      binary.BigEndian.AppendUint64(nil, uint64(a.Subject.ID)),
		abreast:  a.Subject.Kind != SubjectRecord, // whose message is another subject's
		bytes:    size,
		run:      func(t *tx) error { return t.assemble(a, packed) },
	}
}

// member is an event that a subject holds.
type member struct {
	id   int64
	kind Kind
	key  []byte
	late LateAs
	// record is how far its log record is.
	record int
}

func (t *tx) assemble(a Assembly, packed [][]byte) error {
	var token []byte
	_, err := t.one(`SELECT claim_token FROM subject WHERE id = ? AND state = 'open'/*pg: FOR UPDATE*/`, []any{a.Subject.ID}, &token)
	if err != nil {
		return err
	}
	if string(token) != string(a.Subject.Token[:]) {
		return ErrFenced
	}
	if a.Subject.Kind == SubjectRecord {
		return t.assembleRecord(a, packed)
	}
	late, held, err := t.newcomers(a)
	switch {
	case err != nil:
		return err
	case held == 0:
		return t.closeEmpty(a.Subject.ID)
	case a.DeadReason != "":
		return t.assembleDead(a, 0)
	case len(late) > 0 && (a.Subject.Kind != SubjectCall || late[0].kind == KindCDR):
		return ErrFenced // only a call takes messages in meanwhile: the assembly left out what it was shown
	}
	if err := t.insertParts(a, packed); err != nil {
		return err
	}
	if err := t.anchor(a); err != nil {
		return err
	}
	if err := t.summarize(a.Subject, a.Summary); err != nil {
		return err
	}
	// After the anchors: late messages hang from them.
	for _, m := range late {
		if err := t.leave(a.Subject, m); err != nil {
			return err
		}
	}
	if a.Record {
		if err := t.recordMembers(a.Subject); err != nil {
			return err
		}
	}
	if err := t.deleteObservations(a.Observed); err != nil {
		return err
	}
	return t.endInbox(a)
}

// newcomers are the events that the subject holds and the assembly does not
// know: they were accepted after it had read its members. held counts all.
func (t *tx) newcomers(a Assembly) (late []member, held int, err error) {
	known := make(map[int64]bool, len(a.Members))
	for _, id := range a.Members {
		known[id] = true
	}
	err = t.each(`SELECT id, kind, key, late_as, record FROM event WHERE subject_id = ? AND state IN ('pending', 'dead') ORDER BY kind`, []any{a.Subject.ID}, func(rows scanner) error {
		var m member
		if err := rows.Scan(&m.id, &m.kind, &m.key, &m.late, &m.record); err != nil {
			return err
		}
		held++
		if !known[m.id] {
			late = append(late, m)
		}
		return nil
	})
	if err == nil && held-len(late) != len(known) {
		err = ErrFenced // a call took a member that the assembly has in its bytes
	}
	return late, held, err
}

func (t *tx) insertParts(a Assembly, packed [][]byte) error {
	parts := make(map[string]int)
	for i, p := range a.Parts {
		if err := t.insertPart(a.Subject.ID, p.Signal, parts[p.Signal], t.now, packed[i]); err != nil {
			return err
		}
		parts[p.Signal]++
	}
	return nil
}

func (t *tx) insertPart(subject int64, signal string, part int, createdAt int64, packed []byte) error {
	id, err := t.insert(`INSERT INTO outbox (subject_id, signal, part, state, created_at, attempts, first_failed_at, last_error, claim_until)
		VALUES (?, ?, ?, 'pending', ?, 0, 0, '', 0)`, subject, signal, part, createdAt)
	if err != nil {
		return err
	}
	t.outbox = true
	return t.exec(`INSERT INTO request (outbox_id, bytes) VALUES (?, ?)`, id, packed)
}

// anchor closes the subject and keeps the spans that late messages will hang
// from.
func (t *tx) anchor(a Assembly) error {
	trace, span := a.Root.TraceID[:], a.Root.SpanID[:]
	if a.Root.TraceID == ([16]byte{}) {
		trace = a.Subject.TraceID[:]
	}
	if a.Root.SpanID == ([8]byte{}) {
		span = nil
	}
	err := t.exec(`UPDATE subject SET state = 'assembled', assembled_at = ?, claim_token = NULL, claim_until = 0, open_parts = ?, bodies = ?,
			trace_id = ?, span_id = ?, start_ns = ?, end_ns = ? WHERE id = ?`,
		t.now, len(a.Parts), flag(t.store.cfg.KeepBodies > 0), trace, span, int64(a.Root.Start), int64(a.Root.End), a.Subject.ID)
	if err != nil {
		return err
	}
	for i := range a.Turns {
		turn := &a.Turns[i]
		err := t.exec(`UPDATE turn SET span_id = ?, start_ns = ?, end_ns = ? WHERE source = ? AND log_key = ? AND subject_id = ?`,
			turn.Anchor.SpanID[:], int64(turn.Anchor.Start), int64(turn.Anchor.End), a.Subject.Source, turn.LogKey[:], a.Subject.ID)
		if err != nil {
			return err
		}
	}
	return nil
}

// closeEmpty ends a subject without a member: what it gathered is with another, or
// expired before it was due and is history.
func (t *tx) closeEmpty(subject int64) error {
	n, err := t.change(`UPDATE subject SET state = 'assembled', assembled_at = ?, claim_token = NULL, claim_until = 0, settled_at = ?
		WHERE id = ? AND EXISTS (SELECT 1 FROM event WHERE subject_id = ?)`, t.now, t.now, subject, subject)
	if err != nil || n > 0 {
		return err
	}
	return t.deleteEmpty(subject)
}

// leave makes a message that came while its call was assembled a late one, leaves
// it to its log record, or drops it.
func (t *tx) leave(call Subject, m member) error {
	switch m.late {
	case LateRecord:
		return t.leaveToRecord(call, m)
	case LateDrop:
		t.moved(call.Source, StatePending, StateDropped, 1)
		err := t.exec(`UPDATE event SET state = 'dropped', reason = 'late', ended_at = ?, subject_id = NULL WHERE id = ?`, t.now, m.id)
		if err != nil {
			return err
		}
		return t.exec(`DELETE FROM body WHERE event_id = ?`, m.id)
	}
	late, err := t.insertLate(call.ID, m.key)
	if err != nil {
		return err
	}
	return t.exec(`UPDATE event SET subject_id = ? WHERE id = ?`, late, m.id)
}

// endInbox deletes the bodies of the members, which now are in the requests, but
// those of which a log record is to be made; with every signal off it counts them
// as exported at once.
func (t *tx) endInbox(a Assembly) error {
	if t.store.cfg.KeepBodies <= 0 {
		err := t.exec(`DELETE FROM body WHERE event_id IN (SELECT id FROM event WHERE subject_id = ? AND record <> ?)`, a.Subject.ID, recordDue)
		if err != nil {
			return err
		}
	}
	if len(a.Parts) > 0 {
		return nil
	}
	return t.export(a.Subject.ID, a.Subject.Source)
}

// export ends the events of a subject all of whose parts are done, but those whose
// log record is not.
func (t *tx) export(subject int64, source string) error {
	n, err := t.change(`UPDATE event SET state = 'exported' WHERE subject_id = ? AND state = 'pending' AND record NOT IN (1, 2)`, subject)
	if err != nil {
		return err
	}
	t.moved(source, StatePending, StateExported, n)
	return t.finish(subject)
}

// finish makes a subject history once all its parts are done and all its events
// are final.
func (t *tx) finish(subject int64) error {
	return t.exec(`UPDATE subject SET settled_at = ? WHERE id = ? AND state = 'assembled' AND open_parts = 0 AND settled_at IS NULL
		AND NOT EXISTS (SELECT 1 FROM event WHERE subject_id = ? AND state IN ('pending', 'dead'))`, t.now, subject, subject)
}

// bury makes the pending events of a subject dead letters.
func (t *tx) bury(subject int64, source, reason, detail string) error {
	n, err := t.change(`UPDATE event SET state = 'dead', reason = ?, detail = ?, ended_at = ? WHERE subject_id = ? AND state = 'pending'`,
		display(reason, maxDisplay), display(detail, maxDetail), t.now, subject)
	t.moved(source, StatePending, StateDead, n)
	return err
}

// assembleDead keeps what can't be mapped, newcomers too: with their bodies, for
// a retry with a release or configuration that can. recorded is the event of a log
// record, 0 of anything else.
func (t *tx) assembleDead(a Assembly, recorded int64) error {
	err := t.exec(`UPDATE subject SET state = 'dead', assembled_at = ?, claim_token = NULL, claim_until = 0 WHERE id = ?`, t.now, a.Subject.ID)
	if err != nil {
		return fmt.Errorf("close subject: %w", err)
	}
	return t.buryWhole(a.Subject.ID, recorded, a.Subject.Source, a.DeadReason, a.DeadDetail)
}
