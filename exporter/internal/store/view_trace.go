package store

import (
	"context"
	"database/sql"
	"time"
)

// Bounds of what is shown of one trace.
const (
	maxTraceParts      = 1000
	maxTraceDeliveries = 2000
)

// Trace is everything that shares a trace id: a call or the segments of a
// conversation, in order, then late messages and log records, in order.
type Trace struct {
	Parts []TracePart
	// What is there and not shown, for its number or size: whether there are more
	// parts or deliveries, and how many requests, at least, are not here or have no
	// Body.
	MoreParts, MoreDeliveries bool
	RequestsLeftOut           int
}

// TracePart is one subject of a trace.
type TracePart struct {
	SubjectID   int64
	Source      string
	Kind        SubjectKind
	State       SubjectState
	Reason      Reason
	SpanID      [8]byte   // its root, once it is assembled; zero of a log record
	EventID     int64     // of a log record: the message that it is made of; 0 otherwise
	DueAt       time.Time // zero: not open
	AssembledAt time.Time // zero: not yet
	SettledAt   time.Time // when all its events were final; zero: not yet
	Stripped    bool      // its requests and bodies were evicted to make room
	Summary     *Summary  // nil: none
	Requests    []StoredRequest
	Deliveries  []Delivery // oldest first
}

// Trace reads everything of one trace; no parts: there is no such trace.
func (s *Store) Trace(ctx context.Context, id [16]byte) (Trace, error) {
	var t Trace
	if id == noTrace {
		return t, nil
	}
	if err := s.traceParts(ctx, &t, id); err != nil {
		return Trace{}, err
	}
	at := make(map[int64]*TracePart, len(t.Parts))
	for i := range t.Parts {
		at[t.Parts[i].SubjectID] = &t.Parts[i]
	}
	shown := shelf{Store: s, left: maxShown}
	requests, err := shown.requests(ctx, `o.subject_id IN (SELECT id FROM subject WHERE trace_id = ?)`, id[:])
	if err != nil {
		return Trace{}, err
	}
	t.RequestsLeftOut = shown.leftOut
	for _, r := range requests {
		if p := at[r.SubjectID]; p != nil {
			p.Requests = append(p.Requests, r)
		}
	}
	deliveries, err := s.deliveries(ctx, deliveryRow+`e.subject_id IN (SELECT id FROM subject WHERE trace_id = ?)
		ORDER BY e.id LIMIT 0 + ?`, id[:], maxTraceDeliveries+1)
	if err != nil {
		return Trace{}, err
	}
	if t.MoreDeliveries = len(deliveries) > maxTraceDeliveries; t.MoreDeliveries {
		deliveries = deliveries[:maxTraceDeliveries]
	}
	for _, d := range deliveries {
		if p := at[d.SubjectID]; p != nil {
			p.Deliveries = append(p.Deliveries, d)
		}
	}
	return t, nil
}

func (s *Store) traceParts(ctx context.Context, t *Trace, id [16]byte) error {
	rows, err := s.read(ctx, `SELECT s.id, s.source, s.kind, s.state, s.reason, s.span_id, coalesce(s.event_id, 0),
			CASE WHEN s.due_at < s.not_before THEN s.not_before ELSE s.due_at END, s.assembled_at, coalesce(s.settled_at, 0), s.stripped,
			u.subject_id IS NOT NULL, `+summaryColumns+`
		FROM subject s LEFT JOIN summary u ON u.subject_id = s.id
		WHERE s.trace_id = ? ORDER BY CASE WHEN s.kind IN ('call', 'conversation') THEN 0 ELSE 1 END, s.id LIMIT 0 + ?`, id[:], maxTraceParts+1)
	err = s.each(rows, err, func(rows *sql.Rows) error {
		var p TracePart
		var due, assembled, settled int64
		var span sql.RawBytes
		var summarized bool
		u := new(summaryRow)
		err := rows.Scan(append([]any{&p.SubjectID, &p.Source, &p.Kind, &p.State, &p.Reason, &span, &p.EventID,
			&due, &assembled, &settled, &p.Stripped, &summarized}, u.columns()...)...)
		switch p.State {
		case SubjectOpen:
			p.DueAt = timeOf(due)
		case SubjectAssembled:
			if p.Kind != SubjectRecord {
				copy(p.SpanID[:], span)
			}
		}
		p.AssembledAt, p.SettledAt = timeOf(assembled), timeOf(settled)
		if summarized {
			p.Summary = u.summary()
		}
		t.Parts = append(t.Parts, p)
		return err
	})
	if t.MoreParts = len(t.Parts) > maxTraceParts; t.MoreParts {
		t.Parts = t.Parts[:maxTraceParts]
	}
	return err
}
