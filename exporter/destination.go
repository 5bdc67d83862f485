package exporter

import (
	"context"

	"cdr2otel/exporter/internal/delivery"
	"cdr2otel/exporter/internal/telemetry"
)

func (e *Exporter) readDestinations(context.Context) (err error) {
	e.destinations, err = readDestinations(e.opts.Getenv)
	return err
}

// readDestinations reads from the OTEL_* variables where each signal goes to. One that is
// off has no destination.
func readDestinations(getenv func(string) string) (map[string]delivery.Settings, error) {
	destinations := map[string]delivery.Settings{}
	for _, signal := range exported {
		s, err := delivery.SettingsFromEnv(signal, getenv)
		if err != nil {
			return nil, err
		}
		if s.Enabled() {
			destinations[signal] = s
		}
	}
	s, err := metricsSettings(getenv)
	if err != nil {
		return nil, err
	}
	if telemetry.WantsOTLP(getenv) {
		destinations[delivery.SignalMetrics] = s
	}
	return destinations, telemetry.CheckEnvironment(getenv)
}

// Destination is where a signal goes to, without secrets; "" when it is off.
func (e *Exporter) Destination(signal string) string {
	s, enabled := e.destinations[signal]
	if !enabled {
		return ""
	}
	return s.ShownEndpoint(signal)
}
