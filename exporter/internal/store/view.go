package store

import (
	"context"
	"database/sql"
	"time"
)

// The views are what a person looks at: the delivery log, calls, one trace. They
// read beside the writer, a bounded number of rows, whatever the filter.

// maxPage is the largest number of rows of one page.
const maxPage = 500

// DeliveryFilter selects deliveries. A zero field selects all; fields are
// combined with "and".
type DeliveryFilter struct {
	Source string
	Name   string // event.name, as it is shown
	State  State
	// Hashes as in Event. Session: messages of the session, and the CDR of a call
	// that names it. SIP: the same of a SIP Call-ID. Call (the Key of a CDR): all of
	// the call, late messages too. Log: the message with that log id, and the CDR
	// that names it. A message that was dropped is found by its session only if a
	// turn names it; a dead letter that can't be read has none of them.
	Session, SIP, Call, Log Hash
	// Received in [From, To); zero: no bound.
	From, To time.Time
}

// Delivery is one accepted event as the delivery log lists it.
type Delivery struct {
	ID            int64
	Source        string
	Kind          Kind
	Name          string // event.name
	SessionID     string
	LogID         string
	ClientAddress string
	Endpoint      string
	ReceivedAt    time.Time
	Took          time.Duration // from the first byte of the request until it was durable; 0: unknown
	Redeliveries  int64         // further deliveries of the same event
	State         State
	Reason        string    // of a dead or dropped event
	Detail        string    // the same in words
	EndedAt       time.Time // when it became dead, dropped or expired; zero otherwise
	Conflict      bool      // another event with this id and other content was accepted before
	KeptBody      int64     // bytes that its body occupies, compressed; 0: not kept

	// What it is exported with; SubjectID 0: nothing.
	SubjectID    int64
	Subject      SubjectKind
	SubjectState SubjectState
	DueAt        time.Time // when an open subject is assembled at the latest, if nothing more comes; zero: not open

	// TraceID is zero as long as it is not known: a conversation has none until it
	// is assembled. SpanID is of a message its turn's or late span, else, as of a
	// CDR, the root; zero until it is assembled.
	TraceID [16]byte
	SpanID  [8]byte
}

// SubjectState is where a subject is.
type SubjectState string

// States of a subject.
const (
	SubjectOpen      SubjectState = "open"      // waits for its due time
	SubjectAssembled SubjectState = "assembled" // its requests were made
	SubjectDead      SubjectState = "dead"      // can't be mapped
)

// Page is a page of the delivery log, newest first.
type Page struct {
	Deliveries []Delivery
	// Next is what the next page is asked for with; 0: this is the last one. Rows
	// that arrive meanwhile neither shift nor repeat what follows.
	Next int64
	// SearchedTo, when set, says that the page is shorter than asked for because
	// only what was received since then was looked at. Next goes on from there.
	SearchedTo time.Time
}

// deliveryRow reads what a Delivery shows, of events e; conditions on e follow.
// A message's turn (t) is found by its log id, also when its call (o) does not
// hold it.
const deliveryRow = `SELECT e.id, e.source, e.kind, e.name, e.session_id, e.log_id, e.client_address, e.endpoint, e.received_at, e.took_ns,
		e.redeliveries, e.state, e.reason, e.detail, e.ended_at, e.conflict, coalesce(length(b.bytes), 0),
		coalesce(s.id, 0), coalesce(s.kind, ''), coalesce(s.state, ''),
		coalesce(CASE WHEN s.due_at < s.not_before THEN s.not_before ELSE s.due_at END, 0),
		coalesce(s.trace_id, o.trace_id),
		CASE WHEN e.kind = 'message' AND coalesce(s.kind, '') <> 'late' AND t.span_id IS NOT NULL THEN t.span_id
			WHEN s.state = 'assembled' AND s.kind <> 'log' THEN s.span_id END
	FROM event e
	LEFT JOIN subject s ON s.id = e.subject_id
	LEFT JOIN body b ON b.event_id = e.id
	LEFT JOIN turn t ON t.source = e.source AND t.log_key = e.key AND e.kind = 'message' AND e.conflict = 0
	LEFT JOIN subject o ON o.id = t.subject_id
	WHERE `

// deliveries reads the rows of a query that begins with deliveryRow.
func (s *Store) deliveries(ctx context.Context, query string, args ...any) ([]Delivery, error) {
	var found []Delivery
	rows, err := s.read(ctx, query, args...)
	err = s.each(rows, err, func(rows *sql.Rows) error {
		d, err := scanDelivery(rows)
		found = append(found, d)
		return err
	})
	return found, err
}

func scanDelivery(rows *sql.Rows) (Delivery, error) {
	var d Delivery
	var received, ended, due int64
	var trace, span sql.RawBytes
	err := rows.Scan(&d.ID, &d.Source, &d.Kind, &d.Name, &d.SessionID, &d.LogID, &d.ClientAddress, &d.Endpoint, &received, &d.Took,
		&d.Redeliveries, &d.State, &d.Reason, &d.Detail, &ended, &d.Conflict, &d.KeptBody,
		&d.SubjectID, &d.Subject, &d.SubjectState, &due, &trace, &span)
	d.ReceivedAt, d.EndedAt = timeOf(received), timeOf(ended)
	if d.SubjectState == SubjectOpen {
		d.DueAt = timeOf(due)
	}
	copy(d.TraceID[:], trace)
	copy(d.SpanID[:], span)
	return d, err
}

// timeOf is the time of a column, zero for 0.
func timeOf(nanoseconds int64) time.Time {
	if nanoseconds == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanoseconds).UTC()
}

// nanoseconds is the column of a time, 0 for the zero time.
func nanoseconds(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.UnixNano()
}
