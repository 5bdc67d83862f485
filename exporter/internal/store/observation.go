package store

import (
	"context"
	"database/sql"
	"math"
	"strings"
	"time"
)

// observationTime is how long an observation waits for its turn. The message log
// of a turn comes seconds after it and a CDR when the call ends; what is a day old
// was of a call of which neither came.
const observationTime = 24 * time.Hour

// maxObservations is how many observations one assembly reads, which bounds its
// memory: two webhooks for each of 2 000 turns.
const maxObservations = 4096

// Observe keeps what synchronous webhooks showed until their turn is assembled,
// and sends their log records, in one transaction. It is best effort: nothing of
// it is in the ledger. Errors: as Accept.
func (s *Store) Observe(ctx context.Context, observed []ObservedEvent) error {
	bodies, records := make([][]byte, len(observed)), make([][]byte, len(observed))
	var size int64
	for i := range observed {
		o := &observed[i]
		if o.Body != nil {
			bodies[i] = s.codec.pack(o.Body)
		}
		if o.Record != nil {
			records[i] = s.codec.pack(o.Record)
		}
		size += int64(len(bodies[i])+len(records[i])) + 1024
	}
	return s.writer.write(ctx, &op{stage: stageOther, bytes: size, grows: true, run: func(t *tx) error {
		for i := range observed {
			if err := t.observe(&observed[i], bodies[i], records[i]); err != nil {
				return err
			}
		}
		return nil
	}})
}

func (t *tx) observe(o *ObservedEvent, body, record []byte) error {
	received := t.now
	if !o.ReceivedAt.IsZero() {
		received = o.ReceivedAt.UnixNano()
	}
	if session := aliasKey('s', o.Session); body != nil && session != nil {
		err := t.exec(`INSERT INTO observation (source, session_key, received_at, bytes) VALUES (?, ?, ?, ?)`, o.Source, session, received, body)
		if err != nil {
			return err
		}
	}
	if record == nil {
		return nil
	}
	var trace any
	if o.TraceID != ([16]byte{}) {
		trace = o.TraceID[:]
	}
	id, err := t.insert(`INSERT INTO subject (source, kind, state, reason, due_at, not_before, claim_until, messages, missing, orphans, trace_id,
			start_ns, end_ns, named, assembled_at, open_parts, bodies, stripped)
		VALUES (?, 'log', 'assembled', 'record', ?, 0, 0, 0, 0, 0, ?, 0, 0, 0, ?, 1, 0, 0)`, o.Source, t.now, trace, t.now)
	if err != nil {
		return err
	}
	return t.insertPart(id, "logs", 0, t.now, record)
}

// Observations calls each for what synchronous webhooks showed of the sessions of
// a call or conversation, oldest first, at most 4096. One whose bytes are damaged
// is left out.
func (s *Store) Observations(ctx context.Context, sub Subject, each func(Observation) error) error {
	rows, err := s.read(ctx, `SELECT o.id, o.received_at, o.bytes FROM alias a JOIN observation o ON o.source = a.source AND o.session_key = a.key
		WHERE a.subject_id = ? ORDER BY o.id LIMIT 0 + ?`, sub.ID, maxObservations)
	return s.each(rows, err, func(rows *sql.Rows) error {
		var o Observation
		var received int64
		var packed sql.RawBytes
		if err := rows.Scan(&o.ID, &received, &packed); err != nil {
			return err
		}
		o.ReceivedAt = time.Unix(0, received).UTC()
		body, err := s.codec.unpack(packed)
		if err != nil {
			return nil // best effort; retention takes it
		}
		o.Body = body
		return each(o)
	})
}

// deleteObservations deletes what went into an assembly.
func (t *tx) deleteObservations(ids []int64) error {
	for len(ids) > 0 {
		n := min(len(ids), maxChunk)
		args := make([]any, n)
		for i, id := range ids[:n] {
			args[i] = id
		}
		if err := t.exec(`DELETE FROM observation WHERE id IN (`+strings.Repeat(", ?", n)[2:]+`)`, args...); err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}

// endObservations deletes those whose turn never came.
func (t *tx) endObservations(budget int) (int, error) {
	return t.deleteObserved(budget, t.now-int64(observationTime))
}

// evictObservations makes room: they are best effort, and the first to go.
func (t *tx) evictObservations(budget int) (int, error) {
	return t.deleteObserved(budget, math.MaxInt64)
}

func (t *tx) deleteObserved(budget int, before int64) (int, error) {
	n, err := t.change(`DELETE FROM observation WHERE id IN
		(SELECT id FROM observation WHERE received_at <= ? ORDER BY received_at LIMIT ?)`, before, budget)
	return int(n), err
}
