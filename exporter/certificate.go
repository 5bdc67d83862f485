package exporter

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.yaml.in/yaml/v3"
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
	certificate, err = adminCertificate(e.cfg.Admin.WebConfig)
	note("admin", certificate, err)
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

// adminCertificate is the certificate that a web configuration names, which the
// toolkit reads at each handshake; nil if it names none.
func adminCertificate(webConfig string) (*x509.Certificate, error) {
	if webConfig == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(webConfig)
	if err != nil {
		return nil, err
	}
	var cfg struct {
		TLS struct {
			Cert     string `yaml:"cert"`
			CertFile string `yaml:"cert_file"`
		} `yaml:"tls_server_config"`
	}
	if err := yaml.Unmarshal(raw, &cfg); err != nil {
		return nil, err
	}
	chain := []byte(cfg.TLS.Cert)
	if file := cfg.TLS.CertFile; file != "" {
		if !filepath.IsAbs(file) { // relative to the file that names it, as the toolkit has it
			file = filepath.Join(filepath.Dir(webConfig), file)
		}
		if chain, err = os.ReadFile(file); err != nil {
			return nil, err
		}
	}
	if len(chain) == 0 {
		return nil, nil
	}
	block, _ := pem.Decode(chain)
	if block == nil {
		return nil, errors.New("no PEM certificate")
	}
	return x509.ParseCertificate(block.Bytes)
}
