package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cdr2otel/exporter/config"
	"cdr2otel/internal/otlptest"
)

func TestTheWebConfigurationSaysWhetherThereIsTLSAndAPassword(t *testing.T) {
	t.Parallel()
	authority, err := otlptest.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, content string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("cert.pem", string(authority.PEM()))
	indented := strings.ReplaceAll(string(authority.PEM()), "\n", "\n    ")
	for name, test := range map[string]struct {
		file          string
		tls, password bool
	}{
		"nothing":            {"", false, false},
		"headers only":       {"http_server_config: {http2: false}\n", false, false},
		"a file beside it":   {"tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n", true, false},
		"inline":             {"tls_server_config:\n  cert: |\n    " + indented + "\n", true, false},
		"a password":         {"basic_auth_users: {anna: $2y$04$x}\n", false, true},
		"both":               {"tls_server_config: {cert_file: cert.pem}\nbasic_auth_users: {anna: $2y$04$x}\n", true, true},
		"a list of no users": {"basic_auth_users: {}\n", false, false},
	} {
		web, err := config.Admin{WebConfig: write("web.yaml", test.file)}.Web()
		if err != nil || (web.Certificate != nil) != test.tls || web.Password != test.password {
			t.Errorf("%s: certificate %t, password %t, error %v", name, web.Certificate != nil, web.Password, err)
		}
	}
	if web, err := (config.Admin{}).Web(); err != nil || web != (config.Web{}) {
		t.Errorf("without a file: %v, %v", web, err)
	}
	for name, file := range map[string]string{
		"no YAML":        "hunter2: [\n",
		"another shape":  "basic_auth_users: hunter2\n",
		"no certificate": "tls_server_config: {cert: hunter2}\n",
		"no such file":   "tls_server_config: {cert_file: absent.pem}\n",
	} {
		_, err := config.Admin{WebConfig: write("web.yaml", file)}.Web()
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
}
