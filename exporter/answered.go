package exporter

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"cdr2otel/exporter/internal/admin"
	"cdr2otel/exporter/internal/receiver"
	"cdr2otel/exporter/internal/store"
)

// DoctorAgent is the user agent of doctor, which asks the webhook listener with a
// method that is no POST to see who answers: that is no refused webhook.
const DoctorAgent = "cdr2otel-doctor"

// answered notes what became of a request. The platform repeats nothing: of what it
// sent, everything that was refused is lost.
func (e *Exporter) answered(a receiver.Answer) {
	e.measureAnswer(a)
	if a.Reason == receiver.ReasonMethod && a.UserAgent == DoctorAgent {
		return
	}
	e.store.Answered(storedAnswer(a))
	if a.Unobserved {
		e.unobserved(a.Source, errNoRoom)
	}
	if a.Reason == "" {
		e.logAnswer(slog.LevelDebug, "webhook acknowledged", a)
		return
	}
	e.refusals.count(a.Source, a.Reason, func(soFar int64) { e.logRefusal(a, soFar) })
}

// refusedBelow notes what failed before it was a request: the platform that does not trust
// the certificate sends none, and would leave no trace. It is no request for the metrics.
func (e *Exporter) refusedBelow(a receiver.Answer) {
	a.ReceivedAt = e.opts.Now()
	e.store.Answered(storedAnswer(a))
	e.refusals.count("", a.Reason, func(soFar int64) { e.logRefusal(a, soFar) })
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

// refusals counts the refused webhooks since the start and has some of them logged: a
// platform that is refused, or an attacker, must not fill the disk. That is by source
// and reason, so that a scanner's requests never hide the platform's.
type refusals struct {
	mu sync.Mutex             // guards by
	by map[refusedBy]*refused // of configured sources and "", and a closed set of reasons
}

type refusedBy struct {
	source string
	reason receiver.Reason
}

type refused struct {
	n   int64 // guarded by refusals.mu
	say rate.Sometimes
}

func newRefusals() *refusals { return &refusals{by: map[refusedBy]*refused{}} }

// count counts a refused webhook and calls say now and then, with the number of those
// of its source and reason so far.
func (r *refusals) count(source string, reason receiver.Reason, say func(soFar int64)) {
	key := refusedBy{source, reason}
	r.mu.Lock()
	of := r.by[key]
	if of == nil {
		of = &refused{say: rate.Sometimes{First: 3, Interval: time.Second}}
		r.by[key] = of
	}
	of.n++
	soFar := of.n
	r.mu.Unlock()
	of.say.Do(func() { say(soFar) })
}

// byReason is how many webhooks were refused since the start, and their sum.
func (r *refusals) byReason() (by map[string]int64, sum int64) {
	by = map[string]int64{}
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, of := range r.by {
		by[string(key.reason)] += of.n
		sum += of.n
	}
	return by, sum
}

// logRefusal says what was refused, and what to do. A sender that had shown who it is
// is the platform, so that its webhook is lost is an error.
func (e *Exporter) logRefusal(a receiver.Answer, soFar int64) {
	level, message := slog.LevelWarn, "webhook refused: it is lost if the platform sent it"
	switch {
	case a.Reason == receiver.ReasonSlowStore:
		level, message = slog.LevelError, "webhook refused: the store is too slow; it may still be stored, else it is lost at its source"
	case a.Reason.Authenticated():
		level, message = slog.LevelError, "webhook refused: it is lost at its source"
	}
	more := []slog.Attr{
		slog.String("path", a.Path), slog.String("user_agent", a.UserAgent), slog.Int64("since_start", soFar), slog.String("hint", admin.RefusalHint(string(a.Reason))),
	}
	if a.Detail != "" {
		more = append(more, slog.String("error", a.Detail))
	}
	if a.Reason == receiver.ReasonUnknownSource {
		more = append(more, slog.String("sources", e.sourcesShown()))
	}
	e.logAnswer(level, message, a, more...)
}

// mostSourcesShown bounds a line of the log.
const mostSourcesShown = 20

// sourcesShown names the sources that there are.
func (e *Exporter) sourcesShown() string {
	names := e.sourceNames()
	if len(names) > mostSourcesShown {
		names = append(names[:mostSourcesShown:mostSourcesShown], "…")
	}
	return strings.Join(names, ", ")
}

func (e *Exporter) logAnswer(level slog.Level, message string, a receiver.Answer, more ...slog.Attr) {
	ctx := context.Background()
	if !e.log.Enabled(ctx, level) {
		return // before every webhook that is taken pays for it
	}
	source := slog.String("source", a.Source)
	if a.Reason == receiver.ReasonMethod {
		source = slog.Attr{} // no source is looked up for it, which is not that there is none
	}
	e.log.LogAttrs(ctx, level, message, append([]slog.Attr{
		source, slog.String("event", a.EventName), slog.Int("status", a.Status),
		slog.String("outcome", string(a.Outcome)), slog.String("reason", string(a.Reason)),
		slog.String("client", a.ClientAddress), slog.Duration("took", a.Duration)}, more...)...)
}
