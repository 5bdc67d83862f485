package telemetry

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// Snapshot is the state that gauges show, and the ledger.
type Snapshot struct {
	// Ledger counts events by source and state: accepted, exported, dropped, expired
	// and forgotten, which only grow, and pending and dead.
	Ledger map[string]map[string]int64
	// StoreUsage and StoreLimit in bytes; a limit of 0: none.
	StoreUsage, StoreLimit int64
	// Overdue is how long the oldest due subject, or request, has waited.
	Overdue time.Duration
	// OpenCalls are phone sessions with messages and no CDR, by source; OpenCallsAge is
	// since when the oldest waits.
	OpenCalls    map[string]int64
	OpenCallsAge time.Duration
	// Follows: the store is shared, and another process reports what is in it (all of
	// the above), so that a sum over processes is right. What follows is each one's own.
	Follows bool
	// Ready: webhooks are taken in.
	Ready bool
	// Gates says for each signal that is exported why sending is held; "": it is not.
	Gates map[string]string
	// CertificateExpiry by listener that speaks TLS.
	CertificateExpiry map[string]time.Time
}

// snapshotTimeout bounds how long a scrape waits for the store.
const snapshotTimeout = 5 * time.Second

// reading is where snapshots come from.
type reading = atomic.Pointer[func(context.Context) (Snapshot, error)]

// Observe sets where gauges and the ledger are read, once for each collection of each
// reader. It is called before anything is recorded. An error leaves the gauges of the
// store out, as a zero would be a claim; those of the process, and Follows, count even
// then.
func (t *Telemetry) Observe(read func(context.Context) (Snapshot, error)) {
	t.snapshots.Store(&read)
	if !t.delta {
		return
	}
	// The ledger survives restarts, and other processes add to it. To whoever wants
	// differences the first one would be all that was ever counted: it is collected here,
	// for nobody, or later if the store can't be read yet.
	for _, p := range t.pushes {
		var discarded metricdata.ResourceMetrics
		err := p.reader.Collect(context.Background(), &discarded)
		p.to.baseless.Store(err != nil || t.lastLedger() == nil)
	}
}

// observe registers the instruments that are read. The callback never errs: the SDK
// would hand that to a global handler, and throw the collection away.
func (t *Telemetry) observe(meter metric.Meter) error {
	var observed []metric.Observable
	for _, r := range t.recorders {
		switch r.kind {
		case total:
			observed = append(observed, r.total)
		case gauge:
			observed = append(observed, r.gauge)
		}
	}
	_, err := meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		if read := t.snapshots.Load(); read != nil {
			t.collect(ctx, o, *read)
		}
		return nil
	}, observed...)
	return err
}

func (t *Telemetry) collect(ctx context.Context, o metric.Observer, read func(context.Context) (Snapshot, error)) {
	ctx, cancel := context.WithTimeout(ctx, snapshotTimeout)
	defer cancel()
	s, err := read(ctx)
	t.follows.Store(s.Follows)
	t.observeProcess(o, s)
	if err != nil {
		t.sayUnread.Do(func() { t.log.Warn("gauges are left out, their values could not be read", "error", err) })
		// What the ledger counted stays counted; to leave a counter out would make
		// its next difference all of it.
		t.observeLedger(o, t.lastLedger(), s.Follows)
		return
	}
	ledger := t.boundLedger(s.Ledger)
	t.observeLedger(o, ledger, s.Follows)
	if !s.Follows {
		t.observeStore(o, s, ledger)
	}
}

// observeStore observes what is in the store.
func (t *Telemetry) observeStore(o metric.Observer, s Snapshot, ledger map[string]map[string]int64) {
	for source, states := range ledger {
		t.observeGauge(o, metricPending, float64(states["pending"]), keySource.String(source))
		t.observeGauge(o, metricDead, float64(states["dead"]), keySource.String(source))
	}
	t.observeGauge(o, metricStoreUsage, float64(s.StoreUsage))
	if s.StoreLimit > 0 {
		t.observeGauge(o, metricStoreLimit, float64(s.StoreLimit))
	}
	t.observeGauge(o, metricOverdue, max(0, s.Overdue.Seconds()))
	for source, n := range t.bySource(s.OpenCalls) {
		t.observeGauge(o, metricCallsOpen, float64(n), keySource.String(source))
	}
	t.observeGauge(o, metricCallsOpenAge, max(0, s.OpenCallsAge.Seconds()))
}

// observeProcess observes what each process has of its own.
func (t *Telemetry) observeProcess(o metric.Observer, s Snapshot) {
	ready := 0.0
	if s.Ready {
		ready = 1
	}
	t.observeGauge(o, metricReady, ready)
	for listener, expiry := range s.CertificateExpiry {
		t.observeGauge(o, metricCertificate, float64(expiry.Unix()), keyListener.String(listener))
	}
	for signal, held := range s.Gates {
		for _, reason := range gateReasons {
			value := 0.0
			if held == reason {
				value = 1
			}
			t.observeGauge(o, metricGate, value, keySignal.String(signal), keyReason.String(reason))
		}
	}
}

// boundLedger has a line for each configured source, and bounded names of others.
func (t *Telemetry) boundLedger(ledger map[string]map[string]int64) map[string]map[string]int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	bounded := make(map[string]map[string]int64, len(ledger)+len(t.sources))
	for _, source := range t.sources {
		bounded[source] = map[string]int64{}
	}
	for source, states := range ledger {
		name := t.labels.cap(place{key: keySource}, source, maxSources)
		if bounded[name] == nil {
			bounded[name] = map[string]int64{}
		}
		for state, n := range states {
			bounded[name][state] += n
		}
	}
	t.ledger = bounded
	return bounded
}

// bySource has each configured source, with 0, and bounded names of others.
func (t *Telemetry) bySource(counts map[string]int64) map[string]int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	bounded := make(map[string]int64, len(counts)+len(t.sources))
	for _, source := range t.sources {
		bounded[source] = 0
	}
	for source, n := range counts {
		bounded[t.labels.cap(place{key: keySource}, source, maxSources)] += n
	}
	return bounded
}

func (t *Telemetry) lastLedger() map[string]map[string]int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ledger
}

// observeLedger is for the process that reports it. Of differences the others keep
// count as well, for nobody (see trim): whoever takes over goes on from there.
func (t *Telemetry) observeLedger(o metric.Observer, ledger map[string]map[string]int64, follows bool) {
	if follows && !t.delta {
		return
	}
	for source, states := range ledger {
		for _, state := range ledgerStates {
			o.ObserveInt64(t.byName[metricLedger].total, states[state],
				metric.WithAttributes(keySource.String(source), keyState.String(state)))
		}
	}
}

// trim takes the ledger out of what is pushed while another process reports it, and the
// first one that differences begin with.
func (r *reported) trim(m *metricdata.ResourceMetrics) {
	if !r.follows.Load() && !r.baseless.Load() {
		return
	}
	isLedger := func(m metricdata.Metrics) bool { return m.Name == metricLedger }
	for i, scope := range m.ScopeMetrics {
		if slices.ContainsFunc(scope.Metrics, isLedger) {
			r.baseless.Store(false)
			m.ScopeMetrics[i].Metrics = slices.DeleteFunc(scope.Metrics, isLedger)
		}
	}
}

// leading is what is scraped, without the ledger while another process reports it.
type leading struct{ *Telemetry }

func (l leading) Gather() ([]*dto.MetricFamily, error) {
	families, err := l.registry.Gather()
	if l.follows.Load() {
		name := l.byName[metricLedger].prometheus
		families = slices.DeleteFunc(families, func(f *dto.MetricFamily) bool { return f.GetName() == name })
	}
	return families, err
}

func (t *Telemetry) observeGauge(o metric.Observer, name string, value float64, attributes ...attribute.KeyValue) {
	o.ObserveFloat64(t.byName[name].gauge, value, metric.WithAttributes(attributes...))
}
