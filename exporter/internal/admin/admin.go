package admin

import (
	"fmt"
	"net/http"
	"net/http/pprof"

	"github.com/prometheus/exporter-toolkit/web"
)

// Config of the admin listener's pages.
type Config struct {
	Status  func(*http.Request) Status
	Version string
	// Metrics is the Prometheus exposition.
	Metrics http.Handler
	// Pprof adds /debug/pprof/: profiles hold memory contents, so it is off
	// unless asked for.
	Pprof bool
}

// New returns the handler of the admin listener.
func New(cfg Config) (http.Handler, error) {
	mux := Health(cfg.Status)
	page := web.LandingConfig{
		Name:        "cdr2otel",
		Description: "Telephone calls with IBM watsonx Assistant as OpenTelemetry traces",
		Version:     cfg.Version,
		Profiling:   "false",
		Links: []web.LandingLinks{
			{Address: "/metrics", Text: "Metrics", Description: "of the calls and of this process, as Prometheus and OpenMetrics want them"},
			{Address: "/readyz", Text: "Readiness", Description: "can it acknowledge, is it sending, how many events are in which state"},
			{Address: "/healthz", Text: "Health", Description: "the process lives"},
		},
	}
	if cfg.Pprof {
		page.Profiling = "true"
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	mux.Handle("GET /metrics", cfg.Metrics)
	landing, err := web.NewLandingPage(page)
	if err != nil {
		return nil, fmt.Errorf("landing page: %w", err)
	}
	mux.Handle("GET /{$}", landing)
	return mux, nil
}
