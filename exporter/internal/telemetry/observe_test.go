package telemetry

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cdr2otel/internal/otlptest"
)

// watched are the metrics that are read.
var watched = []string{
	"wxa_exporter_ledger_pending", "wxa_exporter_ledger_dead", "wxa_exporter_store_usage_bytes", "wxa_exporter_store_limit_bytes",
	"wxa_exporter_store_overdue_age_seconds", "wxa_exporter_calls_open", "wxa_exporter_calls_open_age_seconds",
	"wxa_exporter_certificate_expiry_seconds", "wxa_exporter_gate",
}

func TestGaugesShowWhatTheSnapshotSays(t *testing.T) {
	t.Parallel()
	telemetry := setup(t, whole)
	everything(t, telemetry)
	e := scrape(t, telemetry, "text/plain")
	for _, c := range []struct {
		want   float64
		name   string
		labels []string
	}{
		{10, "wxa_exporter_ledger_events_total", []string{"wxa_source", "default", "wxa_state", "accepted"}},
		{0, "wxa_exporter_ledger_events_total", []string{"wxa_source", "default", "wxa_state", "forgotten"}},
		{3, "wxa_exporter_ledger_pending", []string{"wxa_source", "default"}},
		{1, "wxa_exporter_ledger_dead", []string{"wxa_source", "default"}},
		{4096, "wxa_exporter_store_usage_bytes", nil},
		{1 << 30, "wxa_exporter_store_limit_bytes", nil},
		{90, "wxa_exporter_store_overdue_age_seconds", nil},
		{2, "wxa_exporter_calls_open", nil},
		{60, "wxa_exporter_calls_open_age_seconds", nil},
		{float64(noon.Unix()), "wxa_exporter_certificate_expiry_seconds", []string{"wxa_listener", "webhook"}},
		{1, "wxa_exporter_gate", []string{"wxa_signal", "traces", "wxa_reason", "credentials"}},
		{0, "wxa_exporter_gate", []string{"wxa_signal", "traces", "wxa_reason", "unavailable"}},
	} {
		if got := e.value(c.name, c.labels...); got != c.want {
			t.Errorf("%s%v is %v, want %v", c.name, c.labels, got, c.want)
		}
	}
	if got := e.values("wxa_exporter_gate", "wxa_reason"); !slices.Equal(got, slices.Sorted(slices.Values(gateReasons))) {
		t.Errorf("reasons %v", got)
	}
}

func TestTheSnapshotIsReadOncePerCollection(t *testing.T) {
	t.Parallel()
	r := otlptest.New(t, otlptest.Options{})
	telemetry := setup(t, pushing(r, otlptest.ProtocolGRPC, nil))
	var reads atomic.Int64
	telemetry.Observe(func(context.Context) (Snapshot, error) {
		reads.Add(1)
		return Snapshot{}, nil
	})
	for n := range 3 {
		scrape(t, telemetry, "text/plain")
		flush(t, telemetry)
		if got := reads.Load(); got != int64(2*(n+1)) {
			t.Fatalf("%d reads after %d scrapes and pushes", got, n+1)
		}
	}
}

func TestAnErrorLeavesTheGaugesOutAndTheLedgerAsItWas(t *testing.T) {
	t.Parallel()
	var log logs
	telemetry := setup(t, func(c *Config) {
		whole(c)
		c.Logger = log.logger()
	})
	var broken atomic.Bool
	telemetry.Observe(func(ctx context.Context) (Snapshot, error) {
		if _, bounded := ctx.Deadline(); !bounded {
			t.Error("a scrape would wait for ever")
		}
		if broken.Load() {
			return Snapshot{StoreUsage: 7}, errors.New("disk I/O error")
		}
		return Snapshot{
			Ledger: map[string]map[string]int64{"default": {"accepted": 10}}, StoreUsage: 4096, StoreLimit: 1,
			Gates: map[string]string{"traces": ""}, CertificateExpiry: map[string]time.Time{"webhook": noon},
		}, nil
	})
	all := scrape(t, telemetry, "text/plain")
	for _, name := range watched {
		if len(all.find(name)) == 0 {
			t.Errorf("no %s", name)
		}
	}
	broken.Store(true)
	for range 3 {
		e := scrape(t, telemetry, "text/plain")
		for _, name := range watched {
			if found := e.find(name); len(found) > 0 {
				t.Errorf("%s is there: %v", name, found)
			}
		}
		if n := e.value("wxa_exporter_ledger_events_total", "wxa_state", "accepted"); n != 10 {
			t.Errorf("%v accepted, want 10 as before", n)
		}
		if e.value("wxa_calls_total") < 0 || len(e.find("go_goroutines")) == 0 {
			t.Error("other metrics are gone too")
		}
	}
	if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "disk I/O error") {
		t.Errorf("log:\n%s", text)
	}
	broken.Store(false)
	if n := scrape(t, telemetry, "text/plain").value("wxa_exporter_store_usage_bytes"); n != 4096 {
		t.Errorf("usage %v after the error", n)
	}
}

func TestBeforeTheStoreIsOpenThereAreNoGauges(t *testing.T) {
	t.Parallel()
	e := scrape(t, setup(t, nil), "text/plain")
	for _, name := range append([]string{"wxa_exporter_ledger_events_total"}, watched...) {
		if found := e.find(name); len(found) > 0 {
			t.Errorf("%s is there: %v", name, found)
		}
	}
}

func TestTheLedgerOfSourcesThatAreNotConfiguredIsBoundedAndWhole(t *testing.T) {
	t.Parallel()
	telemetry := setup(t, nil)
	ledger := map[string]map[string]int64{}
	for _, source := range numbered("old", 50) {
		ledger[source] = map[string]int64{"accepted": 2}
	}
	telemetry.Observe(func(context.Context) (Snapshot, error) { return Snapshot{Ledger: ledger}, nil })
	for range 2 {
		e := scrape(t, telemetry, "text/plain")
		if n := len(e.values("wxa_exporter_ledger_events_total", "wxa_source")); n != maxSources+2 {
			t.Errorf("%d sources", n)
		}
		if n := e.value("wxa_exporter_ledger_events_total", "wxa_state", "accepted"); n != 100 {
			t.Errorf("%v accepted, want 100", n)
		}
	}
}

func TestWithoutALimitOrTLSThereIsNoSuchGauge(t *testing.T) {
	t.Parallel()
	telemetry := setup(t, nil)
	telemetry.Observe(func(context.Context) (Snapshot, error) { return Snapshot{StoreUsage: 1}, nil })
	e := scrape(t, telemetry, "text/plain")
	for _, name := range []string{"wxa_exporter_store_limit_bytes", "wxa_exporter_certificate_expiry_seconds", "wxa_exporter_gate"} {
		if found := e.find(name); len(found) > 0 {
			t.Errorf("%s is there: %v", name, found)
		}
	}
	exists(t, e, "wxa_exporter_calls_open_age_seconds")
	exists(t, e, "wxa_exporter_store_overdue_age_seconds")
}
