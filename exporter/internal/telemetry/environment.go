package telemetry

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
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
	envResource    = "OTEL_RESOURCE_ATTRIBUTES"
)

// WantsOTLP says whether OTEL_METRICS_EXPORTER names otlp: then Config.OTLP is used.
// Its value may be a list ("otlp,console").
func WantsOTLP(getenv func(string) string) bool {
	var e environment
	return e.readExporter(getenv(envExporter)) == nil && e.otlp
}

// CheckEnvironment returns everything that is wrong with the variables New reads.
func CheckEnvironment(getenv func(string) string) error {
	_, err := readEnvironment(getenv)
	return err
}

func readEnvironment(getenv func(string) string) (*environment, error) {
	e := &environment{}
	var errs []error
	for _, v := range []struct {
		name string
		read func(string) error
	}{
		{envExporter, e.readExporter},
		{envInterval, milliseconds(&e.interval, time.Minute)},
		{envTimeout, milliseconds(&e.timeout, 30*time.Second)},
		{envTemporality, e.readTemporality},
		{envExemplars, e.readExemplars},
		{envResource, e.readResource},
	} {
		if err := v.read(strings.TrimSpace(getenv(v.name))); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", v.name, err))
		}
	}
	return e, errors.Join(errs...)
}

// readExporter reads a list. prometheus asks for what is always served.
func (e *environment) readExporter(value string) error {
	if strings.TrimSpace(value) == "" {
		value = "otlp"
	}
	none, names := false, strings.Split(value, ",")
	for _, name := range names {
		switch name = strings.TrimSpace(name); name {
		case "otlp":
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
		*into = byDefault
		if value == "" {
			return nil
		}
		ms, err := strconv.ParseInt(value, 10, 32)
		if err != nil || ms <= 0 {
			return fmt.Errorf("%q is not a number of milliseconds above 0", value)
		}
		*into = time.Duration(ms) * time.Millisecond
		return nil
	}
}

const (
	preferCumulative = "cumulative"
	preferDelta      = "delta"
	preferLowMemory  = "lowmemory"
)

func (e *environment) readTemporality(value string) error {
	e.preference = strings.ToLower(value)
	switch e.preference {
	case "", preferCumulative:
		e.preference, e.temporality = preferCumulative, sdkmetric.CumulativeTemporalitySelector
	case preferDelta:
		e.temporality = sdkmetric.DeltaTemporalitySelector
	case preferLowMemory:
		e.temporality = sdkmetric.LowMemoryTemporalitySelector
	default:
		return fmt.Errorf("%q is not one of cumulative, delta, lowmemory", value)
	}
	return nil
}

// delta says whether counters are sent as differences.
func (e *environment) delta() bool { return e.preference != preferCumulative }

func (e *environment) readExemplars(value string) error {
	switch strings.ToLower(value) {
	case "", "trace_based":
		e.exemplars = exemplar.TraceBasedFilter
	case "always_on":
		e.exemplars = exemplar.AlwaysOnFilter
	case "always_off":
		e.exemplars = exemplar.AlwaysOffFilter
	default:
		return fmt.Errorf("%q is not one of trace_based, always_on, always_off", value)
	}
	return nil
}

func (e *environment) readResource(value string) error {
	for n, entry := range strings.Split(value, ",") {
		if strings.TrimSpace(entry) == "" {
			continue
		}
		key, text, ok := strings.Cut(entry, "=")
		decoded, err := url.PathUnescape(strings.TrimSpace(text))
		if key = strings.TrimSpace(key); !ok || err != nil || key == "" {
			return fmt.Errorf("entry %d is not key=value with a percent-encoded value", n+1)
		}
		e.attributes = append(e.attributes, attribute.String(key, decoded))
	}
	return nil
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
