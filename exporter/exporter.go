// Package exporter is the sidecar as one value: it joins the stages
//
//	receiver ──► store: inbox ──► correlator ──► mapping ──► store: outbox ──► delivery
//
// and owns their lifecycle. The stages never import each other; the functions
// here are the joints.
package exporter

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"cdr2otel/exporter/config"
	"cdr2otel/exporter/internal/correlator"
	"cdr2otel/exporter/internal/delivery"
	"cdr2otel/exporter/internal/receiver"
	"cdr2otel/exporter/internal/store"
	"cdr2otel/exporter/internal/telemetry"
	"cdr2otel/mapping"
)

// Options of an exporter that are not configuration.
type Options struct {
	// Version of the release: the version of the instrumentation scope.
	Version string
	// Logger of what an operator must know; nil discards.
	Logger *slog.Logger
	// Getenv reads the OTEL_* variables; nil is os.Getenv.
	Getenv func(string) string
	// Now is the clock; nil is time.Now, and in the store that of its database, which
	// all replicas share.
	Now func() time.Time
}

// Exporter is the sidecar. New opens everything, Run serves until its context
// ends, and closes.
type Exporter struct {
	cfg      config.Config
	opts     Options
	clock    func() time.Time // of the store, see Options.Now
	log      *slog.Logger
	settings atomic.Pointer[settings]
	draining atomic.Bool
	hashers  sync.Pool // of *mapping.Hasher: intake is the hot path
	refusals *refusals
	began    time.Time    // when this process opened it
	rejected atomic.Int64 // spans that partial successes rejected, since the start
	// sayCertificate says now and then that a certificate can't be read.
	sayCertificate rate.Sometimes

	deadLetters deadLetters

	opened  atomic.Bool // everything below is there
	store   *store.Store
	outlets []*outlet // of the signals that are exported
	// destinations of the signals that leave over OTLP or to the console.
	destinations map[string]delivery.Settings
	// observations of the synchronous webhooks, on their way to the store.
	observations *observations
	telemetry    *telemetry.Telemetry
	correlator   *correlator.Correlator
	receiver     *receiver.Receiver

	webhook, health, admin net.Listener
	webhookTLS             *tls.Config // nil: plain HTTP
	renewal                *renewal    // of its certificate
	started                chan struct{}

	// patience ends, by impatient, when nobody may wait for the database any more.
	patience  context.Context
	impatient context.CancelFunc
}

// New validates the configuration and opens the store and the listeners; it
// takes nothing in before Run. A collector need not be there. On an error nothing
// is left open.
func New(ctx context.Context, cfg config.Config, opts Options) (*Exporter, error) {
	clock := opts.Now
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Getenv == nil {
		opts.Getenv = os.Getenv
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	e := &Exporter{cfg: cfg, opts: opts, clock: clock, log: opts.Logger, refusals: newRefusals(), began: opts.Now(), observations: newObservations(), started: make(chan struct{})}
	e.sayCertificate = rate.Sometimes{First: 1, Interval: time.Minute}
	e.patience, e.impatient = context.WithCancel(context.WithoutCancel(ctx))
	e.hashers.New = func() any { return new(mapping.Hasher) }
	if err := e.open(ctx); err != nil {
		return nil, errors.Join(err, e.close())
	}
	return e, nil
}

// Started is closed once every listener answers.
func (e *Exporter) Started() <-chan struct{} { return e.started }

// WebhookURL is where the webhooks of a source are posted.
func (e *Exporter) WebhookURL(source string) string {
	scheme := "http"
	if e.webhookTLS != nil {
		scheme = "https"
	}
	return scheme + "://" + e.webhook.Addr().String() + e.cfg.Webhook.Path + "/" + source
}

// HealthAddr is the address of the health listener, host:port.
func (e *Exporter) HealthAddr() string { return e.health.Addr().String() }

// AdminAddr is the address of the admin listener, host:port.
func (e *Exporter) AdminAddr() string { return e.admin.Addr().String() }

func (e *Exporter) open(ctx context.Context) error {
	if err := e.cfg.Validate().Err(); err != nil {
		return err
	}
	if err := append(e.cfg.CheckStore(), e.cfg.CheckWebConfig()...).Err(); err != nil {
		return err
	}
	environment := CheckEnvironment(e.opts.Getenv)
	if err := environment.Problems.Err(); err != nil {
		return err
	}
	environment.warn(e.opts)
	s, err := newSettings(e.cfg, e.opts)
	if err != nil {
		return err
	}
	e.settings.Store(s)
	// The usual mistakes come first: a wrong variable, a port in use. What is posted while
	// the store opens waits for Run, rather than being refused.
	for _, step := range []func(context.Context) error{
		e.readDestinations, e.listen, e.openStore, e.openDelivery, e.openTelemetry, e.openCorrelator, e.openReceiver,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	e.opened.Store(true)
	e.warnAtStart()
	return nil
}

func (e *Exporter) openStore(ctx context.Context) (err error) {
	e.store, err = store.Open(ctx, store.Config{
		URL:                 e.cfg.Store.URL,
		MaxSize:             int64(e.cfg.Store.MaxSize),
		Retention:           e.cfg.Store.Retention,
		DeadLetterRetention: e.cfg.Store.DeadLetterRetention,
		KeepBodies:          e.cfg.Store.KeepBodies,

		AllowAsynchronousCommit: e.cfg.Store.AllowAsynchronousCommit,

		Now:    e.clock,
		Logger: e.log,
		// A database that others use may have something to tell before there is somebody
		// to hear it, who begins with a look at everything.
		OnDue: func(at time.Time) {
			if e.opened.Load() {
				e.correlator.Due(at)
			}
		},
		OnOutbox: func() {
			if !e.opened.Load() {
				return
			}
			for _, o := range e.outlets {
				o.delivery.Wake()
			}
		},
	})
	return err
}

func (e *Exporter) openCorrelator(context.Context) error {
	e.correlator = correlator.New(correlator.Config{
		Inbox:       inbox{store: e.store, exported: e.isExported},
		Mapper:      func(source string) *mapping.Mapper { return e.settings.Load().mapper(source) },
		LogKey:      func(logID string) correlator.Hash { return logKey(logID) },
		MaxRequest:  mapping.MaxRequest,
		OnAssembled: e.measureAssembly,
		Batch:       16 * runtime.GOMAXPROCS(0),
		Poll:        e.poll(time.Minute),
		Now:         e.opts.Now,
		Logger:      e.log,
	})
	return nil
}

// replicaPoll is how often a replica looks for what it was not told of: who took the last
// piece of a call may have died before it told anybody, and a notice goes lost with the
// connection that it should have come by. A call leaves within half a second all the same.
const replicaPoll = 400 * time.Millisecond

// poll is how long a stage sleeps when nobody wakes it. A process that has its store to
// itself hears of everything.
func (e *Exporter) poll(alone time.Duration) time.Duration {
	if e.store.Shared() {
		return replicaPoll
	}
	return alone
}

func (e *Exporter) openReceiver(context.Context) error {
	proxies, err := trustedProxies(e.cfg.Webhook.TrustedProxies)
	if err != nil {
		return err
	}
	e.receiver, err = receiver.New(receiver.Config{
		Path:           e.cfg.Webhook.Path,
		Sources:        e.settings.Load().sources,
		MaxBody:        int64(e.cfg.Webhook.MaxRequestBodySize),
		MaxInFlight:    e.cfg.Webhook.MaxInFlight,
		TrustedProxies: proxies,
		Accept:         e.accept,
		Observe:        e.observe,
		OnAnswer:       e.answered,
		Logger:         e.log,
		Now:            e.opts.Now,
	})
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	return nil
}

// trustedProxies reads addresses and networks.
func trustedProxies(list []string) ([]netip.Prefix, error) {
	prefixes := make([]netip.Prefix, len(list))
	for i, text := range list {
		if addr, err := netip.ParseAddr(text); err == nil {
			prefixes[i] = netip.PrefixFrom(addr, addr.BitLen())
			continue
		}
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("webhook.trusted_proxies[%d]: %w", i, err)
		}
		prefixes[i] = prefix
	}
	return prefixes, nil
}

// close releases what open opened; it is safe after a partial open.
func (e *Exporter) close() error {
	e.impatient()
	var errs []error
	for _, l := range []net.Listener{e.webhook, e.health, e.admin} {
		if l != nil {
			if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
	}
	if e.telemetry != nil {
		// Before the store, which the last snapshot reads. A metrics back end that is
		// not there has said so in the log, and costs no more than this time.
		ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
		defer cancel()
		if err := e.telemetry.Shutdown(ctx); err != nil {
			e.log.Warn("the last metrics were not pushed", "error", err)
		}
	}
	for _, o := range e.outlets {
		errs = append(errs, o.client.Close())
	}
	if e.store != nil {
		errs = append(errs, e.store.Close())
	}
	return errors.Join(errs...)
}
