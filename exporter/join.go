package exporter

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"cdr2otel/exporter/internal/correlator"
	"cdr2otel/exporter/internal/delivery"
	"cdr2otel/exporter/internal/store"
	"cdr2otel/mapping"
)

// How long something stays claimed when its claimant neither finishes nor gives it back.
// To assemble takes less than a second, and who took longer commits nothing and has lost
// nothing but work. What is being sent would be sent twice.
const (
	subjectTTL = 15 * time.Second
	requestTTL = time.Minute
)

// inbox lets the correlator work on the store.
type inbox struct {
	store *store.Store
	// exported tells whether a signal leaves; if not, events count as exported at
	// once.
	exported func(signal string) bool
}

func (i inbox) Claim(ctx context.Context, limit int) ([]correlator.Subject, time.Time, error) {
	claimed, err := i.store.ClaimDue(ctx, limit, subjectTTL)
	if err != nil {
		return nil, time.Time{}, inboxError(err)
	}
	due := make([]correlator.Subject, len(claimed))
	for n, s := range claimed {
		due[n] = subject(s)
	}
	if len(due) > 0 {
		return due, time.Time{}, nil
	}
	next, ok, err := i.store.NextDue(ctx)
	if err != nil || !ok {
		return nil, time.Time{}, inboxError(err)
	}
	return nil, next, nil
}

// inboxError is an error of the store in the words of the correlator.
func inboxError(err error) error {
	switch {
	case errors.Is(err, store.ErrFenced):
		return correlator.ErrLost
	case errors.Is(err, store.ErrUnavailable):
		return fmt.Errorf("%w: %w", correlator.ErrUnavailable, err)
	}
	return err
}

func (i inbox) Read(ctx context.Context, s correlator.Subject, each func(correlator.Member) error) error {
	return inboxError(i.store.Members(ctx, s.Handle.(store.Subject), func(m store.Member) error {
		return each(correlator.Member{
			EventID:     m.EventID,
			CDR:         m.Kind == store.KindCDR,
			ReceivedAt:  m.ReceivedAt,
			Body:        m.Body,
			Headers:     m.Headers,
			ContentHash: m.ContentHash,
		})
	}))
}

func (i inbox) Observations(ctx context.Context, s correlator.Subject, each func(correlator.Observation) error) error {
	return inboxError(i.store.Observations(ctx, s.Handle.(store.Subject), func(o store.Observation) error {
		return each(correlator.Observation{ID: o.ID, ReceivedAt: o.ReceivedAt, Body: o.Body})
	}))
}

func (i inbox) Commit(ctx context.Context, a correlator.Assembly) error {
	out := store.Assembly{
		Subject:    a.Subject.Handle.(store.Subject),
		Members:    a.Members,
		Root:       anchor(a.Root),
		Observed:   a.Observed,
		Record:     a.Record && i.exported(delivery.SignalLogs),
		Summary:    summary(a.Overview),
		DeadReason: a.DeadReason,
		DeadDetail: a.DeadDetail,
	}
	for _, r := range a.Requests {
		if i.exported(r.Signal) {
			out.Parts = append(out.Parts, store.Part{Signal: r.Signal, Body: r.Body})
		}
	}
	for key, ref := range a.Turns {
		out.Turns = append(out.Turns, store.TurnAnchor{LogKey: key, Anchor: anchor(ref)})
	}
	return inboxError(i.store.Assemble(ctx, out))
}

func subject(s store.Subject) correlator.Subject {
	out := correlator.Subject{
		Source:  s.Source,
		Kind:    correlator.Kind(s.Kind),
		Reason:  string(s.Reason),
		CallID:  string(s.CallID),
		Missing: s.Missing,
		Parent:  spanRef(s.Parent),
		Named:   s.Named,
		Segment: s.FirstLogID,
		Handle:  s,
	}
	for _, h := range s.Owned {
		out.Owned = append(out.Owned, h)
	}
	for _, o := range s.Orphaned {
		out.Orphaned = append(out.Orphaned, spanRef(o))
	}
	return out
}

// summary is what the store keeps for the list of calls.
func summary(o *mapping.Overview) *store.Summary {
	if o == nil {
		return nil
	}
	s := store.Summary{
		StartedAt:   o.StartedAt,
		Duration:    o.Duration,
		Direction:   o.Direction,
		Result:      o.Result,
		Channel:     o.Channel,
		Turns:       o.Turns,
		LossPPM:     -1,
		Warnings:    o.Warnings,
		Failed:      o.Failed,
		Transferred: o.Transferred,
		Slow:        o.Slow,
	}
	if o.Waited {
		s.WorstTurn = max(o.WorstTurn, store.NoWait)
	}
	if o.RTP {
		s.Jitter, s.LossPPM = o.JitterMax, int64(math.Round(o.Loss*1e6))
	}
	return &s
}

func spanRef(a store.Anchor) mapping.SpanRef {
	return mapping.SpanRef{TraceID: a.TraceID, SpanID: a.SpanID, Start: a.Start, End: a.End}
}

func anchor(r mapping.SpanRef) store.Anchor {
	return store.Anchor{TraceID: r.TraceID, SpanID: r.SpanID, Start: r.Start, End: r.End}
}
