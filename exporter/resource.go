package exporter

import (
	"fmt"
	"net/url"
	"strings"

	"cdr2otel/mapping"
)

// sharedResource is what OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME say of the
// observed service, below what each source's configuration says. Attributes of
// this process are left out: they are for its own metrics. (The SDK's detector
// reads the process environment only, and would carry on with half of a
// malformed value.)
func sharedResource(getenv func(string) string) (map[string]string, error) {
	attributes := map[string]string{}
	for n, entry := range strings.Split(getenv("OTEL_RESOURCE_ATTRIBUTES"), ",") {
		if strings.TrimSpace(entry) == "" {
			continue
		}
		key, value, ok := strings.Cut(entry, "=")
		decoded, err := url.PathUnescape(strings.TrimSpace(value))
		if !ok || err != nil || strings.TrimSpace(key) == "" {
			return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: entry %d is not key=value with a percent-encoded value", n+1)
		}
		if key = strings.TrimSpace(key); !mapping.PerInstance(key) {
			attributes[key] = decoded
		}
	}
	if name := getenv("OTEL_SERVICE_NAME"); name != "" {
		attributes["service.name"] = name
	}
	return attributes, nil
}
