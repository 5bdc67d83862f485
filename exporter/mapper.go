package exporter

import (
	"maps"
	"os"
	"strings"

	"cdr2otel/exporter/config"
	"cdr2otel/exporter/internal/otelenv"
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
	content, err := captureContent(cfg.Mapping.Content, opts.Getenv)
	if err != nil {
		return nil, err
	}
	return func(source string) (*mapping.Mapper, error) {
		src := cfg.Sources[source]
		m := mappingConfig(cfg.Mapping, source, src)
		m.Version, m.CallerHashKey, m.Content = opts.Version, hashKey, content
		m.Resource = maps.Clone(shared)
		maps.Copy(m.Resource, src.Resource)
		return mapping.New(m)
	}, nil
}

// eventsTo says where events go in the words of the mapping.
var eventsTo = map[config.Events]mapping.Events{
	config.EventsSpan: mapping.EventsSpan,
	config.EventsLog:  mapping.EventsLog,
	config.EventsBoth: mapping.EventsBoth,
}

// hashIDs says which ids leave as a hash in the words of the mapping.
var hashIDs = map[config.HashIDs]mapping.HashIDs{
	config.HashNumbers: mapping.HashNumbers,
	config.HashAll:     mapping.HashAll,
	config.HashNone:    mapping.HashNone,
}

func mappingConfig(cfg config.Mapping, name string, src config.Source) mapping.Config {
	out := mapping.Config{
		Source:           name,
		Events:           eventsTo[cfg.Events],
		HashIDs:          hashIDs[cfg.HashIDs],
		HeaderAttributes: map[string]mapping.HeaderAttribute{},
		Agents:           src.Agents,
		Slow:             cfg.Slow,
		DeadAir:          cfg.DeadAir,
		UpstreamLink:     cfg.UpstreamLink,
		CallerNumber:     cfg.Allows(config.PIICallerNumber),
		CalleeNumber:     cfg.Allows(config.PIICalleeNumber),
		SIPURIs:          cfg.Allows(config.PIISIPURIs),
		Digits:           cfg.DTMFDigits,
	}
	for header, a := range src.HeaderAttributes {
		out.HeaderAttributes[strings.ToLower(header)] = mapping.HeaderAttribute{Attribute: a.Attribute, Values: a.Values}
	}
	for _, c := range cfg.CustomData {
		out.CustomData = append(out.CustomData, mapping.CustomData{Key: c.Key, Attribute: c.Attribute, Metric: c.Metric})
	}
	for _, rule := range cfg.Redact {
		out.Redact = append(out.Redact, mapping.Redaction{Pattern: rule.Pattern, Replace: rule.Replace})
	}
	return out
}

// contentEnv is how OpenTelemetry's GenAI instrumentations are told to capture
// content.
const contentEnv = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"

// captureContent reads the alias of mapping.content; either turns it on. Values
// that ask for content elsewhere than on spans are refused, not half obeyed.
func captureContent(configured bool, getenv func(string) string) (bool, error) {
	switch value := strings.TrimSpace(getenv(contentEnv)); strings.ToLower(value) {
	case "", "false", "no_content":
		return configured, nil
	case "true", "span_only":
		return true, nil
	default:
		return false, otelenv.Errorf(contentEnv, "%q is not known; use true or SPAN_ONLY, or false or NO_CONTENT", value)
	}
}
