package telemetry

import (
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"golang.org/x/time/rate"
)

// newScraper makes the reader that a scrape reads, and the handler. Labels are those
// of OTLP: the scope adds none, and the resource is target_info's.
func (t *Telemetry) newScraper() (sdkmetric.Reader, error) {
	reader, err := prometheus.New(prometheus.WithRegisterer(t.registry), prometheus.WithoutScopeInfo())
	if err != nil {
		return nil, fmt.Errorf("prometheus exporter: %w", err)
	}
	t.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	t.scrapes = promhttp.HandlerFor(leading{t}, promhttp.HandlerOpts{
		ErrorLog:            scrapeLog{t, occasionally()},
		ErrorHandling:       promhttp.ContinueOnError, // one bad series must not hide the others
		EnableOpenMetrics:   true,                     // exemplars
		MaxRequestsInFlight: 16,
		CoalesceGather:      true, // scrapes at the same time are one; snapshotTimeout bounds it
	})
	return reader, nil
}

// Handler is the exposition: OpenMetrics with exemplars for whoever accepts it, else
// Prometheus' text format.
func (t *Telemetry) Handler() http.Handler { return t.scrapes }

// scrapeLog says now and then what a scrape could not show.
type scrapeLog struct {
	t   *Telemetry
	say *rate.Sometimes
}

func (l scrapeLog) Println(v ...any) {
	l.say.Do(func() { l.t.log.Error("metrics could not be shown as a whole", "error", fmt.Sprint(v...)) })
}
