package admin

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"time"
)

// Config of the admin listener's pages.
type Config struct {
	Status  func(*http.Request) Status
	Version string
	// About is what /about says.
	About func() About
	// Metrics is the Prometheus exposition.
	Metrics http.Handler
	// Pprof adds /debug/pprof/: profiles hold memory contents, so it is off
	// unless asked for.
	Pprof bool
	// Activity is what the webhook listener answered lately, and what waits now.
	Activity func(context.Context) Activity
	// OpenCalls are telephone sessions with messages whose record has not come; of
	// more than MaxOpenCalls so many are counted.
	OpenCalls func(context.Context) int64
	// Log is the delivery log.
	Log Log
	// Calls are the call pages.
	Calls Calls
	// Forget deletes what is known of a person.
	Forget func(context.Context, Person) (Forgotten, error)
	// Attribute tells whether the value of an attribute of a span may be seen, by
	// its key.
	Attribute func(key string) Visibility
	// Sources are the names of the configured ones, Events those of the events that
	// are known: suggestions of the filter.
	Sources func() []string
	Events  []string
	// WebhookURL is where the platform posts to, for people whose log is empty.
	WebhookURL string
	// TraceURL makes trace ids links: a URL with {trace_id} and perhaps {span_id}
	// in it. Empty: they lead to the page of the call.
	TraceURL string
	// Hosts, when set, are the only names that a request may ask for, besides those
	// of the loopback interface. A page in a browser elsewhere can give a name of
	// its own the address 127.0.0.1 and read what answers there (DNS rebinding);
	// the name it asks for shows it. nil: any, because a password protects.
	Hosts []string
	// Unavailable is what an error is of a store that is away and comes back by
	// itself. nil: a store never is.
	Unavailable error
	// Logger of who looked at what a caller said; nil discards.
	Logger *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// New returns the handler of the admin listener.
func New(cfg Config) http.Handler {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	p := newPages(cfg)
	mux := Health(cfg.Status)
	mux.Handle("GET /metrics", cfg.Metrics)
	mux.HandleFunc("GET /about", p.about)
	mux.HandleFunc("GET /assets/{name}", p.asset)
	mux.HandleFunc("GET /{$}", patient(p.overview))
	mux.HandleFunc("GET /deliveries", patient(p.deliveries))
	mux.HandleFunc("GET /deliveries/{id}", patient(p.delivery))
	mux.HandleFunc("POST /deliveries/{id}/retry", p.retry)
	mux.HandleFunc("GET /retry", patient(p.retryReasons))
	mux.HandleFunc("POST /retry", patient(p.retryReason))
	mux.HandleFunc("GET /calls", patient(p.calls))
	mux.HandleFunc("GET /calls/{trace_id}", patient(p.call))
	mux.HandleFunc("GET /lookup", patient(p.lookup))
	mux.HandleFunc("/forget", p.forget)
	mux.HandleFunc("/", p.notFound)
	if cfg.Pprof {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	return p.guard(mux)
}
