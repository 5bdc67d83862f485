package exporter

import (
	"context"

	"cdr2otel/exporter/internal/delivery"
	"cdr2otel/exporter/internal/telemetry"
)

// readDestinations reads from the OTEL_* variables where each signal goes to. One that is
// off has no destination.
func (e *Exporter) readDestinations(context.Context) error {
	for _, signal := range exported {
		s, err := delivery.SettingsFromEnv(signal, e.opts.Getenv)
		if err != nil {
			return err
		}
		if s.Enabled() {
			e.destinations[signal] = s
		}
	}
	s, err := metricsSettings(e.opts.Getenv)
	if err != nil {
		return err
	}
	if telemetry.WantsOTLP(e.opts.Getenv) {
		e.destinations[delivery.SignalMetrics] = s
	}
	return telemetry.CheckEnvironment(e.opts.Getenv)
}

// Destination is where a signal goes to, without secrets; "" when it is off.
func (e *Exporter) Destination(signal string) string {
	s, enabled := e.destinations[signal]
	if !enabled {
		return ""
	}
	return s.ShownEndpoint(signal)
}
