package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"

	"go.opentelemetry.io/otel/exporters/stdout/stdoutmetric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"golang.org/x/time/rate"
)

// newExporters makes what pushes metrics.
func (t *Telemetry) newExporters(env *environment) ([]*reported, error) {
	cfg := t.cfg
	var exporters []*reported
	if env.otlp {
		e, closeConnection, err := cfg.OTLP.exporter(cfg, env)
		if err != nil {
			return nil, err
		}
		exporters = append(exporters, report(e, closeConnection, t, cfg.OTLP.secrets()))
	}
	if env.console {
		e, err := stdoutmetric.New(stdoutmetric.WithWriter(cfg.Console), stdoutmetric.WithTemporalitySelector(env.temporality))
		if err != nil {
			return nil, errors.Join(err, shutDown(exporters))
		}
		exporters = append(exporters, report(e, nil, t, nil))
	}
	return exporters, nil
}

func shutDown(exporters []*reported) (err error) {
	for _, e := range exporters {
		err = errors.Join(err, e.Shutdown(context.Background()))
	}
	return err
}

// push is what collects metrics now and then, and where it pushes them.
type push struct {
	reader *sdkmetric.PeriodicReader
	to     *reported
}

// reported is an exporter whose errors go to the log, now and then, and no further:
// the SDK would hand them to a global handler, one a minute for as long as the back
// end is down.
type reported struct {
	sdkmetric.Exporter
	closeConnection func() error
	follows         *atomic.Bool // another process reports the ledger
	baseless        atomic.Bool  // what differences of the ledger begin with is not known
	log             *slog.Logger
	secrets         []string
	say             *rate.Sometimes
	failures        atomic.Int64 // since the last success
}

func report(e sdkmetric.Exporter, closeConnection func() error, t *Telemetry, secrets []string) *reported {
	return &reported{Exporter: e, closeConnection: closeConnection, follows: &t.follows, log: t.log, secrets: secrets, say: occasionally()}
}

func (r *reported) Export(ctx context.Context, m *metricdata.ResourceMetrics) error {
	r.trim(m)
	err := r.Exporter.Export(ctx, m)
	if err == nil {
		if failures := r.failures.Swap(0); failures > 0 {
			r.log.Info("metrics are exported again", "failures", failures)
		}
		return nil
	}
	failures := r.failures.Add(1)
	r.say.Do(func() {
		r.log.Warn("metrics were not exported, or only in part", "error", r.words(err), "failures", failures)
	})
	return nil
}

func (r *reported) Shutdown(ctx context.Context) error {
	err := r.Exporter.Shutdown(ctx)
	if r.closeConnection != nil {
		err = errors.Join(err, r.closeConnection())
	}
	return err
}

// words of an error, which may quote what the back end answered: one line, bounded,
// without the credentials that were sent to it (I5).
func (r *reported) words(err error) string {
	const longest = 512
	text := err.Error()
	for _, secret := range r.secrets {
		text = strings.ReplaceAll(text, secret, "[redacted]")
	}
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return text
}
