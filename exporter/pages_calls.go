package exporter

import (
	"context"
	"encoding/hex"

	"cdr2otel/exporter/internal/admin"
	"cdr2otel/exporter/internal/store"
)

// callLog is what the call pages read of the store.
type callLog struct{ *Exporter }

// List implements admin.Calls.
func (e callLog) List(ctx context.Context, q admin.CallQuery) (admin.CallList, error) {
	filter := store.CallFilter{Source: q.Source, Kind: store.SubjectKind(q.Kind), Only: store.CallsOnly(q.Only), WorstFirst: q.WorstFirst}
	page, err := e.store.Calls(ctx, filter, store.CallCursor{Worst: q.After.Worst, SubjectID: q.After.ID}, q.Limit)
	if err != nil {
		return admin.CallList{}, err
	}
	list := admin.CallList{Next: admin.CallCursor{Worst: page.Next.Worst, ID: page.Next.SubjectID}, SearchedTo: page.SearchedTo}
	for _, c := range page.Calls {
		list.Calls = append(list.Calls, admin.CallRow{
			TraceID: hex.EncodeToString(c.TraceID[:]), Source: c.Source, Kind: string(c.Kind), Delivered: c.Delivered,
			CallSummary: *callSummary(&c.Summary),
		})
	}
	return list, nil
}

// Trace implements admin.Calls.
func (e callLog) Trace(ctx context.Context, id [16]byte) (admin.CallTrace, error) {
	trace, err := e.store.Trace(ctx, id)
	if err != nil {
		return admin.CallTrace{}, err
	}
	ids := &e.settings.Load().ids
	out := admin.CallTrace{MoreParts: trace.MoreParts, MoreEvents: trace.MoreDeliveries, RequestsLeftOut: trace.RequestsLeftOut}
	for _, p := range trace.Parts {
		part := admin.CallPart{
			Kind: string(p.Kind), Source: p.Source, State: string(p.State), Reason: string(p.Reason), DueAt: p.DueAt,
			AssembledAt: p.AssembledAt, SettledAt: p.SettledAt, Evicted: p.Stripped, Summary: callSummary(p.Summary),
		}
		for _, r := range p.Requests {
			part.Requests = append(part.Requests, admin.CallRequest{Signal: r.Signal, State: string(r.State), LastError: r.LastError, Body: r.Body})
		}
		for _, d := range p.Deliveries {
			part.Events = append(part.Events, admin.CallEvent{
				ID: d.ID, Kind: string(d.Kind), Name: d.Name, LogID: ids.Shown(d.LogID), ReceivedAt: d.ReceivedAt,
				Redeliveries: d.Redeliveries, State: string(d.State), Reason: d.Reason, Detail: d.Detail,
			})
		}
		out.Parts = append(out.Parts, part)
	}
	return out, nil
}

func callSummary(s *store.Summary) *admin.CallSummary {
	if s == nil {
		return nil
	}
	worst := s.WorstTurn
	if worst == store.NoWait {
		worst = 0
	}
	return &admin.CallSummary{
		StartedAt: s.StartedAt, Duration: s.Duration, Direction: s.Direction, Result: s.Result, Channel: s.Channel, Turns: s.Turns,
		Worst: worst, Waited: s.WorstTurn > 0, Jitter: s.Jitter, LossPPM: s.LossPPM, Warnings: s.Warnings,
		Failed: s.Failed, Transferred: s.Transferred, Slow: s.Slow,
	}
}
