package exporter_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cdr2otel/exporter"
	"cdr2otel/exporter/config"
	"cdr2otel/internal/schematest"
)

func TestReadyNamesWhatRunsAndWhereEverySignalGoes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, c := range map[string]struct {
		env    map[string]string
		events config.Events
		want   map[string]any // of the signals
	}{
		"defaults": {map[string]string{"OTEL_METRICS_EXPORTER": "otlp"}, config.EventsSpan, map[string]any{
			"traces":  map[string]any{"to": "http://localhost:4318/v1/traces (the default)", "protocol": "http/protobuf"},
			"logs":    "not used",
			"metrics": map[string]any{"to": "http://localhost:4318/v1/metrics (the default)", "protocol": "http/protobuf"},
		}},
		"off": {map[string]string{"OTEL_TRACES_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}, config.EventsBoth, map[string]any{
			"traces": "off", "logs": "off", "metrics": "scraped",
		}},
		"secrets in the address": {map[string]string{
			"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
			"OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://127.0.0.1:1/e/s3cretToken1/v1/logs?key=s3cret",
			"OTEL_EXPORTER_OTLP_HEADERS": "authorization=s3cret",
		}, config.EventsBoth, map[string]any{
			"traces":  map[string]any{"to": "http://127.0.0.1:1", "protocol": "grpc"},
			"logs":    map[string]any{"to": "http://127.0.0.1:1/e/…/v1/logs", "protocol": "http/protobuf"},
			"metrics": "scraped",
		}},
	} {
		cfg := configuration(filepath.Join(dir))
		cfg.Store.URL = "sqlite:" + filepath.Join(dir, strings.ReplaceAll(name, " ", "-")+".db")
		cfg.Mapping.Events = c.events
		cfg.Sources["live"] = cfg.Sources[config.DefaultSource]
		opts, log := logged(exporter.Options{Version: "v1.2.3", Getenv: environment(c.env)})
		s := start(t, cfg, opts)
		await(t, func() bool { return strings.Contains(log.String(), `"ready"`) })
		want := map[string]any{
			"version": "v1.2.3",
			"webhook": s.address(t), "tls": false,
			"sources": map[string]any{"default": "/webhook/default", "live": "/webhook/live"},
			"store":   cfg.Store.URL,
			"admin":   s.AdminAddr(), "health": s.HealthAddr(),
		}
		for signal, to := range c.want {
			want[signal] = to
		}
		if diff := cmp.Diff(want, loggedLine(t, log, "ready")); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", name, diff)
		}
		if strings.Contains(log.String(), "s3cret") {
			t.Errorf("%s: a secret is in\n%s", name, log)
		}
	}
}

func TestReadyIsNotSaidWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	cfg := configuration(t.TempDir())
	cfg.Store.URL = "postgres://u:s3cret@127.0.0.1:1/calls"
	opts, log := logged(off())
	s := start(t, cfg, opts)
	const waits = "not ready: waiting for the database; until it answers webhooks are refused with 503 and lost"
	await(t, func() bool { return strings.Contains(log.String(), waits) })
	if _, ready := get(t, "http://"+s.HealthAddr()+"/readyz"); !strings.Contains(ready, `"events_unread":true`) {
		t.Errorf("readyz does not say that the events can't be read: %s", ready)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if got := loggedLine(t, log, waits); got["store"] != "postgres:127.0.0.1:1/calls" || !strings.Contains(got["hint"].(string), "cdr2otel doctor") {
		t.Errorf("it waits for %v", got)
	}
	if got := loggedLine(t, log, "database is unavailable"); !strings.Contains(got["error"].(string), "connection refused") || !strings.Contains(got["hint"].(string), "cdr2otel doctor") {
		t.Errorf("it is away because of %v", got)
	}
	if n := strings.Count(log.String(), "connection refused"); n != 1 {
		t.Errorf("that the connection is refused is said %d times in\n%s", n, log)
	}
	if said := log.String(); strings.Contains(said, `"ready"`) || strings.Contains(said, "s3cret") {
		t.Errorf("ready, or a secret, is in\n%s", said)
	}
}

func TestReadyIsSaidOnceTheDatabaseAnswers(t *testing.T) {
	t.Parallel()
	cfg := configuration(t.TempDir())
	at, way := newSwallowing(t)
	cfg.Store.URL = schematest.With(t, at, "connect_timeout", "1")
	way.swallows.Store(true)
	opts, log := logged(off())
	start(t, cfg, opts)
	await(t, func() bool { return strings.Contains(log.String(), "not ready: waiting for the database") })
	if strings.Contains(log.String(), `"ready"`) {
		t.Errorf("ready is in\n%s", log)
	}
	way.swallows.Store(false)
	await(t, func() bool { return strings.Contains(log.String(), `"ready"`) })
	loggedLine(t, log, "ready")
}

func TestAPortInUseIsTheOnlyThingThatIsSaid(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"webhook", "health", "admin"} {
		opts, _ := logged(off())
		first := start(t, configuration(t.TempDir()), opts)
		cfg := configuration(t.TempDir())
		cfg.Store.URL = "postgres://u@nobody.invalid:1/x?connect_timeout=1" // in plain text, and away
		cfg.Store.AllowAsynchronousCommit = true
		cfg.Mapping.DTMFDigits = true
		cfg.Admin.Endpoint = "0.0.0.0:0"
		taken := map[string]string{"webhook": first.address(t), "health": first.HealthAddr(), "admin": first.AdminAddr()}[key]
		*map[string]*string{"webhook": &cfg.Webhook.Endpoint, "health": &cfg.Health.Endpoint, "admin": &cfg.Admin.Endpoint}[key] = taken
		opts, log := logged(off())
		_, err := exporter.New(t.Context(), cfg, opts)
		want := key + ".endpoint: " + taken + " is in use already; stop what uses it (another cdr2otel?), or set " + key + ".endpoint to another address"
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		if log.String() != "" {
			t.Errorf("before it the log says\n%s", log)
		}
	}
}

func TestAVariableThatMakesNoSenseIsTheOnlyThingThatIsSaid(t *testing.T) {
	t.Parallel()
	for _, variable := range []string{
		"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "OTEL_METRIC_EXPORT_INTERVAL",
	} {
		cfg := configuration(t.TempDir())
		cfg.Store.URL = "postgres://u@127.0.0.1:1/x" // away
		cfg.Admin.Endpoint = "0.0.0.0:0"
		opts, log := logged(exporter.Options{Getenv: environment(map[string]string{variable: "x", "OTEL_METRICS_EXPORTER": "otlp"})})
		if _, err := exporter.New(t.Context(), cfg, opts); err == nil || !strings.HasPrefix(err.Error(), variable+": ") {
			t.Errorf("got %v, want an error that names %s", err, variable)
		}
		if log.String() != "" {
			t.Errorf("%s: before it the log says\n%s", variable, log)
		}
	}
}

func TestAnAdminListenerThatStrangersReachIsWarnedOf(t *testing.T) {
	t.Parallel()
	const message = "the admin listener shows calls to everyone who reaches it, without a password"
	for endpoint, warned := range map[string]bool{"127.0.0.1:0": false, "localhost:0": false, "0.0.0.0:0": true, ":0": true} {
		cfg := configuration(t.TempDir())
		cfg.Admin.Endpoint = endpoint
		opts, log := logged(off())
		start(t, cfg, opts)
		if !warned {
			if strings.Contains(log.String(), message) {
				t.Errorf("%s: warned of:\n%s", endpoint, log)
			}
			continue
		}
		got := loggedLine(t, log, message)
		if got["key"] != "admin.endpoint" || got["at"] != endpoint || !strings.Contains(got["hint"].(string), "admin.web_config") {
			t.Errorf("%s: the warning is %v", endpoint, got)
		}
	}
}
