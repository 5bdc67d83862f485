package exporter

import (
	"log/slog"

	"cdr2otel/exporter/config"
)

// warnAtStart says what is allowed and should not stay so. It is called when everything
// is open: an error that ends the start comes alone.
func (e *Exporter) warnAtStart() {
	if e.cfg.Store.AllowAsynchronousCommit {
		e.log.Warn("store.allow_asynchronous_commit is on: what was acknowledged just before the database crashes may be lost")
	}
	if at := e.store.Killed(); !at.IsZero() {
		e.log.Warn("the process before was not stopped in order: no event is lost, but up to a second of the counts of webhooks on the pages", "last_write", at.UTC())
	}
	for _, x := range Exposures(e.cfg) {
		if x.Key == "webhook.endpoint" { // TLS in front of it can't be seen from here
			continue
		}
		e.log.Warn(x.What, "key", x.Key, "at", x.Where, "hint", x.Do)
	}
	e.settings.Load().warn(e.log)
}

// warn says at start and after a reload what the settings let out, or what does nothing.
func (s *settings) warn(log *slog.Logger) {
	switch {
	case !s.digits:
	case s.records.content:
		log.Warn("mapping.dtmf_digits is on: keypad input, which can be card numbers and PINs, leaves readable")
	default:
		log.Warn("mapping.dtmf_digits is on but does nothing without mapping.content")
	}
	if !s.records.exported && s.records.events == config.EventsLog {
		log.Warn("mapping.events is log but OTEL_LOGS_EXPORTER is none: messages and warnings are not exported")
	}
}
