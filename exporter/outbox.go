package exporter

import (
	"context"
	"time"

	"cdr2otel/exporter/internal/delivery"
	"cdr2otel/exporter/internal/store"
	"cdr2otel/mapping"
)

// signalTraces is the only signal of this release.
const signalTraces = "traces"

// openDelivery makes the OTLP client and the delivery of the signal, unless
// OTEL_TRACES_EXPORTER switches it off.
func (e *Exporter) openDelivery(context.Context) error {
	settings, err := delivery.SettingsFromEnv(signalTraces, e.opts.Getenv)
	if err != nil || !settings.Enabled() {
		return err
	}
	settings.UserAgent = "cdr2otel/" + e.opts.Version
	e.spanExporter = spanExporter(settings)
	if e.client, err = delivery.NewClient(signalTraces, settings); err != nil {
		return err
	}
	e.delivery, err = delivery.New(delivery.Config{
		Signal: signalTraces,
		Client: e.client,
		Outbox: outbox{store: e.store, ttl: max(claimTTL, 2*settings.Timeout)},
		Split:  mapping.Split,
		Logger: e.log,
		OnSettled: func(s delivery.Settlement) {
			e.rejected.Add(s.Rejected)
			e.measureDelivery(s)
		},
	})
	return err
}

// outbox lets delivery work on the store.
type outbox struct {
	store *store.Store
	ttl   time.Duration // longer than a send may take, else it would be sent twice
}

func (o outbox) Claim(ctx context.Context, signal string, after int64, limit int) ([]delivery.Request, error) {
	claimed, err := o.store.ClaimRequests(ctx, signal, after, limit, o.ttl)
	if err != nil {
		return nil, err
	}
	out := make([]delivery.Request, len(claimed))
	for n, r := range claimed {
		out[n] = delivery.Request{
			ID:            r.ID,
			Signal:        r.Signal,
			Part:          r.Part,
			Body:          r.Body,
			CreatedAt:     r.CreatedAt,
			Attempts:      r.Attempts,
			FirstFailedAt: r.FirstFailedAt,
			Handle:        r,
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
		}
	}
	return o.store.Settle(ctx, out)
}
