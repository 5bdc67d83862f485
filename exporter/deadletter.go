package exporter

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"cdr2otel/exporter/internal/receiver"
	"cdr2otel/exporter/internal/store"
)

// deadLetters says in the log which webhooks became dead letters when they were taken in:
// their sender got a 2xx, and no trace comes of them. Each source and reason has its own
// share of the log, so that a flood of one does not hide another.
type deadLetters struct {
	mu    sync.Mutex // guards kinds
	kinds map[deadLetterKind]*deadLetterLog
}

// deadLetterKind is bounded: sources are configured, and the store has three reasons.
type deadLetterKind struct{ source, reason string }

type deadLetterLog struct {
	say   rate.Sometimes
	count int64 // since the start
}

// log says the first few of a kind, then one a second at most.
func (d *deadLetters) log(log *slog.Logger, in receiver.Event, r store.Receipt) {
	d.mu.Lock()
	defer d.mu.Unlock()
	kind := deadLetterKind{in.Source, r.Reason}
	l := d.kinds[kind]
	if l == nil {
		if d.kinds == nil {
			d.kinds = map[deadLetterKind]*deadLetterLog{}
		}
		l = &deadLetterLog{say: rate.Sometimes{First: 3, Interval: time.Second}}
		d.kinds[kind] = l
	}
	l.count++
	name := in.Name
	if name != nameCDR && name != nameMessage {
		name = "_OTHER" // any text of the sender's; the page shows it
	}
	l.say.Do(func() {
		log.LogAttrs(context.Background(), slog.LevelWarn, "dead letter: webhook acknowledged and kept, but not exported",
			slog.String("source", in.Source), slog.String("event", name),
			slog.String("reason", r.Reason), slog.String("detail", r.Detail),
			slog.String("page", fmt.Sprintf("/deliveries/%d", r.EventID)),
			slog.String("hint", "see WxaDeadLetters in docs/runbook.md"),
			slog.Int64("since_start", l.count))
	})
}
