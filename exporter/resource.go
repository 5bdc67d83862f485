package exporter

import (
	"cdr2otel/exporter/internal/otelenv"
	"cdr2otel/mapping"
)

// sharedResource is what OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME say of the
// observed service, below what each source's configuration says. Attributes of an
// instance are left out: they are for this program's own metrics. (The SDK's
// detector reads the process environment only, and would carry on with half of a
// malformed value.)
func sharedResource(getenv func(string) string) (map[string]string, error) {
	pairs, err := otelenv.Resource(getenv)
	if err != nil {
		return nil, err
	}
	attributes := map[string]string{}
	for _, pair := range pairs {
		if !mapping.PerInstance(pair.Key) {
			attributes[pair.Key] = pair.Value
		}
	}
	if name := getenv("OTEL_SERVICE_NAME"); name != "" {
		attributes["service.name"] = name
	}
	return attributes, nil
}
