package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ClaimRequests claims up to limit requests of a signal with an id above after,
// oldest first, for ttl. A caller that goes on from the last id it saw, and then
// again from 0, gets different requests each time, so that one that always fails
// can't hold up the others.
func (s *Store) ClaimRequests(ctx context.Context, signal string, after int64, limit int, ttl time.Duration) ([]Request, error) {
	var claimed []Request
	token := s.newToken()
	err := s.writer.write(ctx, &op{stage: stageOther, run: func(t *tx) (err error) {
		claimed, err = t.claimRequests(token, signal, after, limit, ttl)
		return err
	}})
	if err != nil {
		s.untold.noteUncertain(token, err)
		return nil, err
	}
	whole, err := s.unpackRequests(ctx, claimed)
	if err != nil {
		s.unclaim(ctx, token, err)
		return nil, err
	}
	return whole, nil
}

// unpackRequests reads what claims are about. They keep it there, unless it was forgotten
// meanwhile. What is damaged becomes a dead letter.
func (s *Store) unpackRequests(ctx context.Context, claimed []Request) ([]Request, error) {
	of := make(map[int64]*Request, len(claimed))
	var ids, subjects []int64
	for i := range claimed {
		r := &claimed[i]
		of[r.ID], ids, subjects = r, append(ids, r.ID), append(subjects, r.SubjectID)
	}
	found := make(map[int64]bool, len(claimed))
	var damaged []Settlement
	err := s.engine.readMany(ctx, `SELECT r.outbox_id, r.bytes, s.source, s.trace_id FROM request r, subject s WHERE r.outbox_id = ? AND s.id = ? LIMIT 1`,
		[][]int64{ids, subjects}, func(rows *sql.Rows) error {
			var id int64
			var packed, trace sql.RawBytes
			var source string
			if err := rows.Scan(&id, &packed, &source, &trace); err != nil {
				return err
			}
			r := of[id]
			r.Source = source
			copy(r.TraceID[:], trace)
			body, err := s.codec.unpack(packed)
			if err != nil {
				// A dead letter, which holds up nobody (I8).
				damaged = append(damaged, Settlement{Request: *r, Verdict: VerdictDead, Reason: reasonDamaged, Detail: err.Error()})
				return nil
			}
			r.Body, found[id] = body, true
			return nil
		})
	if err == nil && damaged != nil {
		err = s.Settle(ctx, damaged)
	}
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(claimed, func(r Request) bool { return !found[r.ID] }), nil
}

// reasonDamaged is the reason of dead letters whose request can't be read.
const reasonDamaged = "damaged"

func (t *tx) claimRequests(token Token, signal string, after int64, limit int, ttl time.Duration) ([]Request, error) {
	var claimed []Request
	err := t.each(`UPDATE outbox SET claim_token = ?, claim_until = ?
		WHERE id IN (SELECT id FROM outbox WHERE signal = ? AND state = 'pending'/*pg: AND id > 0*/ AND id > ? AND claim_until <= ?
			ORDER BY id LIMIT 0 + ?/*pg: FOR UPDATE SKIP LOCKED*/)
		RETURNING id, subject_id, part, created_at, attempts`,
		[]any{token[:], t.now + int64(ttl), signal, after, t.now, limit}, func(rows scanner) error {
			r := Request{Signal: signal, Token: token}
			var created int64
			err := rows.Scan(&r.ID, &r.SubjectID, &r.Part, &created, &r.Attempts)
			r.CreatedAt = time.Unix(0, created).UTC()
			claimed = append(claimed, r)
			return err
		})
	slices.SortFunc(claimed, func(a, b Request) int { return cmp.Compare(a.ID, b.ID) })
	return claimed, err
}

// FencedError is an ErrFenced that names the requests whose claims were lost. What else
// was asked for is committed.
type FencedError struct{ Requests []int64 }

func (*FencedError) Error() string { return ErrFenced.Error() }

func (*FencedError) Is(target error) bool { return target == ErrFenced }

// Settle ends claims on requests, in one transaction. When all parts of a
// subject are done, for every signal, its events are exported. A settlement whose
// claim was lost changes nothing; then Settle answers a FencedError after it
// committed the others.
func (s *Store) Settle(ctx context.Context, settled []Settlement) error {
	packed := make([][][]byte, len(settled))
	var size int64
	for i := range settled {
		for _, part := range settled[i].Parts {
			packed[i] = append(packed[i], s.codec.pack(part))
			size += int64(len(packed[i][len(packed[i])-1]))
		}
	}
	var lost []int64 // the writer may still write it after ctx ended, so an error doesn't read it
	err := s.writer.write(ctx, &op{stage: stageOther, subjects: subjectsOf(settled), bytes: size, run: func(t *tx) error {
		lost = nil
		held := make([]bool, len(settled))
		settle := func(i int) (err error) { held[i], err = t.settle(&settled[i], packed[i]); return err }
		if err := t.settleAll(settled, settle); err != nil {
			return err
		}
		for i := range settled {
			if !held[i] {
				lost = append(lost, settled[i].Request.ID)
			}
		}
		return nil
	}})
	if err == nil && lost != nil {
		return &FencedError{lost}
	}
	return err
}

// settleAll settles one after the other, or abreast what is done: each of these changes
// what others look at, and looks itself, in one statement.
func (t *tx) settleAll(settled []Settlement, settle func(i int) error) error {
	if len(settled) > 1 && !slices.ContainsFunc(settled, func(s Settlement) bool { return s.Verdict != VerdictDone }) {
		return t.engine.abreast(t, len(settled), settle)
	}
	for i := range settled {
		if err := settle(i); err != nil {
			return err
		}
	}
	return nil
}

func subjectsOf(settled []Settlement) []int64 {
	subjects := make([]int64, len(settled))
	for i := range settled {
		subjects[i] = settled[i].Request.SubjectID
	}
	return subjects
}

// settle tells whether the claim was still held.
func (t *tx) settle(s *Settlement, packed [][]byte) (held bool, err error) {
	id, token := s.Request.ID, s.Request.Token[:]
	detail := display(s.Detail, maxDetail)
	switch s.Verdict {
	case VerdictDone:
		return t.settleDone(id, token)
	case VerdictHold:
		held, err := t.change(`UPDATE outbox SET claim_token = NULL, claim_until = ?, last_error = ?
			WHERE id = ? AND claim_token = ? AND state = 'pending'`, t.aside(s), detail, id, token)
		return held > 0, err
	case VerdictRetry:
		held, err := t.change(`UPDATE outbox SET claim_token = NULL, claim_until = ?, last_error = ?, attempts = attempts + 1
			WHERE id = ? AND claim_token = ? AND state = 'pending'`, t.aside(s), detail, id, token)
		return held > 0, err
	case VerdictSplit:
		if len(packed) < 2 {
			return false, errors.New("settle: a split needs at least two parts")
		}
		return t.settleSplit(id, token, packed)
	case VerdictDead:
		return t.settleDead(id, token, s.Reason, detail)
	}
	return false, fmt.Errorf("settle: unknown verdict %q", s.Verdict)
}

// aside is the claim_until of a request that is back. Without a token it is no claim, and
// the request can't be claimed before then.
func (t *tx) aside(s *Settlement) int64 {
	if s.Aside <= 0 {
		return 0
	}
	return t.now + int64(s.Aside)
}

func (t *tx) settleDone(id int64, token []byte) (bool, error) {
	var subject, open, recorded int64
	var source string
	held, err := t.one(`UPDATE outbox SET state = 'done', claim_token = NULL, claim_until = 0, last_error = ''
		WHERE id = ? AND claim_token = ? AND state = 'pending' RETURNING subject_id`, []any{id, token}, &subject)
	if err != nil || !held {
		return false, err
	}
	_, err = t.one(`UPDATE subject SET open_parts = open_parts - 1 WHERE id = ? RETURNING open_parts, source, coalesce(event_id, 0)`,
		[]any{subject}, &open, &source, &recorded)
	switch {
	case err != nil || open > 0:
		return true, err
	case recorded != 0:
		return true, t.endRecord(subject, recorded)
	}
	return true, t.export(subject, source)
}

// settleSplit replaces a request by smaller ones. They are as old as it was, and
// their attempts start anew.
func (t *tx) settleSplit(id int64, token []byte, packed [][]byte) (bool, error) {
	var subject, created, last int64
	var signal string
	held, err := t.one(`SELECT subject_id, signal, created_at, (SELECT max(part) FROM outbox p WHERE p.subject_id = o.subject_id AND p.signal = o.signal)
		FROM outbox o WHERE id = ? AND claim_token = ? AND state = 'pending'/*pg: FOR UPDATE*/`, []any{id, token}, &subject, &signal, &created, &last)
	if err != nil || !held {
		return false, err
	}
	if err := t.deleteOutbox(id); err != nil {
		return true, err
	}
	for i, part := range packed {
		if err := t.insertPart(subject, signal, int(last)+1+i, created, part); err != nil {
			return true, err
		}
	}
	return true, t.exec(`UPDATE subject SET open_parts = open_parts + ? WHERE id = ?`, len(packed)-1, subject)
}

func (t *tx) deleteOutbox(id int64) error {
	if err := t.exec(`DELETE FROM request WHERE outbox_id = ?`, id); err != nil {
		return err
	}
	return t.exec(`DELETE FROM outbox WHERE id = ?`, id)
}

// settleDead makes the events of a refused request dead letters. The request
// stays for a retry, if one of them can still be retried; other parts of its
// subject go on.
func (t *tx) settleDead(id int64, token []byte, reason, detail string) (bool, error) {
	var subject, recorded, letter int64
	var source string
	held, err := t.one(`UPDATE outbox SET state = 'dead', claim_token = NULL, claim_until = 0, last_error = ?
		WHERE id = ? AND claim_token = ? AND state = 'pending' RETURNING subject_id`, []any{detail, id, token}, &subject)
	if err != nil || !held {
		return false, err
	}
	if _, err := t.one(`SELECT source, coalesce(event_id, 0) FROM subject WHERE id = ?`, []any{subject}, &source, &recorded); err != nil {
		return true, err
	}
	if err := t.holdOwner(recorded); err != nil {
		return true, err
	}
	if err := t.buryWhole(subject, recorded, source, reason, detail); err != nil {
		return true, err
	}
	kept, err := t.one(`SELECT id FROM event WHERE state = 'dead' AND id = ? UNION ALL
		SELECT id FROM event WHERE state = 'dead' AND subject_id = ? LIMIT 1`, []any{recorded, subject}, &letter)
	if err != nil || kept {
		return true, err
	}
	return true, t.writeOff(id, subject)
}

// writeOff is a refused request that no retry will bring back: of an observation,
// or of events that expired meanwhile.
func (t *tx) writeOff(id, subject int64) error {
	if err := t.deleteOutbox(id); err != nil {
		return err
	}
	if err := t.exec(`UPDATE subject SET open_parts = open_parts - 1 WHERE id = ?`, subject); err != nil {
		return err
	}
	return t.finish(subject)
}
