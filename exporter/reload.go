package exporter

import (
	"context"
	"fmt"
	"reflect"

	"cdr2otel/exporter/config"
)

// Reload reads the configuration again and swaps what can change while it runs:
// sources with their secrets, correlation and mapping, and the certificate and key
// of the webhook listener. A configuration that can't be read or doesn't hold is
// refused as a whole, counted, and the old one stays. Other keys need a restart;
// that is logged.
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
	certificate, err := e.nextCertificate(cfg.Webhook)
	if err != nil {
		return err
	}
	if err := e.receiver.Reload(next.sources); err != nil {
		return err
	}
	e.settings.Store(next)
	if certificate != nil {
		e.renewal.swap(certificate)
	}
	next.warn(e.log)
	if keys := needRestart(e.cfg, cfg); len(keys) > 0 {
		e.log.Warn("these keys changed but need a restart to take effect", "keys", keys)
	}
	return nil
}

// nextCertificate reads the certificate of the webhook listener as it is now; nil
// when there was or will be no TLS, which takes a restart to change.
func (e *Exporter) nextCertificate(webhook config.Webhook) (certificateReader, error) {
	if e.renewal == nil || !webhook.TLSEnabled() {
		return nil, nil
	}
	next, err := webhook.TLS.LoadTLSConfig(context.Background())
	if err != nil {
		return nil, fmt.Errorf("webhook.tls: %w", err)
	}
	return next.GetCertificate, nil
}

// needRestart names the top-level keys that differ and are read at start only.
func needRestart(old, next config.Config) []string {
	if old.Webhook.TLSEnabled() && next.Webhook.TLSEnabled() { // see nextCertificate
		next.Webhook.TLS.CertFile, next.Webhook.TLS.KeyFile = old.Webhook.TLS.CertFile, old.Webhook.TLS.KeyFile
		next.Webhook.TLS.CertPem, next.Webhook.TLS.KeyPem = old.Webhook.TLS.CertPem, old.Webhook.TLS.KeyPem
	}
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
