package exporter

import (
	"errors"
	"log/slog"
	"slices"

	"cdr2otel/exporter/config"
	"cdr2otel/exporter/internal/delivery"
	"cdr2otel/exporter/internal/otelenv"
	"cdr2otel/exporter/internal/telemetry"
)

// Environment is what is wrong with the environment variables that New reads, by
// their names. New refuses the problems and logs the warnings.
type Environment struct {
	// Problems are values that make no sense.
	Problems config.Problems
	// Warnings are variables without effect, and values that make sense but are
	// hardly meant.
	Warnings config.Problems
}

// CheckEnvironment reads all of them: the OTEL_* variables and those of proxies. No
// text repeats a secret.
func CheckEnvironment(getenv func(string) string) Environment {
	_, shared := sharedResource(getenv)
	_, traces := delivery.SettingsFromEnv(delivery.SignalTraces, getenv)
	_, logs := delivery.SettingsFromEnv(delivery.SignalLogs, getenv)
	_, metrics := metricsSettings(getenv)
	_, content := captureContent(false, getenv)
	_, level := LogLevelFromEnv(getenv, slog.LevelInfo)
	wrong := errors.Join(shared, traces, logs, metrics, content, level, telemetry.CheckEnvironment(getenv), otelenv.CheckProxies(getenv))

	doubtful := []error{otelenv.Unsupported(getenv)}
	for _, signal := range exported {
		doubtful = append(doubtful, delivery.CheckEndpoint(signal, getenv))
	}
	if telemetry.WantsOTLP(getenv) {
		doubtful = append(doubtful, delivery.CheckEndpoint(delivery.SignalMetrics, metricsAsOTLP(getenv)))
	}
	e := Environment{Problems: byVariable(wrong), Warnings: byVariable(errors.Join(doubtful...))}
	e.Warnings = slices.DeleteFunc(e.Warnings, func(w config.Problem) bool {
		return slices.ContainsFunc(e.Problems, func(p config.Problem) bool { return p.Key == w.Key })
	})
	return e
}

// CheckProxies reads the variables that name a proxy alone.
func CheckProxies(getenv func(string) string) config.Problems {
	return byVariable(otelenv.CheckProxies(getenv))
}

func byVariable(err error) (ps config.Problems) {
	for _, p := range otelenv.Problems(err) {
		ps = append(ps, config.Problem{Key: p.Variable, Text: p.Err.Error()})
	}
	return ps
}

// warn logs what the environment asks for and does not get.
func (e Environment) warn(opts Options) {
	for _, w := range e.Warnings {
		opts.Logger.Warn("an environment variable does not do what it says", "variable", w.Key, "hint", w.Text)
	}
}
