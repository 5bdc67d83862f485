package exporter

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"

	"cdr2otel/exporter/internal/delivery"
	"cdr2otel/exporter/internal/store"
)

// announce logs "ready" as soon as webhooks can be acknowledged, and before that what it
// waits for.
func (e *Exporter) announce(ctx context.Context) error {
	if errors.Is(e.store.Ready(), store.ErrUnavailable) { // why, the store has said
		e.log.LogAttrs(ctx, slog.LevelWarn, "not ready: waiting for the database; until it answers webhooks are refused with 503 and lost",
			append(e.description(), slog.String("hint", "cdr2otel doctor says what is wrong"))...)
		if e.store.Await(ctx) != nil || e.draining.Load() {
			return nil
		}
	}
	if err := e.store.Ready(); err != nil {
		e.log.LogAttrs(ctx, slog.LevelError, "started, but webhooks are refused with 503 and lost",
			append(e.description(), slog.Any("error", err), slog.String("hint", "see docs/runbook.md"))...)
		return nil
	}
	e.log.LogAttrs(ctx, slog.LevelInfo, "ready", e.description()...)
	return nil
}

// description is what runs here, without secrets: what comes in where, where it is kept,
// and where it goes.
func (e *Exporter) description() []slog.Attr {
	var paths []any
	for _, name := range slices.Sorted(maps.Keys(e.settings.Load().sources)) {
		paths = append(paths, slog.String(name, e.cfg.Webhook.Path+"/"+name))
	}
	return []slog.Attr{
		slog.String("version", e.opts.Version),
		slog.String("webhook", e.webhook.Addr().String()),
		slog.Bool("tls", e.webhookTLS != nil),
		slog.Group("sources", paths...),
		slog.String("store", store.Name(e.cfg.Store.URL)),
		e.describe(delivery.SignalTraces),
		e.describe(delivery.SignalLogs),
		e.describe(delivery.SignalMetrics),
		slog.String("admin", e.AdminAddr()),
		slog.String("health", e.HealthAddr()),
	}
}

// describe says where a signal goes to.
func (e *Exporter) describe(signal string) slog.Attr {
	to := e.Destination(signal)
	switch {
	case to == "" && signal == delivery.SignalMetrics:
		return slog.String(signal, "scraped")
	case to == "":
		return slog.String(signal, "off")
	case signal == delivery.SignalLogs && !e.settings.Load().records.leave():
		return slog.String(signal, "not used")
	case e.destinations[signal].Exporter == delivery.ExporterConsole:
		return slog.String(signal, to)
	}
	return slog.Group(signal, slog.String("to", to), slog.String("protocol", e.destinations[signal].Protocol))
}
