package exporter

import (
	"strings"

	"cdr2otel/exporter/config"
	"cdr2otel/exporter/internal/admin"
	"cdr2otel/exporter/internal/delivery"
	"cdr2otel/exporter/internal/store"
)

// AboutFromEnv is what a sidecar that starts with this configuration and environment says
// of itself at /about.
func AboutFromEnv(cfg config.Config, getenv func(string) string) (admin.About, error) {
	destinations, err := readDestinations(getenv)
	if err != nil {
		return admin.About{}, err
	}
	r, err := newRecords(cfg, getenv)
	if err != nil {
		return admin.About{}, err
	}
	return about(cfg, destinations, r), nil
}

func (e *Exporter) about() admin.About {
	return about(e.cfg, e.destinations, e.settings.Load().records)
}

func about(cfg config.Config, destinations map[string]delivery.Settings, r records) admin.About {
	a := admin.About{Destinations: map[string]string{}, Store: store.Name(cfg.Store.URL)}
	for _, signal := range []string{delivery.SignalTraces, delivery.SignalLogs, delivery.SignalMetrics} {
		s, enabled := destinations[signal]
		switch {
		case !enabled && signal == delivery.SignalMetrics:
			a.Destinations[signal] = admin.ToScrape
		case !enabled:
			a.Destinations[signal] = admin.SignalOff
		case signal == delivery.SignalLogs && !r.leave():
			a.Destinations[signal] = admin.SignalUnused
		case s.Exporter == delivery.ExporterConsole:
			a.Destinations[signal] = admin.ToConsole
		default:
			// The same address, set or by default, is one destination.
			a.Destinations[signal] = strings.TrimSuffix(s.ShownEndpoint(signal), delivery.ByDefault) + " over " + s.Protocol
		}
	}
	return a
}
