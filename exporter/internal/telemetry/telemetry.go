// Package telemetry holds the metrics: those of the calls and those of the exporter
// itself, in one MeterProvider of the SDK. The table in instrument*.go is all that is
// known of each; docs/metrics.md is made from it.
//
//	calls, messages ─► bounded attributes ─► instruments ─┬─► Prometheus (Handler)
//	the stages      ─►                                    └─► OTLP, console (pushed)
//	the store       ─► Snapshot, once a collection ───────┘
//
// Nothing here blocks a stage: a metrics back end that is down costs a line in the
// log now and then. No global state of OpenTelemetry is set.
package telemetry

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	promclient "github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"golang.org/x/time/rate"
)

// Config of the metrics.
type Config struct {
	// Version of the release: service.version, and the version of the scope.
	Version string
	// InstanceID is service.instance.id; default: that of OTEL_RESOURCE_ATTRIBUTES,
	// else random.
	InstanceID string
	// Getenv reads OTEL_METRICS_EXPORTER, OTEL_METRIC_EXPORT_INTERVAL and _TIMEOUT,
	// OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE, OTEL_METRICS_EXEMPLAR_FILTER
	// and OTEL_RESOURCE_ATTRIBUTES; default os.Getenv.
	Getenv func(string) string
	// OTLP is used when OTEL_METRICS_EXPORTER names otlp, as it does by default; see
	// WantsOTLP.
	OTLP OTLP
	// Console is where the console exporter writes; default standard output.
	Console io.Writer
	// Sources are those of the configuration, and CustomKeys the wxa.custom.*
	// attributes that are labels. Both are asked again after a reload that was
	// applied; nil: none.
	Sources    func() []SourceLabels
	CustomKeys func() []string
	// SpanExporter is what sends the spans, one of the conventions' values of
	// otel.component.type ("otlp_grpc_span_exporter"); "" when nothing does.
	SpanExporter string
	// LogExporter is the same for what sends the log records.
	LogExporter string
	// MaxAge is how long ago a call may have ended, or a message been answered, whose
	// metrics are recorded; 0: no limit. Metrics carry the time of their arrival: an
	// old outage must not page as a new one.
	MaxAge time.Duration
	// Now is the clock; default time.Now.
	Now func() time.Time
	// Logger of what an operator must know; nil discards.
	Logger *slog.Logger
}

// Telemetry records metrics. Its methods are safe for concurrent use, and fast
// enough for the paths they are called on.
type Telemetry struct {
	cfg      Config
	log      *slog.Logger
	provider *sdkmetric.MeterProvider
	pushes   []push
	delta    bool // a push exporter wants differences
	registry *promclient.Registry
	scrapes  http.Handler

	recorders []*recorder // in the order of the table
	byName    map[string]*recorder
	points    sync.Pool // of *[]point
	snapshots reading
	follows   atomic.Bool // of the last snapshot

	sayCrowded, sayUnknown, sayUnread *rate.Sometimes

	mu             sync.Mutex // guards what follows
	labels         *labels
	limits         limits
	baseAttributes []attr
	sources        []string // configured
	bases          map[string]*base
	self           *base // of the metrics without base attributes
	ledger         map[string]map[string]int64
	key            []byte               // scratch
	pairs          []attribute.KeyValue // scratch
}

// sdkSeries is the SDK's own limit of the series of an instrument. Its default, 2000,
// would be met by the turns of some fifty agents; limits bounds each instrument before
// it, so this is the second line.
const sdkSeries = maxCounterSeries + 2

// complaintInterval is how often the log repeats what is wrong.
const complaintInterval = time.Minute

func occasionally() *rate.Sometimes { return &rate.Sometimes{First: 1, Interval: complaintInterval} }

// New starts the exporters that the environment asks for. A back end need not be
// there. On an error nothing is left running.
func New(cfg Config) (*Telemetry, error) {
	cfg = cfg.orDefault()
	env, err := readEnvironment(cfg.Getenv)
	if err != nil {
		return nil, err
	}
	t := &Telemetry{
		cfg:        cfg,
		log:        cfg.Logger,
		registry:   promclient.NewRegistry(),
		byName:     map[string]*recorder{},
		delta:      env.delta(),
		labels:     newLabels(),
		limits:     limits{maxBases, maxCounterSeries, maxHistogramSeries},
		bases:      map[string]*base{},
		self:       &base{series: map[string]*series{}},
		sayCrowded: occasionally(),
		sayUnknown: occasionally(),
		sayUnread:  occasionally(),
	}
	t.points.New = func() any { return new([]point) }
	scraper, err := t.newScraper()
	if err != nil {
		return nil, err
	}
	exporters, err := t.newExporters(env)
	if err != nil {
		return nil, err
	}
	options := []sdkmetric.Option{
		sdkmetric.WithResource(env.resource(cfg)),
		sdkmetric.WithReader(scraper),
		sdkmetric.WithExemplarFilter(env.exemplars),
		sdkmetric.WithCardinalityLimit(sdkSeries),
		sdkmetric.WithView(oneExemplar),
	}
	for _, e := range exporters {
		reader := sdkmetric.NewPeriodicReader(e, sdkmetric.WithInterval(env.interval), sdkmetric.WithTimeout(env.timeout))
		t.pushes = append(t.pushes, push{reader, e})
		options = append(options, sdkmetric.WithReader(reader))
	}
	t.provider = sdkmetric.NewMeterProvider(options...)
	if err := t.newRecorders(); err != nil {
		return nil, errors.Join(err, t.Shutdown(context.Background()))
	}
	t.configure()
	return t, nil
}

func (cfg Config) orDefault() Config {
	if cfg.Getenv == nil {
		cfg.Getenv = os.Getenv
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Console == nil {
		cfg.Console = os.Stdout
	}
	return cfg
}

// oneExemplar keeps one exemplar of each counter series, the SDK one per processor: a
// scrape shows one, and the rest is memory. Histograms keep one per bucket.
func oneExemplar(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
	if i.Kind == sdkmetric.InstrumentKindHistogram {
		return sdkmetric.Stream{}, false
	}
	return sdkmetric.Stream{
		Name: i.Name, Description: i.Description, Unit: i.Unit,
		ExemplarReservoirProviderSelector: func(sdkmetric.Aggregation) exemplar.ReservoirProvider {
			return exemplar.FixedSizeReservoirProvider(1)
		},
	}, true
}

// newRecorders makes the instruments of the table.
func (t *Telemetry) newRecorders() error {
	meter := t.provider.Meter("cdr2otel", metric.WithInstrumentationVersion(t.cfg.Version))
	for n, i := range instruments() {
		r := &recorder{instrument: &i, number: byte(n)}
		unit, description := metric.WithUnit(i.unit), metric.WithDescription(i.description)
		var err error
		switch i.kind {
		case counter:
			r.counter, err = meter.Int64Counter(i.name, unit, description)
		case histogram:
			r.histogram, err = meter.Float64Histogram(i.name, unit, description, metric.WithExplicitBucketBoundaries(i.buckets...))
		case total:
			r.total, err = meter.Int64ObservableCounter(i.name, unit, description)
		case gauge:
			r.gauge, err = meter.Float64ObservableGauge(i.name, unit, description)
		}
		if err != nil {
			return fmt.Errorf("metric %s: %w", i.name, err)
		}
		t.recorders = append(t.recorders, r)
		t.byName[i.name] = r
	}
	return t.observe(meter)
}

// Shutdown pushes what was recorded and ends the exporters, at the latest when ctx
// ends. Handler then shows this process only.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	ended := make(chan error, 1)
	// An exporter that does not look at its context (a console nobody reads) must
	// not hold the end of the process.
	go func() { ended <- t.provider.Shutdown(ctx) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// randomID is a version 4 UUID.
func randomID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
