package config

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"
)

// Web is what admin.web_config, the file of the Prometheus exporter-toolkit, means
// for those who do not serve by it. The toolkit reads the file at each request.
type Web struct {
	// Certificate of the listener, of this moment; nil: it speaks plain http.
	Certificate *x509.Certificate
	// Password: it asks for one.
	Password bool
}

// Web reads admin.web_config; without it the listener speaks plain http and asks
// for no password. The error does not quote the file.
func (a Admin) Web() (Web, error) {
	if a.WebConfig == "" {
		return Web{}, nil
	}
	raw, err := os.ReadFile(a.WebConfig)
	if err != nil {
		return Web{}, err
	}
	var file struct {
		TLS struct {
			Cert     string `yaml:"cert"`
			CertFile string `yaml:"cert_file"`
		} `yaml:"tls_server_config"`
		Users map[string]string `yaml:"basic_auth_users"`
	}
	if yaml.Unmarshal(raw, &file) != nil {
		return Web{}, errors.New("it is not YAML as the exporter-toolkit wants it")
	}
	w := Web{Password: len(file.Users) > 0}
	chain := []byte(file.TLS.Cert)
	if path := file.TLS.CertFile; path != "" {
		if !filepath.IsAbs(path) { // relative to the file that names it, as the toolkit has it
			path = filepath.Join(filepath.Dir(a.WebConfig), path)
		}
		if chain, err = os.ReadFile(path); err != nil {
			return Web{}, err
		}
	}
	if len(chain) == 0 {
		return w, nil
	}
	block, _ := pem.Decode(chain)
	if block == nil {
		return Web{}, errors.New("no PEM certificate")
	}
	w.Certificate, err = x509.ParseCertificate(block.Bytes)
	return w, err
}
