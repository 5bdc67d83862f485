package exporter

import (
	"errors"
	"maps"
	"os"
	"strings"

	"cdr2otel/exporter/config"
	"cdr2otel/exporter/internal/delivery"
	"cdr2otel/exporter/internal/telemetry"
	"cdr2otel/mapping"
)

// Mapper maps the calls of one configured source as Run does, for commands that
// work without listeners and store. It needs no webhook secret.
func Mapper(cfg config.Config, source string, opts Options) (*mapping.Mapper, error) {
	if opts.Getenv == nil {
		opts.Getenv = os.Getenv
	}
	build, err := mapperBuilder(cfg, opts)
	if err != nil {
		return nil, err
	}
	return build(source)
}

// mapperBuilder returns what makes the mapper of a source, one that is not
// configured (any more) included.
func mapperBuilder(cfg config.Config, opts Options) (func(source string) (*mapping.Mapper, error), error) {
	hashKey, err := cfg.CallerHashKey()
	if err != nil {
		return nil, err
	}
	shared, err := sharedResource(opts.Getenv)
	if err != nil {
		return nil, err
	}
	return func(source string) (*mapping.Mapper, error) {
		src := cfg.Sources[source]
		m := mappingConfig(cfg.Mapping, source, src)
		m.Version, m.CallerHashKey = opts.Version, hashKey
		m.Resource = maps.Clone(shared)
		maps.Copy(m.Resource, src.Resource)
		return mapping.New(m)
	}, nil
}

func mappingConfig(cfg config.Mapping, name string, src config.Source) mapping.Config {
	out := mapping.Config{
		Source:           name,
		HeaderAttributes: map[string]mapping.HeaderAttribute{},
		Agents:           src.Agents,
		Slow:             cfg.Slow,
		DeadAir:          cfg.DeadAir,
		UpstreamLink:     cfg.UpstreamLink,
		CallerNumber:     cfg.Allows(config.PIICallerNumber),
		CalleeNumber:     cfg.Allows(config.PIICalleeNumber),
		SIPURIs:          cfg.Allows(config.PIISIPURIs),
	}
	for header, a := range src.HeaderAttributes {
		out.HeaderAttributes[strings.ToLower(header)] = mapping.HeaderAttribute{Attribute: a.Attribute, Values: a.Values}
	}
	for _, c := range cfg.CustomData {
		out.CustomData = append(out.CustomData, mapping.CustomData{Key: c.Key, Attribute: c.Attribute, Metric: c.Metric})
	}
	return out
}

// CheckEnvironment reads the OTEL_* variables as New does and returns everything
// that is wrong with them.
func CheckEnvironment(getenv func(string) string) error {
	_, shared := sharedResource(getenv)
	_, traces := delivery.SettingsFromEnv(signalTraces, getenv)
	_, metrics := metricsSettings(getenv)
	return errors.Join(shared, traces, metrics, telemetry.CheckEnvironment(getenv))
}
