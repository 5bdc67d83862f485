package exporter

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"cdr2otel/exporter/internal/delivery"
	"cdr2otel/exporter/internal/store"
	"cdr2otel/mapping"
)

// exported are the signals that leave through the outbox, traces first.
var exported = []string{delivery.SignalTraces, delivery.SignalLogs}

// outlet is the way out of one signal, with a gate of its own: logs that are held
// hold no traces.
type outlet struct {
	signal   string
	client   delivery.Client
	delivery *delivery.Delivery
	// component is the otel.component.type of what sends.
	component string
	// destination is where it sends, as an operator may see it.
	destination string
	// sent: the destination has taken something since the start.
	sent atomic.Bool
}

// openDelivery makes the OTLP client and the delivery of each signal, unless
// OTEL_TRACES_EXPORTER or OTEL_LOGS_EXPORTER switches it off: see writeOff. What an
// earlier configuration left in the outbox is sent too, so the outlet of logs does
// not depend on mapping.events.
func (e *Exporter) openDelivery(context.Context) (err error) {
	for _, signal := range exported {
		settings, enabled := e.destinations[signal]
		if !enabled {
			continue
		}
		settings.UserAgent = "cdr2otel/" + e.opts.Version
		o := &outlet{signal: signal, component: component(signal, settings), destination: settings.ShownEndpoint(signal)}
		if o.client, err = delivery.NewClient(signal, settings); err != nil {
			return err
		}
		e.outlets = append(e.outlets, o) // from here on close closes its client
		if o.delivery, err = e.newDelivery(o, settings); err != nil {
			return err
		}
	}
	return nil
}

func (e *Exporter) newDelivery(o *outlet, settings delivery.Settings) (*delivery.Delivery, error) {
	split, count := mapping.Split, mapping.CountSpans
	if o.signal == delivery.SignalLogs {
		split, count = mapping.SplitLogs, mapping.CountLogRecords
	}
	return delivery.New(delivery.Config{
		Signal: o.signal,
		Client: o.client,
		Outbox: outbox{store: e.store, ttl: max(requestTTL, 2*settings.Timeout)},
		Split:  split,
		Count:  count,
		Poll:   e.poll(5 * time.Second),
		Logger: e.log,
		OnSettled: func(s delivery.Settlement) {
			if s.Verdict == delivery.VerdictDone {
				o.sent.Store(true)
			}
			if o.signal == delivery.SignalTraces {
				e.rejected.Add(s.Rejected)
			}
			e.measureDelivery(s)
		},
	})
}

// outlet of a signal; nil when it is not exported.
func (e *Exporter) outlet(signal string) *outlet {
	for _, o := range e.outlets {
		if o.signal == signal {
			return o
		}
	}
	return nil
}

// isExported tells whether a signal leaves. The events of one that doesn't count as
// exported at once.
func (e *Exporter) isExported(signal string) bool { return e.outlet(signal) != nil }

// writeOffBatch is how many requests of a signal that is off are written off in one
// transaction.
const writeOffBatch = 50

// writeOff ends what waits for a signal that no longer leaves: left by an earlier
// configuration, or brought back by a retry. Otherwise its events would be pending for
// ever, and in the end fill the store.
func (e *Exporter) writeOff(ctx context.Context) error {
	for ctx.Err() == nil {
		for _, signal := range exported {
			if e.isExported(signal) {
				continue
			}
			n, err := e.writeOffSignal(ctx, signal)
			if isNews(ctx, err) {
				e.log.Error("what waits for a signal that is off was not written off, it will be tried again", "signal", signal, "error", err)
			}
			if n > 0 {
				e.log.Warn("signal is off: what waited for it is not sent and counts as exported", "signal", signal, "requests", n)
			}
		}
		wait(ctx, sweepInterval)
	}
	return nil
}

func (e *Exporter) writeOffSignal(ctx context.Context, signal string) (n int, err error) {
	for {
		claimed, err := e.store.ClaimRequests(ctx, signal, 0, writeOffBatch, requestTTL)
		if err != nil || len(claimed) == 0 {
			return n, err
		}
		done := make([]store.Settlement, len(claimed))
		for i, r := range claimed {
			done[i] = store.Settlement{Request: r, Verdict: store.VerdictDone}
		}
		if err := e.store.Settle(ctx, done); err != nil && !errors.Is(err, store.ErrFenced) {
			return n, err
		}
		n += len(claimed)
	}
}

// component is the conventions' otel.component.type of what sends a signal.
func component(signal string, s delivery.Settings) string {
	item := map[string]string{delivery.SignalTraces: "span", delivery.SignalLogs: "log"}[signal]
	switch {
	case s.Exporter == delivery.ExporterConsole:
		return "console_" + item + "_exporter"
	case s.Protocol == delivery.ProtocolGRPC:
		return "otlp_grpc_" + item + "_exporter"
	}
	return "otlp_http_" + item + "_exporter"
}

// outbox lets delivery work on the store.
type outbox struct {
	store *store.Store
	ttl   time.Duration // longer than a send may take, else it would be sent twice
}

func (o outbox) Claim(ctx context.Context, signal string, after int64, limit int) ([]delivery.Request, error) {
	claimed, err := o.store.ClaimRequests(ctx, signal, after, limit, o.ttl)
	if err != nil {
		return nil, outboxError(err)
	}
	out := make([]delivery.Request, len(claimed))
	for n, r := range claimed {
		out[n] = delivery.Request{
			ID:        r.ID,
			Signal:    r.Signal,
			Part:      r.Part,
			Body:      r.Body,
			CreatedAt: r.CreatedAt,
			Attempts:  r.Attempts,
			Handle:    r,
		}
	}
	return out, nil
}

func (o outbox) Settle(ctx context.Context, settled []delivery.Settlement) error {
	out := make([]store.Settlement, len(settled))
	for n, s := range settled {
		out[n] = store.Settlement{
			Request: s.Request.Handle.(store.Request),
			Verdict: store.Verdict(s.Verdict),
			Parts:   s.Parts,
			Reason:  s.Reason,
			Detail:  s.Detail,
			Aside:   s.Aside,
		}
	}
	return outboxError(o.store.Settle(ctx, out))
}

// outboxError is an error of the store in the words of delivery.
func outboxError(err error) error {
	var fenced *store.FencedError
	switch {
	case errors.As(err, &fenced):
		return &delivery.LostError{Requests: fenced.Requests}
	case errors.Is(err, store.ErrUnavailable):
		return fmt.Errorf("%w: %w", delivery.ErrUnavailable, err)
	}
	return err
}
