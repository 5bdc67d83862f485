package store

import (
	"cmp"
	"context"
	"database/sql"
	"log/slog"
	"slices"
	"time"
)

// ClaimDue claims up to limit subjects that are due, in the order of their due
// times, for ttl: nobody else gets them before. Afterwards the claim can be taken
// by another and whoever had it commits nothing (ErrFenced). A claimed
// conversation takes no more messages; the next one opens a new segment.
func (s *Store) ClaimDue(ctx context.Context, limit int, ttl time.Duration) ([]Subject, error) {
	var claimed []Subject
	token := s.newToken()
	err := s.writer.write(ctx, &op{stage: stageOther, run: func(t *tx) (err error) {
		claimed, err = t.claimDue(token, limit, ttl)
		return err
	}})
	if err != nil {
		s.untold.noteUncertain(token, err)
		return nil, err
	}
	if err := s.complete(ctx, claimed); err != nil {
		s.unclaim(ctx, token, err)
		return nil, err
	}
	return claimed, nil
}

func (t *tx) claimDue(token Token, limit int, ttl time.Duration) ([]Subject, error) {
	// A conversation that spoke since is due later than it seemed.
	err := t.exec(`UPDATE subject SET due_at = not_before WHERE /*pg:id IN (SELECT id FROM subject WHERE */state = 'open'/*pg: AND id > 0*/ AND due_at <= ? AND not_before > ?
		AND claim_until = 0/*pg: FOR UPDATE SKIP LOCKED)*/`, t.now, t.now)
	if err != nil {
		return nil, err
	}
	var claimed []Subject
	err = t.each(`UPDATE subject SET claim_token = ?, claim_until = ?, gather_key = NULL
		WHERE id IN (SELECT id FROM subject WHERE state = 'open'/*pg: AND id > 0*/ AND due_at <= ? AND claim_until <= ?
			ORDER BY due_at, id LIMIT 0 + ?/*pg: FOR UPDATE SKIP LOCKED*/)
		RETURNING id, source, kind, reason, CASE WHEN due_at < not_before THEN not_before ELSE due_at END, call_id, trace_id, span_id, start_ns, end_ns, named, orphans, missing`,
		[]any{token[:], t.now + int64(ttl), t.now, t.now, limit}, func(rows scanner) error {
			s, err := scanSubject(rows)
			s.Token = token
			claimed = append(claimed, s)
			return err
		})
	slices.SortFunc(claimed, func(a, b Subject) int {
		return cmp.Or(a.DueAt.Compare(b.DueAt), cmp.Compare(a.ID, b.ID))
	})
	return claimed, err
}

func scanSubject(rows scanner) (Subject, error) {
	var s Subject
	var due, start, end int64
	var trace, span sql.RawBytes
	var orphans bool
	err := rows.Scan(&s.ID, &s.Source, &s.Kind, &s.Reason, &due, &s.CallID, &trace, &span, &start, &end, &s.Named, &orphans, &s.Missing)
	s.DueAt = time.Unix(0, due).UTC()
	copy(s.TraceID[:], trace)
	if s.Kind == SubjectLate || s.Kind == SubjectRecord {
		s.Parent = newAnchor(trace, span, start, end)
	}
	if orphans {
		s.Orphaned = []Anchor{} // read by complete
	}
	return s, err
}

func newAnchor(trace, span []byte, start, end int64) Anchor {
	a := Anchor{Start: uint64(start), End: uint64(end)}
	copy(a.TraceID[:], trace)
	copy(a.SpanID[:], span)
	return a
}

// complete reads what log records hang from, and what calls own and where their
// messages left before them. The latter were settled when the CDR was accepted, so it
// needs no transaction with the claim.
func (s *Store) complete(ctx context.Context, claimed []Subject) error {
	of := make(map[int64]*Subject, len(claimed))
	var calls, orphaned, records []int64
	for i := range claimed {
		sub := &claimed[i]
		of[sub.ID] = sub
		switch sub.Kind {
		case SubjectCall:
			calls = append(calls, sub.ID)
			if sub.Orphaned != nil {
				orphaned = append(orphaned, sub.ID)
			}
		case SubjectRecord:
			if sub.TraceID == ([16]byte{}) && len(sub.CallID) == 0 {
				records = append(records, sub.ID)
			}
		}
	}
	err := s.engine.readMany(ctx, `SELECT subject_id, log_key FROM turn WHERE subject_id = ? ORDER BY id`, [][]int64{calls}, func(rows *sql.Rows) error {
		var id int64
		var raw sql.RawBytes
		var key Hash
		err := rows.Scan(&id, &raw)
		if err == nil {
			copy(key[:], raw)
			of[id].Owned = append(of[id].Owned, key)
		}
		return err
	})
	if err != nil {
		return err
	}
	err = s.engine.readMany(ctx, `SELECT subject_id, trace_id, span_id, start_ns, end_ns FROM orphan WHERE subject_id = ?
		ORDER BY conversation_id`, [][]int64{orphaned}, func(rows *sql.Rows) error {
		var id, start, end int64
		var trace, span sql.RawBytes
		err := rows.Scan(&id, &trace, &span, &start, &end)
		if err == nil {
			of[id].Orphaned = append(of[id].Orphaned, newAnchor(trace, span, start, end))
		}
		return err
	})
	if err != nil {
		return err
	}
	return s.known(ctx, records, of)
}

// NextDue tells when to claim next: the next due time, or the end of a claim.
// It is never too late, but too early when a conversation spoke since. ok is
// false when no subject is open.
func (s *Store) NextDue(ctx context.Context) (at time.Time, ok bool, err error) {
	now := s.now()
	var free, claimed sql.NullInt64
	free, err = s.number(ctx, `SELECT due_at FROM subject WHERE state = 'open'/*pg: AND id > 0*/ AND claim_until <= ? AND (due_at > ? OR not_before <= ?)
		ORDER BY due_at LIMIT 1`, now, now, now)
	if err != nil {
		return time.Time{}, false, err
	}
	if free.Valid && free.Int64 <= now {
		return s.local(free.Int64), true, nil
	}
	// Only what is due can be claimed, and all of that is: a handful of rows.
	claimed, err = s.number(ctx, `SELECT min(claim_until) FROM subject WHERE state = 'open'/*pg: AND id > 0*/ AND due_at <= ? AND claim_until > ?`, now, now)
	if err != nil {
		return time.Time{}, false, err
	}
	next := free.Int64
	if claimed.Valid && (!free.Valid || claimed.Int64 < next) {
		next = claimed.Int64
	}
	return s.local(next), free.Valid || claimed.Valid, nil
}

// Members calls each for every event of a claimed subject: the CDR first, then
// the messages in the order in which they were received. A log record has one, or
// none when that expired or was forgotten meanwhile. It reads row by row; a body is
// valid only during the call, and empty when its bytes are damaged.
func (s *Store) Members(ctx context.Context, sub Subject, each func(Member) error) error {
	// A dead letter among the events of a subject that is open is one whose log
	// record was refused: its span is not.
	query := `SELECT e.id, e.kind, e.received_at, b.bytes, e.headers, e.content_hash
		FROM event e JOIN body b ON b.event_id = e.id
		WHERE e.subject_id = ? AND e.state IN ('pending', 'dead') ORDER BY e.kind, e.received_at, e.id`
	if sub.Kind == SubjectRecord {
		query = `SELECT e.id, e.kind, e.received_at, b.bytes, e.headers, e.content_hash
			FROM subject s JOIN event e ON e.id = s.event_id JOIN body b ON b.event_id = e.id WHERE s.id = ? AND e.state <> 'forgotten'`
	}
	rows, err := s.read(ctx, query, sub.ID)
	var buffer []byte
	return s.each(rows, err, func(rows *sql.Rows) error {
		var m Member
		var received int64
		var packed, headers, content sql.RawBytes
		err := rows.Scan(&m.EventID, &m.Kind, &received, &packed, &headers, &content)
		if err != nil {
			return err
		}
		if buffer, err = unpackBody(buffer, packed); err != nil {
			// Nothing can map that; as an empty body it becomes a dead letter and
			// holds up nobody (I8).
			s.cfg.Logger.Error("body can't be read", slog.Int64("event", m.EventID), slog.Any("error", err))
		}
		m.Body, m.ReceivedAt = buffer, time.Unix(0, received).UTC()
		if len(headers) > 0 {
			m.Headers = slices.Clone(headers)
		}
		copy(m.ContentHash[:], content)
		return each(m)
	})
}
