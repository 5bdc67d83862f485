package store

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"time"
)

// lookedCalls is the number of rows of a filter that no index answers.
const lookedCalls = 5_000

// CallsOnly selects calls by what became of them.
type CallsOnly string

// Selections of calls.
const (
	CallsAll         CallsOnly = ""
	CallsFailed      CallsOnly = "failed"
	CallsTransferred CallsOnly = "transferred"
	CallsSlow        CallsOnly = "slow" // a turn was slow or dead air
)

// CallFilter selects and orders calls and conversations. A zero field selects all.
type CallFilter struct {
	Source     string
	Kind       SubjectKind // SubjectCall or SubjectConversation
	Only       CallsOnly
	WorstFirst bool // by Summary.WorstTurn; otherwise the newest first
}

// CallCursor is where a page begins; its zero value is the first one.
type CallCursor struct {
	Worst     time.Duration // of CallFilter.WorstFirst
	SubjectID int64
}

// Call is an assembled call or conversation segment in the list of calls.
type Call struct {
	SubjectID int64
	Source    string
	Kind      SubjectKind
	Reason    Reason // why it was assembled
	TraceID   [16]byte
	Delivered bool // all its requests are done
	Summary
}

// CallPage is a page of calls.
type CallPage struct {
	Calls []Call
	// Next is what the next page is asked for with; zero: this is the last one.
	Next CallCursor
	// SearchedTo, when set, says that the page is shorter than asked for because no
	// more rows were looked at; it is when the last of them started. Next goes on
	// from there.
	SearchedTo time.Time
}

// Calls lists assembled calls and conversations from a cursor on. Limit is at most
// 500. In the order of the worst turn a page may repeat nothing and miss what is
// assembled meanwhile.
func (s *Store) Calls(ctx context.Context, f CallFilter, from CallCursor, limit int) (CallPage, error) {
	return s.listCalls(ctx, f, from, limit, lookedCalls)
}

func (s *Store) listCalls(ctx context.Context, f CallFilter, from CallCursor, limit, looked int) (CallPage, error) {
	order, err := f.order(from)
	if err != nil {
		return CallPage{}, err
	}
	limit = min(max(limit, 1), maxPage)
	end, endAt, err := s.callsLooked(ctx, f, order, looked)
	if err != nil {
		return CallPage{}, err
	}
	args := append(order.args, order.bound(end)...)
	args = append(args, f.Source, f.Source, string(f.Kind), string(f.Kind), limit+1)
	var p CallPage
	rows, err := s.read(ctx, `SELECT u.subject_id, u.source, u.kind, coalesce(s.reason, ''), s.trace_id, coalesce(s.open_parts, 0), `+summaryColumns+`
		FROM summary u LEFT JOIN subject s ON s.id = u.subject_id
		WHERE `+order.from+` AND `+order.to+order.only+` AND (? = '' OR u.source = ?) AND (? = '' OR u.kind = ?)`+order.by+` LIMIT 0 + ?`, args...)
	err = s.each(rows, err, func(rows *sql.Rows) error {
		c, err := scanCall(rows)
		p.Calls = append(p.Calls, c)
		return err
	})
	if err != nil {
		return CallPage{}, err
	}
	switch {
	case len(p.Calls) > limit:
		p.Calls = p.Calls[:limit]
		last := &p.Calls[limit-1]
		p.Next = CallCursor{Worst: last.WorstTurn, SubjectID: last.SubjectID}
	case end.SubjectID != 0:
		p.Next, p.SearchedTo = end, endAt
	}
	return p, nil
}

// callOrder is how a list of calls runs through its index.
type callOrder struct {
	from, to, only, by string
	args               []any
	worst              bool
}

func (f *CallFilter) order(from CallCursor) (callOrder, error) {
	o := callOrder{from: `u.subject_id < ?`, to: `u.subject_id >= ?`, by: ` ORDER BY u.subject_id DESC`, worst: f.WorstFirst}
	if from.SubjectID <= 0 {
		from = CallCursor{Worst: math.MaxInt64, SubjectID: math.MaxInt64}
	}
	o.args = []any{from.SubjectID}
	if f.WorstFirst {
		o.from, o.to = `(u.worst_turn_ns, u.subject_id) < (?, ?)`, `(u.worst_turn_ns, u.subject_id) >= (?, ?)`
		o.by = ` ORDER BY u.worst_turn_ns DESC, u.subject_id DESC`
		o.args = []any{int64(from.Worst), from.SubjectID}
	}
	switch f.Only {
	case CallsAll:
	case CallsFailed:
		o.only = ` AND u.failed = 1`
	case CallsTransferred:
		o.only = ` AND u.transferred = 1`
	case CallsSlow:
		o.only = ` AND u.slow = 1`
	default:
		return o, fmt.Errorf("list calls: no selection %q", f.Only)
	}
	return o, nil
}

// bound is the last row that is looked at, as order.to wants it.
func (o callOrder) bound(end CallCursor) []any {
	if o.worst {
		return []any{int64(end.Worst), end.SubjectID}
	}
	return []any{end.SubjectID}
}

// callsLooked is the last row that a filter without index looks at; zero when it
// comes to the end, or when every row that the index gives is wanted.
func (s *Store) callsLooked(ctx context.Context, f CallFilter, o callOrder, looked int) (end CallCursor, startedAt time.Time, err error) {
	only := o.only
	if f.Source == "" && f.Kind == "" && (!f.WorstFirst || only == "") {
		return end, startedAt, nil
	}
	if f.WorstFirst {
		only = "" // the index of worst turns holds all calls
	}
	var started int64
	rows, err := s.read(ctx, `SELECT u.worst_turn_ns, u.subject_id, u.started_at FROM summary u WHERE `+o.from+only+o.by+` LIMIT 1 OFFSET 0 + ?`,
		append(o.args[:len(o.args):len(o.args)], looked-1)...)
	err = s.each(rows, err, func(rows *sql.Rows) error { return rows.Scan(&end.Worst, &end.SubjectID, &started) })
	return end, timeOf(started), err
}

// summaryColumns are scanned into summaryRow.columns.
const summaryColumns = `coalesce(u.started_at, 0), coalesce(u.duration_ns, 0), coalesce(u.direction, ''), coalesce(u.result, ''), coalesce(u.channel, ''),
	coalesce(u.turns, 0), coalesce(u.worst_turn_ns, 0), coalesce(u.jitter_ns, 0), coalesce(u.loss_ppm, -1), coalesce(u.warnings, 0),
	coalesce(u.failed, 0), coalesce(u.transferred, 0), coalesce(u.slow, 0)`

type summaryRow struct {
	Summary
	startedAt int64
}

func (r *summaryRow) columns() []any {
	u := &r.Summary
	return []any{&r.startedAt, &u.Duration, &u.Direction, &u.Result, &u.Channel, &u.Turns, &u.WorstTurn, &u.Jitter, &u.LossPPM, &u.Warnings,
		&u.Failed, &u.Transferred, &u.Slow}
}

func (r *summaryRow) summary() *Summary {
	r.StartedAt = timeOf(r.startedAt)
	return &r.Summary
}

func scanCall(rows *sql.Rows) (Call, error) {
	var c Call
	var trace sql.RawBytes
	var open int64
	var u summaryRow
	err := rows.Scan(append([]any{&c.SubjectID, &c.Source, &c.Kind, &c.Reason, &trace, &open}, u.columns()...)...)
	c.Summary, c.Delivered = *u.summary(), open == 0
	copy(c.TraceID[:], trace)
	return c, err
}
