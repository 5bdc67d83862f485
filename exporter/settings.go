package exporter

import (
	"fmt"
	"maps"
	"slices"

	"go.opentelemetry.io/collector/config/configopaque"

	"cdr2otel/exporter/config"
	"cdr2otel/exporter/internal/admin"
	"cdr2otel/exporter/internal/receiver"
	"cdr2otel/exporter/internal/telemetry"
	"cdr2otel/mapping"
)

// settings is what a reload swaps as a whole: an event is taken in and a call is
// mapped by one configuration, never by halves of two.
type settings struct {
	correlation     correlation
	records         records
	digits          bool // mapping.dtmf_digits
	withoutMessages map[string]bool
	mappers         map[string]*mapping.Mapper
	// unconfigured maps events of a source that was taken out of the
	// configuration while they waited.
	unconfigured func(source string) (*mapping.Mapper, error)
	// ids are shown on the pages as they leave.
	ids mapping.IDs
	// visibility of the attributes that the pages don't show to everybody.
	visibility map[string]admin.Visibility
	// labels and customLabels are what the metrics of the sources carry.
	labels       []telemetry.SourceLabels
	customLabels []string
	// sources is how each source's requests are authenticated.
	sources map[string]receiver.Source
}

// newSettings reads the secrets and builds everything a reload swaps, so that a
// configuration that doesn't hold changes nothing.
func newSettings(cfg config.Config, opts Options) (*settings, error) {
	resolved, err := cfg.ResolveSources()
	if err != nil {
		return nil, err
	}
	build, err := mapperBuilder(cfg, opts)
	if err != nil {
		return nil, err
	}
	s := &settings{
		correlation: correlation{
			Grace:    cfg.Correlation.Grace,
			Window:   cfg.Correlation.Window,
			ChatIdle: cfg.Correlation.ChatIdle,
		},
		digits:          cfg.Mapping.DTMFDigits,
		withoutMessages: map[string]bool{},
		mappers:         map[string]*mapping.Mapper{},
		sources:         map[string]receiver.Source{},
		unconfigured:    build,
	}
	if s.records, err = newRecords(cfg, opts.Getenv); err != nil {
		return nil, err
	}
	hashKey, err := cfg.CallerHashKey()
	if err != nil {
		return nil, err
	}
	if s.ids, err = mapping.NewIDs(hashIDs[cfg.Mapping.HashIDs], hashKey); err != nil {
		return nil, err
	}
	if s.visibility, err = privateAttributes(cfg, opts); err != nil {
		return nil, err
	}
	shared, err := sharedResource(opts.Getenv)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Sources)) {
		s.labels = append(s.labels, sourceLabels(name, cfg.Sources[name], shared))
	}
	for _, custom := range cfg.Mapping.CustomData {
		if custom.Metric {
			s.customLabels = append(s.customLabels, custom.Attribute)
		}
	}
	for name, src := range resolved {
		s.withoutMessages[name] = src.Messages == config.MessagesNone
		s.sources[name] = receiver.Source{
			Auth:        auth(src),
			KeepHeaders: slices.Sorted(maps.Keys(src.HeaderAttributes)),
		}
		if s.mappers[name], err = build(name); err != nil {
			return nil, fmt.Errorf("sources.%s: %w", name, err)
		}
	}
	return s, nil
}

// mapper returns the mapper of a source, never nil: what builds it has built those
// of the configured sources, and an unconfigured one has less that could be wrong.
func (s *settings) mapper(source string) *mapping.Mapper {
	if m, ok := s.mappers[source]; ok {
		return m
	}
	m, err := s.unconfigured(source)
	if err != nil {
		panic(fmt.Sprintf("exporter: mapping of unconfigured source: %v", err))
	}
	return m
}

func auth(src config.ResolvedSource) receiver.Auth {
	secrets := make([]configopaque.String, len(src.Secrets))
	for i, s := range src.Secrets {
		secrets[i] = configopaque.String(s)
	}
	switch {
	case src.Auth.JWT != nil:
		return receiver.Auth{JWT: &receiver.JWTAuth{
			Secrets:    secrets,
			Algorithms: src.Auth.JWT.Algorithms,
			Leeway:     src.Auth.JWT.Leeway,
			RequireExp: src.Auth.JWT.RequireExp,
		}}
	case src.Auth.Header != nil:
		return receiver.Auth{Header: &receiver.HeaderAuth{Name: src.Auth.Header.Name, Values: secrets}}
	case src.Auth.Basic != nil:
		return receiver.Auth{Basic: &receiver.BasicAuth{Username: src.Auth.Basic.Username, Passwords: secrets}}
	}
	return receiver.Auth{None: src.Auth.None}
}
