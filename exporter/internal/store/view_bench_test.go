package store

import (
	"context"
	"testing"
	"time"
)

// view is a page that somebody looks at, and what it must show.
type view struct {
	name string
	look func(context.Context, *Store) (rows int, searchedTo time.Time, err error)
	rows int
	// short: no index answers it, so it stops after a bounded number of rows.
	short bool
}

// views of a filled store of that many events.
func views(events int64) []view {
	middle := events / 2 / fillCall // a call
	at := fillStart.Add(time.Duration(events/2) * fillStep)
	list := func(f DeliveryFilter, before int64) func(context.Context, *Store) (int, time.Time, error) {
		return func(ctx context.Context, s *Store) (int, time.Time, error) {
			p, err := s.Deliveries(ctx, f, before, 50)
			return len(p.Deliveries), p.SearchedTo, err
		}
	}
	calls := func(f CallFilter, from CallCursor) func(context.Context, *Store) (int, time.Time, error) {
		return func(ctx context.Context, s *Store) (int, time.Time, error) {
			p, err := s.Calls(ctx, f, from, 50)
			return len(p.Calls), p.SearchedTo, err
		}
	}
	lookup := func(k LookupKey) func(context.Context, *Store) (int, time.Time, error) {
		return func(ctx context.Context, s *Store) (int, time.Time, error) {
			found, err := s.Lookup(ctx, k)
			return len(found), time.Time{}, err
		}
	}
	return []view{
		{name: "first page", look: list(DeliveryFilter{}, 0), rows: 50},
		{name: "deep page", look: list(DeliveryFilter{}, events/2), rows: 50},
		{name: "by session", look: list(DeliveryFilter{Session: fillKey('s', middle)}, 0), rows: fillCall},
		{name: "by session and source", look: list(DeliveryFilter{Source: "default", Session: fillKey('s', middle)}, 0), rows: fillCall},
		{name: "by SIP Call-ID", look: list(DeliveryFilter{SIP: fillKey('p', middle)}, 0), rows: fillCall},
		{name: "by call", look: list(DeliveryFilter{Call: fillKey('c', middle)}, 0), rows: fillCall},
		{name: "by log id", look: list(DeliveryFilter{Log: fillKey('l', middle*fillCall)}, 0), rows: 2},
		{name: "by state dead", look: list(DeliveryFilter{State: StateDead}, 0), rows: int(min(50, events/5000))},
		{name: "by state dead and a source that has none", look: list(DeliveryFilter{State: StateDead, Source: "rare"}, 0)},
		{name: "by state pending, the oldest rows", look: list(DeliveryFilter{State: StatePending}, 0), rows: 3},
		{name: "by state expired, none", look: list(DeliveryFilter{State: StateExpired}, 0)},
		{name: "by a rare source, worst case", look: list(DeliveryFilter{Source: "rare"}, 0), short: true},
		{name: "by a rare name, worst case", look: list(DeliveryFilter{Name: "no_such_event"}, 0), short: true},
		{name: "time range", look: list(DeliveryFilter{From: at, To: at.Add(time.Minute)}, 0), rows: 50},
		{name: "time range and name", look: list(DeliveryFilter{Name: "cdr_logged", From: at, To: at.Add(time.Minute)}, 0), rows: 50},
		{name: "detail", look: func(ctx context.Context, s *Store) (int, time.Time, error) {
			d, _, err := s.Delivery(ctx, events/2)
			return len(d.Requests), time.Time{}, err
		}, rows: 1},
		{name: "trace", look: func(ctx context.Context, s *Store) (int, time.Time, error) {
			t, err := s.Trace(ctx, fillTrace(middle))
			if err != nil || len(t.Parts) != 1 {
				return 0, time.Time{}, err
			}
			return len(t.Parts[0].Deliveries), time.Time{}, nil
		}, rows: fillCall},
		{name: "lookup by session", look: lookup(LookupKey{Session: fillKey('s', middle)}), rows: 1},
		{name: "lookup by log id", look: lookup(LookupKey{Log: fillKey('l', middle*fillCall)}), rows: 1},
		{name: "calls, newest", look: calls(CallFilter{}, CallCursor{}), rows: 50},
		{name: "calls by worst turn", look: calls(CallFilter{WorstFirst: true}, CallCursor{}), rows: 50},
		{name: "calls by worst turn, deep page", look: calls(CallFilter{WorstFirst: true}, CallCursor{Worst: time.Second, SubjectID: 1}), rows: 50},
		{name: "failed calls, the oldest", look: calls(CallFilter{Only: CallsFailed}, CallCursor{}), rows: 1},
		{name: "slow calls", look: calls(CallFilter{Only: CallsSlow}, CallCursor{}), rows: int(min(50, (events/fillCall+48)/50))},
		{name: "failed calls by worst turn, worst case", look: calls(CallFilter{Only: CallsFailed, WorstFirst: true}, CallCursor{}), short: events/fillCall > lookedCalls},
		{name: "conversations, worst case", look: calls(CallFilter{Kind: SubjectConversation}, CallCursor{}), short: events/fillCall > lookedCalls},
	}
}

func checkView(tb testing.TB, s *Store, v view) {
	tb.Helper()
	rows, searchedTo, err := v.look(context.Background(), s)
	if err != nil || rows != v.rows || searchedTo.IsZero() == v.short {
		tb.Fatalf("%s: %d rows, searched to %v, %v; want %d, short %v", v.name, rows, searchedTo, err, v.rows, v.short)
	}
}

// BenchmarkDeliveryLogAtAMillionRows looks at every kind of page of a store that
// holds a million events of a hundred thousand calls.
func BenchmarkDeliveryLogAtAMillionRows(b *testing.B) {
	const events = 1_000_000
	s := filled(b, events)
	b.Logf("store of %d MB", s.Usage().Used>>20)
	for _, v := range views(events) {
		b.Run(v.name, func(b *testing.B) {
			for b.Loop() {
				checkView(b, s, v)
			}
		})
	}
}
