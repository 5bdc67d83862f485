package telemetry

import (
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel"

	"cdr2otel/internal/otlptest"
)

func TestAValueThatMakesNoSenseIsAnErrorThatNamesItsVariable(t *testing.T) {
	t.Parallel()
	for variable, values := range map[string][]string{
		envExporter:                {"zipkin", "otlp,", "none,otlp"},
		envInterval:                {"1m", "0", "-5", "99999999999"},
		envTimeout:                 {"soon", "0"},
		envTemporality:             {"difference"},
		envExemplars:               {"sometimes"},
		"OTEL_RESOURCE_ATTRIBUTES": {"team", "=x", "a=%zz", `"team"=x`, "te am=x"},
	} {
		for _, value := range values {
			err := CheckEnvironment(env{variable: value}.get)
			if err == nil || !strings.HasPrefix(err.Error(), variable+": ") || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s=%s: %v", variable, value, err)
			}
			if _, newErr := New(Config{Getenv: env{variable: value}.get}); newErr == nil || newErr.Error() != err.Error() {
				t.Errorf("%s=%s: New: %v", variable, value, newErr)
			}
		}
	}
}

func TestEveryProblemIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	err := CheckEnvironment(env{envInterval: "x", envTemporality: "y"}.get)
	if err == nil || !strings.Contains(err.Error(), envInterval) || !strings.Contains(err.Error(), envTemporality) {
		t.Error(err)
	}
}

func TestTheVariablesAreRead(t *testing.T) {
	t.Parallel()
	e, err := readEnvironment(env{}.get)
	if err != nil || !e.otlp || e.console || e.interval != time.Minute || e.timeout != 30*time.Second || e.delta() {
		t.Errorf("defaults %+v, %v", e, err)
	}
	e, err = readEnvironment(env{
		envExporter: " console , otlp ", envInterval: "1500", envTimeout: "20", envTemporality: "LowMemory", envExemplars: "ALWAYS_ON",
	}.get)
	if err != nil || !e.otlp || !e.console || e.interval != 1500*time.Millisecond || e.timeout != 20*time.Millisecond || !e.delta() {
		t.Errorf("%+v, %v", e, err)
	}
	for exporter, want := range map[string]bool{"": true, "otlp": true, "OTLP": true, "Console,Otlp": true, "console,otlp": true, "none": false, "console": false, "prometheus": false} {
		if got := WantsOTLP(env{envExporter: exporter}.get); got != want {
			t.Errorf("%q wants OTLP: %v", exporter, got)
		}
	}
}

func TestAnEndpointThatCannotBeUsedIsRefused(t *testing.T) {
	t.Parallel()
	for protocol, endpoint := range map[string]string{"grpc": "http://", "http/protobuf": "collector:4318", "": "/v1/metrics", "thrift": ""} {
		if _, err := New(Config{Getenv: env{}.get, OTLP: OTLP{Protocol: protocol, Endpoint: endpoint}}); err == nil {
			t.Errorf("%s %q is taken", protocol, endpoint)
		}
	}
}

// Not parallel: the environment of the process says otherwise.
func TestTheEnvironmentOfTheProcessDoesNotContradict(t *testing.T) {
	elsewhere := otlptest.New(t, otlptest.Options{})
	for name, value := range map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT":         elsewhere.HTTPEndpoint(),
		"OTEL_EXPORTER_OTLP_HEADERS":          "x-process=1",
		"OTEL_EXPORTER_OTLP_COMPRESSION":      "gzip",
		"OTEL_EXPORTER_OTLP_METRICS_TIMEOUT":  "1",
		"OTEL_EXPORTER_OTLP_METRICS_INSECURE": "false",
		envInterval:                           "1",
		envTimeout:                            "1",
		envTemporality:                        "delta",
		envExemplars:                          "always_off",
		"OTEL_GO_X_CARDINALITY_LIMIT":         "2",
	} {
		t.Setenv(name, value)
	}
	for _, protocol := range []string{otlptest.ProtocolGRPC, otlptest.ProtocolHTTP} {
		r := otlptest.New(t, otlptest.Options{})
		telemetry := setup(t, func(c *Config) {
			whole(c)
			pushing(r, protocol, nil)(c)
		})
		everything(t, telemetry)
		flush(t, telemetry)
		if n := r.Count(); n != 1 || elsewhere.Count() != 0 {
			t.Errorf("%s: %d requests, %d elsewhere", protocol, n, elsewhere.Count())
			continue
		}
		q := r.Requests()[0]
		if len(q.Header["x-process"]) > 0 || strings.Contains(strings.Join(q.Header["content-encoding"], ""), "gzip") {
			t.Errorf("%s: headers %v", protocol, q.Header)
		}
		m := last(t, r)["wxa.call.duration"].GetHistogram()
		if m.GetAggregationTemporality() != 2 || len(m.GetDataPoints()[0].GetExemplars()) != 1 {
			t.Errorf("%s: %v", protocol, m)
		}
	}
}

// Not parallel: a handler of the whole process.
func TestNoErrorGoesToTheGlobalHandler(t *testing.T) {
	var global logs
	before := otel.GetErrorHandler()
	defer otel.SetErrorHandler(before)
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { _, _ = global.Write([]byte(err.Error() + "\n")) }))
	for _, protocol := range []string{otlptest.ProtocolGRPC, otlptest.ProtocolHTTP} {
		r := otlptest.New(t, otlptest.Options{})
		r.SetDown(true)
		telemetry := setup(t, func(c *Config) {
			whole(c)
			pushing(r, protocol, env{envInterval: "2"})(c)
		})
		everything(t, telemetry)
		scrape(t, telemetry, openMetrics)
		for r.Refused() < 1 {
			flush(t, telemetry)
		}
	}
	if text := global.String(); text != "" {
		t.Errorf("the global handler got:\n%s", text)
	}
}
