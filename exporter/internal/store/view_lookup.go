package store

import (
	"context"
	"database/sql"
	"time"
)

// maxFound is the number of answers of one Lookup.
const maxFound = 100

// LookupKey says what to look up: exactly one of the hashes, as in Event. Source
// "" means any.
type LookupKey struct {
	Source                  string
	Session, SIP, Call, Log Hash
}

// Found is a call, conversation or message that was looked up.
type Found struct {
	Source  string
	Subject SubjectKind // "": none, the event is a dead letter or was dropped
	// EventID is the message of a log id, the CDR of a call, the first message of a
	// conversation; 0 when the message that a call names has not come.
	EventID int64
	State   State // of that event; of its call while there is none
	// TraceID is zero as long as it is not known. SpanID is of a log id the span of
	// its turn, else the root; zero until it is assembled.
	TraceID [16]byte
	SpanID  [8]byte
	DueAt   time.Time // when it is assembled at the latest, if nothing more comes; zero: not open
}

// Lookup finds what an id is about: calls before conversations, the newest first.
func (s *Store) Lookup(ctx context.Context, k LookupKey) ([]Found, error) {
	switch {
	case k.Log != (Hash{}):
		return s.found(ctx, foundMessage+` WHERE e.source IN `+anySource+` AND e.kind = 'message' AND e.key = ? AND e.conflict = 0
			UNION ALL `+foundTurn+` WHERE t.source IN `+anySource+` AND t.log_key = ?
			AND NOT EXISTS (SELECT 1 FROM event m WHERE m.source = t.source AND m.kind = 'message' AND m.key = t.log_key AND m.conflict = 0)
			LIMIT 0 + ?`, k.Source, k.Source, k.Log[:], k.Source, k.Source, k.Log[:], maxFound)
	case k.Call != (Hash{}):
		return s.found(ctx, foundEvent+` WHERE e.source IN `+anySource+` AND e.kind = 'cdr' AND e.key = ? AND e.conflict = 0
			ORDER BY e.id DESC LIMIT 0 + ?`, k.Source, k.Source, k.Call[:], maxFound)
	case k.SIP != (Hash{}):
		return s.byAlias(ctx, k, aliasKey('c', k.SIP))
	case k.Session != (Hash{}):
		return s.byAlias(ctx, k, aliasKey('s', k.Session))
	}
	return nil, nil
}

func (s *Store) byAlias(ctx context.Context, k LookupKey, alias any) ([]Found, error) {
	return s.found(ctx, foundEvent+` WHERE e.id IN (
			SELECT (SELECT m.id FROM event m WHERE m.subject_id = a.subject_id ORDER BY m.kind, m.received_at, m.id LIMIT 1)
			FROM alias a WHERE a.source IN `+anySource+` AND a.key = ? ORDER BY a.call DESC, a.subject_id DESC LIMIT 0 + ?)
		ORDER BY e.kind, e.id DESC`, k.Source, k.Source, alias, maxFound)
}

// What a Found is read from: an event with its subject, a message with the turn
// that names it, a turn whose message has not come.
const (
	foundDue   = `coalesce(CASE WHEN s.state <> 'open' THEN 0 WHEN s.due_at < s.not_before THEN s.not_before ELSE s.due_at END, 0)`
	foundEvent = `SELECT e.source, coalesce(s.kind, ''), e.id, e.state, s.trace_id, CASE WHEN s.state = 'assembled' THEN s.span_id END, ` + foundDue + `
		FROM event e LEFT JOIN subject s ON s.id = e.subject_id`
	foundMessage = `SELECT e.source, coalesce(s.kind, ''), e.id, e.state, coalesce(s.trace_id, o.trace_id),
			CASE WHEN t.span_id IS NOT NULL THEN t.span_id WHEN s.state = 'assembled' AND s.kind <> 'log' THEN s.span_id END, ` + foundDue + `
		FROM event e LEFT JOIN subject s ON s.id = e.subject_id
		LEFT JOIN turn t ON t.source = e.source AND t.log_key = e.key LEFT JOIN subject o ON o.id = t.subject_id`
	foundTurn = `SELECT t.source, coalesce(s.kind, ''), 0,
			coalesce((SELECT c.state FROM event c WHERE c.subject_id = s.id AND c.kind = 'cdr' LIMIT 1), ''), s.trace_id, t.span_id, ` + foundDue + `
		FROM turn t LEFT JOIN subject s ON s.id = t.subject_id`
)

func (s *Store) found(ctx context.Context, query string, args ...any) ([]Found, error) {
	var all []Found
	rows, err := s.read(ctx, query, args...)
	err = s.each(rows, err, func(rows *sql.Rows) error {
		var f Found
		var trace, span sql.RawBytes
		var due int64
		err := rows.Scan(&f.Source, &f.Subject, &f.EventID, &f.State, &trace, &span, &due)
		copy(f.TraceID[:], trace)
		copy(f.SpanID[:], span)
		f.DueAt = timeOf(due)
		all = append(all, f)
		return err
	})
	return all, err
}
