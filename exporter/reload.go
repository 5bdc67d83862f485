package exporter

import (
	"reflect"

	"cdr2otel/exporter/config"
)

// Reload reads the configuration again and swaps what can change while it runs:
// sources with their secrets, correlation and mapping. A configuration that can't
// be read or doesn't hold is refused as a whole, counted, and the old one stays.
// Other keys need a restart; that is logged.
func (e *Exporter) Reload(read func() (config.Config, error)) error {
	err := e.reload(read)
	e.telemetry.Reloaded(err == nil)
	return err
}

func (e *Exporter) reload(read func() (config.Config, error)) error {
	cfg, err := read()
	if err != nil {
		return err
	}
	if err := cfg.Validate().Err(); err != nil {
		return err
	}
	next, err := newSettings(cfg, e.opts)
	if err != nil {
		return err
	}
	if err := e.receiver.Reload(next.sources); err != nil {
		return err
	}
	e.settings.Store(next)
	if keys := needRestart(e.cfg, cfg); len(keys) > 0 {
		e.log.Warn("these keys changed but need a restart to take effect", "keys", keys)
	}
	return nil
}

// needRestart names the top-level keys that differ and are read at start only.
func needRestart(old, next config.Config) []string {
	var keys []string
	for _, k := range []struct {
		name      string
		old, next any
	}{
		{"webhook", old.Webhook, next.Webhook},
		{"metrics", old.Metrics, next.Metrics},
		{"store", old.Store, next.Store},
		{"health", old.Health, next.Health},
		{"admin", old.Admin, next.Admin},
		{"shutdown_delay", old.ShutdownDelay, next.ShutdownDelay},
		{"shutdown_timeout", old.ShutdownTimeout, next.ShutdownTimeout},
	} {
		if !reflect.DeepEqual(k.old, k.next) {
			keys = append(keys, k.name)
		}
	}
	return keys
}
