package telemetry

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"cdr2otel/exporter/internal/otelenv"
)

// environment is what the standard variables say of metrics. The SDK would read the
// environment of the process, and carry on with a default where a value makes no
// sense; here that is an error.
type environment struct {
	otlp, console     bool
	interval, timeout time.Duration
	preference        string
	temporality       sdkmetric.TemporalitySelector
	exemplars         exemplar.Filter
	attributes        []attribute.KeyValue // of OTEL_RESOURCE_ATTRIBUTES
}

// The variables' names.
const (
	envExporter    = "OTEL_METRICS_EXPORTER"
	envInterval    = "OTEL_METRIC_EXPORT_INTERVAL"
	envTimeout     = "OTEL_METRIC_EXPORT_TIMEOUT"
	envTemporality = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
	envExemplars   = "OTEL_METRICS_EXEMPLAR_FILTER"
)

// WantsOTLP says whether OTEL_METRICS_EXPORTER names otlp: then Config.OTLP is used.
// Its value may be a list ("otlp,console").
func WantsOTLP(getenv func(string) string) bool {
	var e environment
	return e.readExporter(getenv(envExporter)) == nil && e.otlp
}

// CheckEnvironment returns everything that is wrong with the variables New reads, as
// joined errors of package otelenv.
func CheckEnvironment(getenv func(string) string) error {
	_, err := readEnvironment(getenv)
	return err
}

func readEnvironment(getenv func(string) string) (*environment, error) {
	e := &environment{}
	attributes, err := otelenv.Resource(getenv)
	for _, pair := range attributes {
		e.attributes = append(e.attributes, attribute.String(pair.Key, pair.Value))
	}
	errs := []error{err}
	for _, v := range []struct {
		name string
		read func(string) error
	}{
		{envExporter, e.readExporter},
		{envInterval, milliseconds(&e.interval, time.Minute)},
		{envTimeout, milliseconds(&e.timeout, 30*time.Second)},
		{envTemporality, e.readTemporality},
		{envExemplars, e.readExemplars},
	} {
		if err := v.read(strings.TrimSpace(getenv(v.name))); err != nil {
			errs = append(errs, otelenv.Errorf(v.name, "%w", err))
		}
	}
	return e, errors.Join(errs...)
}

// readExporter reads a list. prometheus asks for what is always served.
func (e *environment) readExporter(value string) error {
	if strings.TrimSpace(value) == "" {
		value = exporterOTLP
	}
	none, names := false, strings.Split(value, ",")
	for _, name := range names {
		switch strings.ToLower(strings.TrimSpace(name)) {
		case exporterOTLP:
			e.otlp = true
		case "console":
			e.console = true
		case "prometheus":
		case "none":
			none = true
		default:
			return fmt.Errorf("%q is not one of otlp, console, prometheus, none", name)
		}
	}
	if none && len(names) > 1 {
		return errors.New("none stands alone")
	}
	return nil
}

func milliseconds(into *time.Duration, byDefault time.Duration) func(string) error {
	return func(value string) error {
		d, err := otelenv.Milliseconds(value)
		*into = cmp.Or(d, byDefault)
		return err
	}
}

// exporterOTLP is the default of OTEL_METRICS_EXPORTER.
const exporterOTLP = "otlp"

const (
	preferCumulative = "cumulative"
	preferDelta      = "delta"
	preferLowMemory  = "lowmemory"
)

var temporalities = map[string]sdkmetric.TemporalitySelector{
	preferCumulative: sdkmetric.CumulativeTemporalitySelector,
	preferDelta:      sdkmetric.DeltaTemporalitySelector,
	preferLowMemory:  sdkmetric.LowMemoryTemporalitySelector,
}

func (e *environment) readTemporality(value string) (err error) {
	e.preference, err = otelenv.OneOf(value, preferCumulative, preferDelta, preferLowMemory)
	e.temporality = temporalities[e.preference]
	return err
}

// delta says whether counters are sent as differences.
func (e *environment) delta() bool { return e.preference != preferCumulative }

var exemplarFilters = map[string]exemplar.Filter{
	"trace_based": exemplar.TraceBasedFilter,
	"always_on":   exemplar.AlwaysOnFilter,
	"always_off":  exemplar.AlwaysOffFilter,
}

func (e *environment) readExemplars(value string) error {
	filter, err := otelenv.OneOf(value, "trace_based", "always_on", "always_off")
	e.exemplars = exemplarFilters[filter]
	return err
}

// resource is this process, not the service that the traces are about: that one is
// what OTEL_SERVICE_NAME names. The SDK puts the attributes of the process's own
// environment below these.
func (e *environment) resource(cfg Config) *resource.Resource {
	own := []attribute.KeyValue{semconv.ServiceName("cdr2otel")}
	if cfg.Version != "" {
		own = append(own, semconv.ServiceVersion(cfg.Version))
	}
	switch {
	case cfg.InstanceID != "":
		own = append(own, semconv.ServiceInstanceID(cfg.InstanceID))
	case find(e.attributes, semconv.ServiceInstanceIDKey).Type() == attribute.EMPTY:
		own = append(own, semconv.ServiceInstanceID(randomID()))
	}
	// Of two values of a key the last counts.
	return resource.NewWithAttributes(semconv.SchemaURL, append(e.attributes, own...)...)
}
