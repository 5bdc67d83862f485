package exporter_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"path/filepath"
	"testing"

	"golang.org/x/net/http2"
)

// HTTP/2 has limits of its own, which a stranger decides in part.
func TestHTTP2IsNotSpoken(t *testing.T) {
	t.Parallel()
	cfg, roots := secured(t)
	cfg.Admin.WebConfig = filepath.Join(filepath.Dir(cfg.Webhook.TLS.CertFile), "web.yml")
	write(t, cfg.Admin.WebConfig, []byte("tls_server_config: {cert_file: tls.crt, key_file: tls.key}\nhttp_server_config: {http2: true}\n"))
	s := start(t, cfg, off())
	for name, address := range map[string]string{"webhook": s.address(t), "admin": s.AdminAddr()} {
		conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots, NextProtos: []string{http2.NextProtoTLS, "http/1.1"}})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if got := conn.ConnectionState().NegotiatedProtocol; got != "http/1.1" {
			t.Errorf("the %s listener chooses %q", name, got)
		}
		refusedPreface(t, name, conn)
		if insisting, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots, NextProtos: []string{http2.NextProtoTLS}}); err == nil {
			t.Errorf("the %s listener takes a client that speaks HTTP/2 alone", name)
			insisting.Close()
		}
	}
	plain := start(t, configuration(t.TempDir()), off())
	for name, address := range map[string]string{"webhook": plain.address(t), "admin": plain.AdminAddr(), "health": plain.HealthAddr()} {
		refusedPreface(t, name, dial(t, address))
	}
}

// refusedPreface sends what HTTP/2 begins with, and wants a refusal in HTTP/1.1.
func refusedPreface(t *testing.T, name string, conn io.ReadWriter) {
	t.Helper()
	if _, err := io.WriteString(conn, http2.ClientPreface+"\x00\x00\x00\x04\x00\x00\x00\x00\x00"); err != nil {
		t.Fatal(err)
	}
	// The end of TLS may be missing.
	answer, _ := io.ReadAll(conn)
	if !bytes.HasPrefix(answer, []byte("HTTP/1.1 4")) && !bytes.HasPrefix(answer, []byte("HTTP/1.1 5")) {
		t.Errorf("%s: the preface of HTTP/2 is answered %.80q", name, answer)
	}
}
