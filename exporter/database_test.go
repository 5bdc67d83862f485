package exporter_test

import (
	"log/slog"
	"strings"
	"testing"

	"cdr2otel/exporter"
	"cdr2otel/exporter/config"
	"cdr2otel/internal/schematest"
)

func TestADatabaseThatCommitsAsynchronouslyIsTakenOnlyWhenTheConfigurationAllowsIt(t *testing.T) {
	t.Parallel()
	at, _ := schematest.New(t)
	cfg := configuration(t.TempDir())
	cfg.Store.URL = schematest.With(t, at, "synchronous_commit", "off")
	log := &buffer{}
	opts := off()
	opts.Logger = slog.New(slog.NewTextHandler(log, nil))
	if e, err := exporter.New(t.Context(), cfg, opts); err == nil || !strings.Contains(err.Error(), "not durable") {
		t.Errorf("%v, %v, want that it is not durable", e, err)
	}
	cfg.Store.AllowAsynchronousCommit = true
	start(t, cfg, opts).accepted(t, sample(t, "dtmf_call.cdr.json"))
	if !strings.Contains(log.String(), "store.allow_asynchronous_commit is on") {
		t.Errorf("nobody was warned:\n%s", log)
	}
	// As "cdr2otel forget" does, whether a sidecar runs or not.
	gone, err := exporter.Forget(t.Context(), cfg, exporter.Person{Source: config.DefaultSource, SessionID: "nobody's"})
	if err != nil || gone.Events != 0 {
		t.Errorf("forgot %+v, %v", gone, err)
	}
}

func TestPlainTextToTheDatabaseIsWarnedOf(t *testing.T) {
	t.Parallel()
	for host, warned := range map[string]bool{"nobody.invalid": true, "localhost": false} {
		cfg := configuration(t.TempDir())
		cfg.Store.URL = "postgres://u@" + host + ":1/x?connect_timeout=1"
		log := &buffer{}
		opts := off()
		opts.Logger = slog.New(slog.NewTextHandler(log, nil))
		start(t, cfg, opts) // it waits for the database
		if got := strings.Contains(log.String(), "sslmode of store.url allows plain text"); got != warned {
			t.Errorf("%s: warned %v, want %v:\n%s", host, got, warned, log)
		}
	}
}

// The store said so. What looks now and then need not say it again each time.
func TestThatTheDatabaseIsAwayIsSaidOnce(t *testing.T) {
	t.Parallel()
	cfg := configuration(t.TempDir())
	cfg.Store.URL = "postgres://u@127.0.0.1:1/x"
	log := &buffer{}
	opts := off()
	opts.Logger = slog.New(slog.NewTextHandler(log, nil))
	s := start(t, cfg, opts)
	await(t, func() bool { return strings.Contains(log.String(), "not ready: waiting for the database") })
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if said := log.String(); strings.Count(said, "level=ERROR") != 1 || !strings.Contains(said, "database is unavailable") {
		t.Errorf("not said once:\n%s", said)
	}
}
