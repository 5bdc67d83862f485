package telemetry

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"cdr2otel/internal/otlptest"
)

// replica is one of two processes on a store.
type replica struct {
	*Telemetry
	follows atomic.Bool
	broken  atomic.Bool
}

// replicas share what accepted counts. Each pushes to a receiver of its own.
func replicas(t *testing.T, accepted *atomic.Int64, temporality string) (both [2]*replica, receivers [2]*otlptest.Receiver) {
	t.Helper()
	for i := range both {
		r := &replica{}
		r.follows.Store(i > 0)
		receivers[i] = otlptest.New(t, otlptest.Options{})
		r.Telemetry = setup(t, pushing(receivers[i], otlptest.ProtocolGRPC, env{envTemporality: temporality}))
		r.Observe(func(context.Context) (Snapshot, error) {
			s := Snapshot{
				Ledger: map[string]map[string]int64{"default": {"accepted": accepted.Load()}}, StoreUsage: 1, StoreLimit: 2,
				OpenCalls: map[string]int64{"default": 1}, Follows: r.follows.Load(), Ready: true, Gates: map[string]string{"traces": "failing"},
			}
			if r.broken.Load() {
				return s, errors.New("no connection")
			}
			return s, nil
		})
		both[i] = r
	}
	return both, receivers
}

// ofTheStore are the metrics that one process reports for all.
var ofTheStore = []string{
	"wxa_exporter_ledger_events_total", "wxa_exporter_ledger_pending", "wxa_exporter_ledger_dead", "wxa_exporter_store_usage_bytes",
	"wxa_exporter_store_limit_bytes", "wxa_exporter_store_overdue_age_seconds", "wxa_exporter_calls_open", "wxa_exporter_calls_open_age_seconds",
}

func TestOneProcessReportsWhatIsInASharedStoreAndEachItsOwn(t *testing.T) {
	t.Parallel()
	for _, temporality := range []string{"cumulative", "delta", "lowmemory"} {
		t.Run(temporality, func(t *testing.T) {
			t.Parallel()
			var accepted atomic.Int64
			accepted.Store(1000)
			both, receivers := replicas(t, &accepted, temporality)
			for _, leader := range []int{0, 1, 0} {
				for i, r := range both {
					r.follows.Store(i != leader)
					e := scrape(t, r.Telemetry, "text/plain")
					flush(t, r.Telemetry)
					pushed := last(t, receivers[i])
					for _, instrument := range instruments() {
						for _, name := range ofTheStore {
							if name != instrument.prometheus {
								continue
							}
							if there := len(e.find(name)) > 0; there != (i == leader) {
								t.Errorf("replica %d leads, a scrape of %d has %s: %v", leader, i, name, there)
							}
							if there := pushed[instrument.name] != nil; there != (i == leader) {
								t.Errorf("replica %d leads, %d pushes %s: %v", leader, i, instrument.name, there)
							}
						}
					}
					if n := e.value("wxa_exporter_gate", "wxa_reason", "failing"); n != 1 || e.value("wxa_exporter_ready") != 1 {
						t.Errorf("replica %d leads, %d does not show its own", leader, i)
					}
				}
			}
		})
	}
}

// Its first difference must not be everything that was ever counted, and none that the
// other reported.
func TestWhoTakesOverGoesOnWithTheDifferences(t *testing.T) {
	t.Parallel()
	var accepted atomic.Int64
	accepted.Store(1000)
	both, receivers := replicas(t, &accepted, "delta")
	reported := int64(0)
	for round := range 6 {
		leader := round / 2 % 2
		accepted.Add(7)
		for i, r := range both {
			r.follows.Store(i != leader)
			flush(t, r.Telemetry)
			reported += sum(last(t, receivers[i])[metricLedger])
		}
	}
	if reported != 6*7 {
		t.Errorf("the differences add up to %d, want %d", reported, 6*7)
	}
}

func TestWithoutADatabaseAProcessShowsItsOwnAndNothingOfTheStore(t *testing.T) {
	t.Parallel()
	var accepted atomic.Int64
	both, _ := replicas(t, &accepted, "cumulative")
	scrape(t, both[0].Telemetry, "text/plain")
	both[0].broken.Store(true)
	both[0].follows.Store(true) // who can't reach the database does not lead
	e := scrape(t, both[0].Telemetry, "text/plain")
	for _, name := range ofTheStore {
		if found := e.find(name); len(found) > 0 {
			t.Errorf("%s is there: %v", name, found)
		}
	}
	if len(e.find("wxa_exporter_gate")) == 0 || e.value("wxa_exporter_ready") != 1 {
		t.Error("its own gauges are gone too")
	}
}

// Its database was away when it started: what was counted before it came is nobody's
// difference.
func TestWhoFindsItsDatabaseLaterDoesNotReportAllThatWasEverCounted(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"it leads at once", "another leads first"} {
		t.Run(first, func(t *testing.T) {
			t.Parallel()
			var accepted atomic.Int64
			var follows, there atomic.Bool
			accepted.Store(1000)
			follows.Store(true)
			receiver := otlptest.New(t, otlptest.Options{})
			r := setup(t, pushing(receiver, otlptest.ProtocolGRPC, env{envTemporality: "delta"}))
			r.Observe(func(context.Context) (Snapshot, error) {
				s := Snapshot{Ledger: map[string]map[string]int64{"default": {"accepted": accepted.Load()}}, Follows: follows.Load()}
				if !there.Load() {
					return s, errors.New("no connection")
				}
				return s, nil
			})
			flush(t, r)
			there.Store(true)
			follows.Store(first == "another leads first")
			flush(t, r)
			follows.Store(false)
			reported := sum(last(t, receiver)[metricLedger])
			for range 3 {
				accepted.Add(7)
				flush(t, r)
				reported += sum(last(t, receiver)[metricLedger])
			}
			if reported != 3*7 {
				t.Errorf("the differences add up to %d, want %d", reported, 3*7)
			}
		})
	}
}
