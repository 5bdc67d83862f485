package otelenv

import (
	"errors"
	"slices"
	"strings"
)

// unsupported are the standard variables that would change what leaves, or where
// from settings come, and that this program does not obey. harmless are the values
// that ask for what it does anyway.
var unsupported = []struct {
	name     string
	harmless []string
	instead  string
}{
	{"OTEL_SDK_DISABLED", []string{"false"}, "not supported, calls are exported all the same: to export nothing, set OTEL_TRACES_EXPORTER, OTEL_LOGS_EXPORTER and OTEL_METRICS_EXPORTER to none"},
	{"OTEL_CONFIG_FILE", nil, configFileInstead},
	{"OTEL_EXPERIMENTAL_CONFIG_FILE", nil, configFileInstead},
	{"OTEL_TRACES_SAMPLER", []string{"always_on", "parentbased_always_on"}, "not supported, every call is exported: sample in the Collector"},
	{"ALL_PROXY", nil, allProxyInstead},
	{"all_proxy", nil, allProxyInstead},
}

const (
	configFileInstead = "not supported, the file is not read: use the OTEL_EXPORTER_OTLP_* variables, and --config for the file of cdr2otel"
	allProxyInstead   = "not supported, it is no proxy of exports: set HTTPS_PROXY (or HTTP_PROXY for an http:// endpoint)"
)

// Unsupported names the variables that are set and have no effect. The error joins
// all; nil is none.
func Unsupported(getenv func(string) string) error {
	var errs []error
	for _, variable := range unsupported {
		value := strings.ToLower(strings.TrimSpace(getenv(variable.name)))
		if value != "" && !slices.Contains(variable.harmless, value) {
			errs = append(errs, Errorf(variable.name, "%s", variable.instead))
		}
	}
	return errors.Join(errs...)
}
