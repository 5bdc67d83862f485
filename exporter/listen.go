package exporter

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/exporter-toolkit/web"

	"cdr2otel/exporter/internal/admin"
	"cdr2otel/exporter/internal/delivery"
	"cdr2otel/exporter/internal/receiver"
	"cdr2otel/exporter/internal/store"
)

// listen takes the three addresses. Nothing is answered there before Run.
func (e *Exporter) listen(ctx context.Context) (err error) {
	if e.cfg.Webhook.TLSEnabled() {
		e.webhookTLS, err = e.cfg.Webhook.TLS.LoadTLSConfig(ctx)
		if err != nil {
			return fmt.Errorf("webhook.tls: %w", err)
		}
		e.renewal = newRenewal(e.webhookTLS.GetCertificate, e.log)
		e.webhookTLS.GetCertificate = e.renewal.certificate
	}
	var lc net.ListenConfig
	for _, l := range []struct {
		key, endpoint string
		to            *net.Listener
	}{
		{"webhook.endpoint", e.cfg.Webhook.Endpoint, &e.webhook},
		{"health.endpoint", e.cfg.Health.Endpoint, &e.health},
		{"admin.endpoint", e.cfg.Admin.Endpoint, &e.admin},
	} {
		*l.to, err = lc.Listen(ctx, "tcp", l.endpoint)
		if err != nil {
			seen, do := ExplainListen(l.key, l.endpoint, err)
			return fmt.Errorf("%s: %s; %s", l.key, seen, do)
		}
	}
	return nil
}

// server is a listener and what serves it.
type server struct {
	name  string
	http  *http.Server
	serve func() error
}

func (e *Exporter) servers() []server {
	webhook := receiver.NewServer(e.receiver, receiver.ServerLimits{
		MaxConnections: receiver.Connections(e.cfg.Webhook.MaxInFlight),
	}, e.log)
	webhook.OnBelow(e.refusedBelow)
	health := e.plainServer(withoutBody(admin.Health(e.status)))
	adminServer := e.plainServer(receiver.Authenticated(admin.New(e.adminConfig())))
	return []server{
		{"webhook", webhook.Server, func() error { return e.serveWebhook(webhook) }},
		{"health", health.Server, func() error { return health.Serve(e.health) }},
		{"admin", adminServer.Server, func() error { return e.serveAdmin(adminServer) }},
	}
}

// plainServer is for small requests of few clients. Probes need no credentials, so
// the health listener is open to strangers like that of the webhooks.
func (e *Exporter) plainServer(h http.Handler) *receiver.Server {
	return receiver.NewServer(h, receiver.ServerLimits{MaxConnections: 256}, e.log)
}

// withoutBody refuses a request that brings a body: a probe has none, and net/http
// would wait for it, so that strangers could keep the probes out.
func withoutBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength == 0 {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Connection", "close")
		// A writer that has no deadlines has no connection either.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now())
		http.Error(w, "send no body", http.StatusRequestEntityTooLarge)
	})
}

func (e *Exporter) serveWebhook(s *receiver.Server) error {
	if e.webhookTLS == nil {
		return s.Serve(e.webhook)
	}
	s.TLSConfig = e.webhookTLS
	return s.ServeTLS(e.webhook)
}

// serveAdmin adds the TLS and basic auth of admin.web_config, read anew by the
// toolkit for every request.
func (e *Exporter) serveAdmin(s *receiver.Server) error {
	path := e.cfg.Admin.WebConfig
	return web.Serve(s.Limit(e.admin), s.Server, &web.FlagConfig{WebConfigFile: &path}, e.log.With("listener", "admin"))
}

// statusPatience bounds how long /readyz waits for a store that hangs. Probes ask again.
const statusPatience = 5 * time.Second

// status is what /readyz says.
func (e *Exporter) status(r *http.Request) admin.Status {
	usage := e.store.Usage()
	s := admin.Status{
		StartedAt:  e.began.UTC(),
		Delivery:   map[string]admin.Signal{},
		Events:     map[string]int64{},
		Rejected:   e.rejected.Load(),
		StoreBytes: usage.Used,
		StoreLimit: usage.Limit,
	}
	s.RefusedByReason, s.Refused = e.refusals.byReason()
	ctx, cancel := context.WithTimeout(r.Context(), statusPatience)
	defer cancel()
	ledger, err := e.store.Ledger(ctx)
	s.EventsUnread = err != nil
	for _, signal := range exported {
		s.Delivery[signal] = e.signalState(signal, s.EventsUnread)
	}
	switch {
	case errors.Is(err, store.ErrUnavailable):
		s.NotReady = err.Error()
	case err != nil:
		s.NotReady = "the store can't be read"
	}
	for _, states := range ledger {
		for state, n := range states {
			s.Events[string(state)] += n
		}
	}
	if err := e.store.Ready(); err != nil {
		s.NotReady = err.Error()
	}
	if e.draining.Load() {
		s.NotReady = "shutting down"
	}
	return s
}

// signalState is how the export of a signal goes. Unread: the store can't be read, and
// with it what waits to leave.
func (e *Exporter) signalState(signal string, unread bool) admin.Signal {
	o := e.outlet(signal)
	if o == nil {
		return admin.Signal{State: admin.SignalOff}
	}
	g := o.delivery.Gate()
	switch {
	case !g.Open: // also with what an earlier configuration left to be sent
		held := admin.Signal{State: admin.SignalHeld, Reason: g.Reason, Detail: g.Detail, Destination: o.destination, Since: g.Since, Until: g.Until}
		held.Trying = !held.Until.After(time.Now()) // which is the clock of delivery
		if unread {
			held.Until, held.Trying = time.Time{}, false
		}
		return held
	case signal == delivery.SignalLogs && !e.settings.Load().records.leave():
		return admin.Signal{State: admin.SignalUnused}
	case unread:
		return admin.Signal{State: admin.SignalUnknown}
	case !o.sent.Load():
		return admin.Signal{State: admin.SignalIdle}
	}
	return admin.Signal{State: admin.SignalSending}
}
