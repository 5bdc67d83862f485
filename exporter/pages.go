package exporter

import (
	"maps"
	"net"
	"slices"

	"cdr2otel/exporter/config"
	"cdr2otel/exporter/internal/admin"
	"cdr2otel/exporter/internal/store"
)

// adminConfig is what the pages show.
func (e *Exporter) adminConfig() admin.Config {
	return admin.Config{
		Status:     e.status,
		Version:    e.opts.Version,
		About:      e.about,
		Metrics:    e.telemetry.Handler(),
		Pprof:      e.cfg.Admin.PProf,
		Activity:   e.lately,
		OpenCalls:  e.openCalls,
		Log:        deliveryLog{e},
		Forget:     e.forget,
		Calls:      callLog{e},
		Attribute:  e.visibility,
		Sources:    e.sourceNames,
		Events:     []string{nameCDR, nameMessage},
		WebhookURL: e.WebhookURL(e.anySource()),
		TraceURL:   e.cfg.Admin.TraceURL,
		Hosts:      e.adminHosts(),
		Logger:     e.log,
		Now:        e.opts.Now,

		Unavailable: store.ErrUnavailable,
	}
}

// sourceNames are those of the configuration in use.
func (e *Exporter) sourceNames() []string {
	return slices.Sorted(maps.Keys(e.settings.Load().sources))
}

// anySource is the source that a hint may name: the default one if there is one.
func (e *Exporter) anySource() string {
	if _, ok := e.cfg.Sources[config.DefaultSource]; ok {
		return config.DefaultSource
	}
	return "{source}"
}

// adminHosts are the names by which the admin listener may be asked for. Only one
// on loopback without a password and TLS is picky: see admin.Config.Hosts.
func (e *Exporter) adminHosts() []string {
	addr, ok := e.admin.Addr().(*net.TCPAddr)
	if !ok || !addr.IP.IsLoopback() {
		return nil
	}
	// A name that is given this address has no certificate. A file that can't be
	// read now is no reason to be less picky.
	if web, err := e.cfg.Admin.Web(); err == nil && (web.Password || web.Certificate != nil) {
		return nil
	}
	host, _, err := net.SplitHostPort(e.cfg.Admin.Endpoint)
	if err != nil {
		host = "" // it listens, so this is an address that another function reads
	}
	return []string{host}
}
