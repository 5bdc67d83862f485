package exporter

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// certificateExpiry is when the certificate of each listener with TLS ends, read
// anew: certificates are renewed while the sidecar runs.
func (e *Exporter) certificateExpiry() (map[string]time.Time, error) {
	ends := map[string]time.Time{}
	var errs []error
	note := func(listener string, certificate *x509.Certificate, err error) {
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("%s certificate: %w", listener, err))
		case certificate != nil:
			ends[listener] = certificate.NotAfter
		}
	}
	certificate, err := e.webhookCertificate()
	note("webhook", certificate, err)
	web, err := e.cfg.Admin.Web()
	note("admin", web.Certificate, err)
	return ends, errors.Join(errs...)
}

// webhookCertificate is nil without TLS.
func (e *Exporter) webhookCertificate() (*x509.Certificate, error) {
	if e.webhookTLS == nil {
		return nil, nil
	}
	served, err := e.webhookTLS.GetCertificate(&tls.ClientHelloInfo{})
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(served.Certificate[0])
}
