package exporter

import (
	"context"
	"time"

	"cdr2otel/exporter/internal/admin"
	"cdr2otel/exporter/internal/receiver"
	"cdr2otel/exporter/internal/store"
)

// lately is what the webhook listener answered in the last hour and was refused in the
// last day, as the store has it, and what waits.
func (e *Exporter) lately(ctx context.Context) admin.Activity {
	var a admin.Activity
	now := e.opts.Now()
	newest := now.Truncate(time.Minute)
	oldest := newest.Add(-(admin.ActivityMinutes - 1) * time.Minute)
	hour, err := e.store.Answers(ctx, oldest)
	if err == nil {
		a.RefusedDay, err = e.refusedDay(ctx, now)
	}
	if err != nil {
		a.Unread = true
		e.sayUnread(ctx, "the pages could not read what was answered", err)
	} else {
		a.Minutes, a.RefusedHour = minutesOf(hour, oldest)
		a.Killed = e.store.Killed().After(oldest)
		if len(hour) == 0 {
			a.Newest = e.newest(ctx)
		}
	}
	if a.OldestWaiting, err = e.store.OverdueSince(ctx, exported...); err != nil {
		a.OldestUnread = true
		e.sayUnread(ctx, "the pages could not read what waits", err)
	}
	return a
}

// newest is when the newest event was taken in; zero when there is none, or when that
// can't be read.
func (e *Exporter) newest(ctx context.Context) time.Time {
	page, err := e.store.Deliveries(ctx, store.DeliveryFilter{}, 0, 1)
	if err != nil {
		e.sayUnread(ctx, "the pages could not read the newest event", err)
	}
	if len(page.Deliveries) == 0 {
		return time.Time{}
	}
	return page.Deliveries[0].ReceivedAt
}

func (e *Exporter) refusedDay(ctx context.Context, now time.Time) (admin.RefusedCounts, error) {
	day, err := e.store.Refused(ctx, now.Add(-admin.RefusedWindow))
	counts := make(admin.RefusedCounts)
	for _, c := range day {
		counts[refusedOf(c)] += c.N
	}
	return counts, err
}

func refusedOf(c store.AnswerCount) admin.RefusedBy {
	return admin.RefusedBy{Source: c.Source, Outcome: c.Outcome, Reason: c.Reason, Status: receiver.Reason(c.Reason).Status()}
}

// minutesOf is the hour that begins with oldest, minute by minute, and what was refused
// in it.
func minutesOf(counts []store.AnswerCount, oldest time.Time) ([]admin.Minute, admin.RefusedCounts) {
	minutes := make([]admin.Minute, admin.ActivityMinutes)
	for i := range minutes {
		minutes[i] = admin.Minute{Start: oldest.Add(time.Duration(i) * time.Minute).UTC(), Outcomes: map[string]int64{}}
	}
	refused := make(admin.RefusedCounts)
	for _, c := range counts {
		if c.Reason != "" {
			refused[refusedOf(c)] += c.N
		}
		// A replica with a clock that is ahead has answered in the future.
		if i := int(c.Minute.Sub(oldest) / time.Minute); i >= 0 {
			minutes[min(i, len(minutes)-1)].Outcomes[c.Outcome] += c.N
		}
	}
	return minutes, refused
}

// openCalls is how many calls go on; 0 when that can't be read.
func (e *Exporter) openCalls(ctx context.Context) int64 {
	n, err := e.store.OpenCalls(ctx, admin.MaxOpenCalls)
	if err != nil {
		e.sayUnread(ctx, "the pages could not count the open calls", err)
	}
	return n
}

// sayUnread logs what a page could not read. The store logs that its database is away;
// who asks for a page during an outage is told by the page.
func (e *Exporter) sayUnread(ctx context.Context, what string, err error) {
	if isNews(ctx, err) {
		e.log.Error(what, "error", err)
	}
}
