package store

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"slices"
	"time"
)

// maxShown is how many bytes of requests one page decodes, about.
const maxShown = 16 << 20

// DeliveryDetail is everything that is kept of one event.
type DeliveryDetail struct {
	Delivery
	RequestHeaders []byte // JSON object, credentials redacted; nil: none kept
	Body           []byte // the payload, JSON; nil: not kept, or damaged
	// Of its subject; zero: not yet.
	AssembledAt, SettledAt time.Time
	// Requests of its subject, and of its log record. They hold the other events of
	// that subject too.
	Requests []StoredRequest
	// LeftOut is how many of them, at least, are not here or have no Body for their
	// number or size.
	LeftOut int
}

// StoredRequest is one encoded OTLP request as it is in the outbox.
type StoredRequest struct {
	ID        int64
	SubjectID int64
	Signal    string
	Part      int
	State     RequestState
	CreatedAt time.Time
	Attempts  int
	LastError string
	// Body is an encoded Export…ServiceRequest, not compressed; nil: evicted,
	// damaged or left out for its size.
	Body []byte
}

// RequestState is where a request is.
type RequestState string

// States of a request.
const (
	RequestPending RequestState = "pending"
	RequestDone    RequestState = "done"
	RequestDead    RequestState = "dead"
)

// Delivery reads one event; ok is false when there is none of that id.
func (s *Store) Delivery(ctx context.Context, id int64) (d DeliveryDetail, ok bool, err error) {
	found, err := s.deliveries(ctx, deliveryRow+`e.id = ?`, id)
	if err != nil || len(found) == 0 {
		return DeliveryDetail{}, false, err
	}
	d.Delivery = found[0]
	if err := s.keptOf(ctx, &d); err != nil {
		return DeliveryDetail{}, false, err
	}
	shown := shelf{Store: s, left: maxShown}
	if d.Requests, err = shown.requests(ctx, `o.subject_id = ? OR o.subject_id IN (SELECT id FROM subject WHERE event_id = ?/*pg: AND id > 0*/)`, d.SubjectID, id); err != nil {
		return DeliveryDetail{}, false, err
	}
	d.LeftOut = shown.leftOut
	return d, true, nil
}

// keptOf reads what only the page of one event shows.
func (s *Store) keptOf(ctx context.Context, d *DeliveryDetail) error {
	rows, err := s.read(ctx, `SELECT e.request_headers, b.bytes, coalesce(s.assembled_at, 0), coalesce(s.settled_at, 0)
		FROM event e LEFT JOIN body b ON b.event_id = e.id LEFT JOIN subject s ON s.id = e.subject_id WHERE e.id = ?`, d.ID)
	return s.each(rows, err, func(rows *sql.Rows) error {
		var headers, packed sql.RawBytes
		var assembled, settled int64
		if err := rows.Scan(&headers, &packed, &assembled, &settled); err != nil {
			return err
		}
		if len(headers) > 0 {
			d.RequestHeaders = slices.Clone(headers)
		}
		d.AssembledAt, d.SettledAt = timeOf(assembled), timeOf(settled)
		if packed == nil {
			return nil
		}
		if d.Body, err = unpackBody(nil, packed); err != nil {
			s.cfg.Logger.Error("body can't be read", slog.Int64("event", d.ID), slog.Any("error", err))
			d.Body = nil
		}
		return nil
	})
}

// shelf is a bounded number of bytes of requests.
type shelf struct {
	*Store
	left    int
	leftOut int
}

// requests reads requests of the outbox o, in order, as many of their bytes as
// there is room for.
func (f *shelf) requests(ctx context.Context, condition string, args ...any) ([]StoredRequest, error) {
	var found []StoredRequest
	rows, err := f.read(ctx, `SELECT o.id, o.subject_id, o.signal, o.part, o.state, o.created_at, o.attempts, o.last_error
		FROM outbox o WHERE `+condition+` ORDER BY o.subject_id, o.signal DESC, o.part LIMIT 0 + ?`, append(args, foundRows+1)...)
	err = f.each(rows, err, func(rows *sql.Rows) error {
		var r StoredRequest
		var created int64
		err := rows.Scan(&r.ID, &r.SubjectID, &r.Signal, &r.Part, &r.State, &created, &r.Attempts, &r.LastError)
		r.CreatedAt = timeOf(created)
		found = append(found, r)
		return err
	})
	if len(found) > foundRows {
		found = found[:foundRows]
		f.leftOut++
	}
	for i := range found {
		if err == nil {
			err = f.take(ctx, &found[i])
		}
	}
	return found, err
}

// take reads the bytes of a request.
func (f *shelf) take(ctx context.Context, r *StoredRequest) error {
	if f.left <= 0 {
		f.leftOut++
		return nil
	}
	rows, err := f.read(ctx, `SELECT bytes FROM request WHERE outbox_id = ?`, r.ID)
	return f.each(rows, err, func(rows *sql.Rows) error {
		var packed sql.RawBytes
		err := rows.Scan(&packed)
		if err != nil {
			return err
		}
		r.Body, err = f.codec.unpack(packed)
		f.left -= len(r.Body)
		if errors.Is(err, errBytes) {
			f.cfg.Logger.Error("request can't be read", slog.Int64("request", r.ID), slog.Any("error", err))
			r.Body = nil
			return nil
		}
		return err
	})
}
