package exporter

import (
	"errors"
	"maps"
	"os"

	"cdr2otel/exporter/config"
	"cdr2otel/exporter/internal/delivery"
	"cdr2otel/mapping"
)

// Mapper maps the calls of one configured source as Run does, for commands that
// work without listeners and store. It needs no webhook secret.
func Mapper(cfg config.Config, source string, opts Options) (*mapping.Mapper, error) {
	if opts.Getenv == nil {
		opts.Getenv = os.Getenv
	}
	hashKey, err := cfg.CallerHashKey()
	if err != nil {
		return nil, err
	}
	shared, err := sharedResource(opts.Getenv)
	if err != nil {
		return nil, err
	}
	m := mappingConfig(cfg.Mapping, source, cfg.Sources[source])
	m.Version, m.CallerHashKey, m.Resource = opts.Version, hashKey, shared
	maps.Copy(m.Resource, cfg.Sources[source].Resource)
	return mapping.New(m)
}

// CheckEnvironment reads the OTEL_* variables as New does and returns everything
// that is wrong with them.
func CheckEnvironment(getenv func(string) string) error {
	_, shared := sharedResource(getenv)
	_, traces := delivery.SettingsFromEnv(signalTraces, getenv)
	return errors.Join(shared, traces)
}
