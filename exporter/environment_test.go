package exporter_test

import (
	"log/slog"
	"strings"
	"testing"

	"cdr2otel/exporter"
	"cdr2otel/internal/otlptest"
)

func TestTheStartRefusesAnEnvironmentThatMakesNoSenseWithAllItsProblemsOnce(t *testing.T) {
	t.Parallel()
	const secret = "hunter2canary"
	getenv := environment(map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:99999", "OTEL_EXPORTER_OTLP_HEADERS": `"key"=` + secret, "OTEL_RESOURCE_ATTRIBUTES": `"team"=` + secret,
		"OTEL_EXPORTER_OTLP_COMPRESSION": "zstd", "HTTPS_PROXY": "http://u:" + secret + "@proxy:port", captureContent: "EVENT_ONLY",
	})
	cfg := configuration(t.TempDir())
	cfg.Store.URL = "sqlite:/nonexistent/cdr2otel.db" // the environment is refused before anything is opened
	_, err := exporter.New(t.Context(), cfg, exporter.Options{Getenv: getenv})
	problems := exporter.CheckEnvironment(getenv).Problems
	if err == nil || err.Error() != problems.Error() {
		t.Fatalf("error is %v, want %v", err, problems)
	}
	for _, variable := range []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_EXPORTER_OTLP_COMPRESSION", "HTTPS_PROXY", captureContent,
	} {
		if strings.Count(err.Error(), variable+": ") != 1 {
			t.Errorf("%s is not named once: %v", variable, err)
		}
	}
	if strings.Contains(err.Error(), secret) {
		t.Errorf("a secret is quoted: %v", err)
	}
}

func TestTheStartNamesVariablesThatDoNotDoWhatTheySay(t *testing.T) {
	t.Parallel()
	receiver := otlptest.New(t, otlptest.Options{})
	out := &buffer{}
	start(t, configuration(t.TempDir()), exporter.Options{
		Logger: slog.New(slog.NewTextHandler(out, nil)),
		Getenv: environment(map[string]string{
			"OTEL_SDK_DISABLED": "true", "OTEL_CONFIG_FILE": "otel.yaml", "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.HTTPEndpoint() + "/v1/traces",
		}),
	})
	for _, variable := range []string{"OTEL_SDK_DISABLED", "OTEL_CONFIG_FILE", "OTEL_EXPORTER_OTLP_ENDPOINT"} {
		if strings.Count(out.String(), "level=WARN msg=\"an environment variable does not do what it says\" variable="+variable+" hint=") != 1 {
			t.Errorf("%s is not named once:\n%s", variable, out.String())
		}
	}
}
