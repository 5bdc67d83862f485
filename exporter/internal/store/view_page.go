package store

import (
	"context"
	"database/sql"
	"math"
	"strings"
	"time"
)

// Bounds of what one page looks at.
const (
	lookedRows = 20_000 // rows of a filter that no index answers
	foundRows  = 2_000  // subjects that a hash leads to, requests of one page
)

// receiptSkew is how far the order of ids and that of receipt differ: an event is
// received when its request begins, and gets its id when it is committed.
const receiptSkew = time.Minute

// Deliveries lists accepted events, newest first, with ids below before (0: from
// the newest). Limit is at most 500. Where no index answers the filter it looks at
// a bounded number of rows and says how far it came: see Page.SearchedTo.
func (s *Store) Deliveries(ctx context.Context, f DeliveryFilter, before int64, limit int) (Page, error) {
	return s.list(ctx, f, before, limit, lookedRows)
}

func (s *Store) list(ctx context.Context, f DeliveryFilter, before int64, limit, looked int) (Page, error) {
	v := &listing{Store: s, f: f, limit: min(max(limit, 1), maxPage), looked: int64(looked)}
	if err := v.bounds(ctx, before); err != nil {
		return Page{}, err
	}
	if keys, args := f.candidates(); len(keys) > 0 {
		return v.chosen(ctx, keys, args)
	}
	if err := v.window(ctx); err != nil {
		return Page{}, err
	}
	return v.walk(ctx)
}

// listing is a page in the making: events with ids in (above, below).
type listing struct {
	*Store
	f            DeliveryFilter
	limit        int
	above, below int64
	looked       int64 // rows that walk looks at
	floor        int64 // it looks at ids above this
}

// bounds turns the time range into a range of ids.
func (v *listing) bounds(ctx context.Context, before int64) error {
	v.below = math.MaxInt64
	if before > 0 {
		v.below = before
	}
	if !v.f.To.IsZero() {
		at, err := v.firstSince(ctx, v.f.To.Add(receiptSkew))
		if err != nil {
			return err
		}
		v.below = min(v.below, at)
	}
	if v.f.From.IsZero() {
		return nil
	}
	at, err := v.firstSince(ctx, v.f.From.Add(-receiptSkew))
	v.above = at - 1
	return err
}

// firstSince is the id of the first event received since then, by bisection of the
// primary key: ids grow with receipt. Beyond the last event it is the largest id.
func (v *listing) firstSince(ctx context.Context, since time.Time) (int64, error) {
	last, _, err := v.eventBelow(ctx, math.MaxInt64)
	if err != nil {
		return 0, err
	}
	low, high := int64(1), last+1
	for low < high {
		middle := low + (high-low)/2
		id, received, err := v.eventFrom(ctx, middle)
		if err != nil {
			return 0, err
		}
		if id != 0 && received < since.UnixNano() {
			low = id + 1
		} else {
			high = middle
		}
	}
	if low > last {
		return math.MaxInt64, nil
	}
	return low, nil
}

// eventBelow is the newest event with an id below that, id 0 if there is none.
func (v *listing) eventBelow(ctx context.Context, below int64) (id, received int64, err error) {
	return v.pair(ctx, `SELECT id, received_at FROM event WHERE id < ? ORDER BY id DESC LIMIT 1`, below)
}

// eventFrom is the oldest event with an id from that on, id 0 if there is none.
func (v *listing) eventFrom(ctx context.Context, from int64) (id, received int64, err error) {
	return v.pair(ctx, `SELECT id, received_at FROM event WHERE id >= ? ORDER BY id LIMIT 1`, from)
}

// pair reads two numbers of the first row; 0 if there is none.
func (s *Store) pair(ctx context.Context, query string, args ...any) (a, b int64, err error) {
	rows, err := s.read(ctx, query, args...)
	err = s.each(rows, err, func(rows *sql.Rows) error { return rows.Scan(&a, &b) })
	return a, b, err
}

// Conditions of both ways to find rows. Each is bound as it is in matching.
const (
	matches = `(? = '' OR e.source = ?) AND (? = '' OR e.name = ?) AND (? = '' OR e.state = ?) AND e.received_at >= ? AND e.received_at < ?`
	inOrder = ` ORDER BY e.id DESC LIMIT 0 + ?`
)

func (v *listing) matching() []any {
	f := &v.f
	from, to := int64(math.MinInt64), int64(math.MaxInt64)
	if !f.From.IsZero() {
		from = f.From.UnixNano()
	}
	if !f.To.IsZero() {
		to = f.To.UnixNano()
	}
	return []any{f.Source, f.Source, f.Name, f.Name, string(f.State), string(f.State), from, to}
}

// indexed tells whether an index holds the events of the wanted state: all but
// those of the state in which nearly all end.
func (v *listing) indexed() bool { return v.f.State != "" && v.f.State != StateExported }

// window sets how far down one walk looks.
func (v *listing) window(ctx context.Context) error {
	v.floor = v.above
	if v.indexed() {
		floor, _, err := v.pair(ctx, `SELECT id, 0 FROM event WHERE state = ? AND state <> 'exported'/*pg: AND id > 0*/ AND id < ?
			ORDER BY id DESC LIMIT 1 OFFSET 0 + ?`, string(v.f.State), v.below, v.looked)
		v.floor = max(v.floor, floor)
		return err
	}
	top, _, err := v.eventBelow(ctx, v.below)
	v.floor = max(v.floor, top-v.looked)
	return err
}

// walk reads events in the order of their ids, down to the floor.
func (v *listing) walk(ctx context.Context) (Page, error) {
	query, args := deliveryRow, []any(nil)
	if v.indexed() {
		query, args = query+`e.state = ? AND e.state <> 'exported'/*pg: AND e.id > 0*/ AND `, append(args, string(v.f.State))
	}
	args = append(append(append(args, v.below, v.floor), v.matching()...), v.limit+1)
	found, err := v.deliveries(ctx, query+`e.id < ? AND e.id > ? AND `+matches+inOrder, args...)
	if err != nil {
		return Page{}, err
	}
	p := v.page(found)
	if p.Next != 0 || v.floor <= v.above {
		return p, nil
	}
	// Fewer than asked for: is there more below what was looked at?
	next, _, err := v.eventBelow(ctx, v.floor+1)
	if err != nil || next <= v.above {
		return p, err
	}
	_, searched, err := v.eventFrom(ctx, v.floor+1)
	p.Next, p.SearchedTo = v.floor+1, timeOf(searched)
	return p, err
}

// page cuts off the row that shows that there are more.
func (v *listing) page(found []Delivery) Page {
	if len(found) <= v.limit {
		return Page{Deliveries: found}
	}
	return Page{Deliveries: found[:v.limit], Next: found[v.limit-1].ID}
}

// chosen reads events among candidates.
func (v *listing) chosen(ctx context.Context, keys []string, args []any) (Page, error) {
	query := deliveryRow
	for _, candidates := range keys {
		query += `e.id IN (` + candidates + `) AND `
	}
	args = append(append(append(args, v.below, v.above), v.matching()...), v.limit+1)
	found, err := v.deliveries(ctx, query+`e.id < ? AND e.id > ? AND `+matches+inOrder, args...)
	return v.page(found), err
}

// The subjects that a hash leads to. A condition on the name makes the sources an
// index search; there are as many as were configured.
const (
	anySource = `(SELECT name FROM source WHERE name >= '' AND (? = '' OR name = ?))`
	byAlias   = `SELECT subject_id AS id FROM alias WHERE source IN ` + anySource + ` AND key = ? ORDER BY subject_id DESC LIMIT 0 + ?`
	byCall    = `SELECT subject_id AS id FROM event WHERE source IN ` + anySource + ` AND kind = 'cdr' AND key = ? AND conflict = 0 AND subject_id IS NOT NULL LIMIT 0 + ?`
)

// noTrace is the trace id of a subject that was not given one.
var noTrace [16]byte

// candidate is the query of the ids of events that a hash leads to: the events of
// its subjects and of what shares their trace, if they fulfil a condition, the
// messages that their turns name, if they fulfil another, and whatever conflicts
// with one of these. To SQLite a cross join says which table it begins with.
func candidate(named, ofSubject, ofTurn string) string {
	return `WITH named AS (` + named + `),
		traced AS (SELECT id FROM named UNION SELECT * FROM (SELECT x.id FROM named CROSS JOIN subject y CROSS JOIN subject x
			WHERE y.id = named.id AND y.trace_id <> ? AND x.trace_id = y.trace_id ORDER BY x.id DESC LIMIT 0 + ?)/*pg: AS same*/),
		found AS (
			SELECT c.id, c.source, c.kind, c.key FROM traced CROSS JOIN event c WHERE c.subject_id = traced.id AND ` + ofSubject + `
			UNION SELECT c.id, c.source, c.kind, c.key FROM named CROSS JOIN turn l CROSS JOIN event c
				WHERE l.subject_id = named.id AND c.source = l.source AND c.kind = 'message' AND c.key = l.log_key AND c.conflict = 0 AND ` + ofTurn + `)
		SELECT id FROM found
		UNION SELECT c.id FROM found CROSS JOIN event c
			WHERE c.source = found.source AND c.kind = found.kind AND c.key = found.key AND c.conflict = 1`
}

// byLog finds the message of a log id, what conflicts with it, and the CDR that
// names it.
const byLog = `SELECT id FROM event WHERE source IN ` + anySource + ` AND kind = 'message' AND key = ? AND conflict = 0
	UNION SELECT id FROM event WHERE source IN ` + anySource + ` AND kind = 'message' AND key = ? AND conflict = 1
	UNION SELECT c.id FROM turn l JOIN event c ON c.subject_id = l.subject_id AND c.kind = 'cdr'
		WHERE l.source IN ` + anySource + ` AND l.log_key = ?`

var (
	bySession = candidate(byAlias, `(c.session_key = ? OR c.kind = 'cdr')`, `c.session_key = ?`)
	bySIP     = candidate(byAlias, `(c.sip_key = ? OR c.kind = 'cdr')`, `c.sip_key = ?`)
	byCDR     = candidate(byCall, `c.conflict = 0`, `c.conflict = 0`)
)

// candidates are the queries of the hashes that the filter names, and what is
// bound to them.
func (f *DeliveryFilter) candidates() (queries []string, args []any) {
	for _, by := range []struct {
		key   Hash
		query string
		named any
		own   []any
	}{
		{f.Session, bySession, aliasKey('s', f.Session), []any{f.Session[:], f.Session[:]}},
		{f.SIP, bySIP, aliasKey('c', f.SIP), []any{f.SIP[:], f.SIP[:]}},
		{f.Call, byCDR, f.Call[:], nil},
	} {
		if by.key != (Hash{}) {
			queries = append(queries, by.query)
			args = append(append(args, f.Source, f.Source, by.named, foundRows, noTrace[:], foundRows), by.own...)
		}
	}
	if f.Log != (Hash{}) {
		queries = append(queries, byLog)
		for range strings.Count(byLog, anySource) {
			args = append(args, f.Source, f.Source, f.Log[:])
		}
	}
	return queries, args
}
