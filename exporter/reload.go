package exporter

import (
	"reflect"

	"cdr2otel/exporter/config"
)

// Reload swaps what can change while it runs: sources with their secrets,
// correlation and mapping. A configuration that doesn't hold is refused as a
// whole and the old one stays. Other keys need a restart; that is logged.
func (e *Exporter) Reload(cfg config.Config) error {
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
