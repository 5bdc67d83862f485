package exporter

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"cdr2otel/exporter/internal/admin"
	"cdr2otel/exporter/internal/receiver"
	"cdr2otel/exporter/internal/store"
)

// refusals says in the log, and counts, what was not taken in. It says it now and
// then: a platform that is refused, or an attacker, must not fill the disk.
type refusals struct {
	lost, denied    atomic.Int64 // since the start
	sayLost, sayDen rate.Sometimes
}

func newRefusals() *refusals {
	return &refusals{
		sayLost: rate.Sometimes{First: 3, Interval: time.Second},
		sayDen:  rate.Sometimes{First: 3, Interval: time.Second},
	}
}

// answered notes what became of a request. A refused event was authentic and its
// sender doesn't repeat it: it is lost, so that is an error.
func (e *Exporter) answered(a receiver.Answer) {
	e.measureAnswer(a)
	e.activity.answered(a)
	e.store.Answered(storedAnswer(a))
	if a.Unobserved {
		e.unobserved(a.Source, errNoRoom)
	}
	switch {
	case a.Outcome == receiver.OutcomeRefused:
		lost := e.refusals.lost.Add(1)
		message := "webhook refused: it is lost at its source"
		if a.Reason == receiver.ReasonSlowStore {
			message = "webhook refused: the store is too slow; it may still be stored, else it is lost at its source"
		}
		e.refusals.sayLost.Do(func() { e.logAnswer(slog.LevelError, message, a, lost) })
	case a.Status >= http.StatusBadRequest:
		denied := e.refusals.denied.Add(1)
		e.refusals.sayDen.Do(func() { e.logAnswer(slog.LevelWarn, "webhook not taken", a, denied) })
	default:
		e.logAnswer(slog.LevelDebug, "webhook acknowledged", a, 0)
	}
}

// storedAnswer is an answer as the store counts and samples it.
func storedAnswer(a receiver.Answer) store.Answer {
	return store.Answer{
		At:            a.ReceivedAt,
		Source:        a.Source,
		Outcome:       outcomeShown(a),
		Reason:        string(a.Reason),
		Status:        a.Status,
		ClientAddress: a.ClientAddress,
		Path:          a.Path,
		AskedSource:   a.AskedSource,
		UserAgent:     a.UserAgent,
	}
}

// outcomeShown is the outcome as the overview shows it. A synchronous webhook is outside
// the ledger, so it is no accepted one: the numbers beside each other would not agree.
// What is no webhook of a source has a name there, unlike in the metrics.
func outcomeShown(a receiver.Answer) string {
	switch {
	case a.Outcome == "":
		return admin.OutcomeMisdirected
	case a.Outcome == receiver.OutcomeAccepted && a.EventName != nameCDR && a.EventName != nameMessage:
		return admin.OutcomeAnswered
	}
	return string(a.Outcome)
}

func (e *Exporter) logAnswer(level slog.Level, message string, a receiver.Answer, soFar int64) {
	e.log.LogAttrs(context.Background(), level, message,
		slog.String("source", a.Source), slog.String("event", a.EventName), slog.Int("status", a.Status),
		slog.String("outcome", string(a.Outcome)), slog.String("reason", string(a.Reason)),
		slog.String("client", a.ClientAddress), slog.Duration("took", a.Duration), slog.Int64("since_start", soFar))
}
