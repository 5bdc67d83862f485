package exporter_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"cdr2otel/exporter/config"
)

// withPassword has the admin listener ask for the password that operator knows.
func withPassword(t *testing.T, cfg *config.Config, more string) {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("open"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Admin.WebConfig = filepath.Join(t.TempDir(), "web.yaml")
	write(t, cfg.Admin.WebConfig, []byte("basic_auth_users:\n  admin: "+string(hash)+"\n"+more))
}

// operator is a request with the password, on a connection that is kept.
const operator = "GET /healthz HTTP/1.1\r\nHost: h\r\nAuthorization: Basic YWRtaW46b3Blbg==\r\n\r\n"

func TestStrangersDoNotKeepOperatorsFromTheAdminListener(t *testing.T) {
	t.Parallel()
	cfg, roots := secured(t)
	withPassword(t, &cfg, fmt.Sprintf("tls_server_config: {cert_file: %s, key_file: %s}\n", cfg.Webhook.TLS.CertFile, cfg.Webhook.TLS.KeyFile))
	s := start(t, cfg, off())
	open := func() *tls.Conn {
		return tls.Client(dial(t, s.AdminAddr()), &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"})
	}
	kept := open()
	answers := bufio.NewReader(kept)
	for _, attack := range []struct {
		name, text  string
		raw         bool
		connections int
	}{
		{"none", "", true, 1}, // so that the connection is known
		{"silent sockets", "", true, 300},
		{"half a TLS handshake", clientHello(t), true, 300},
		{"silent connections", "", false, 300},
	} {
		for range attack.connections {
			conn := dial(t, s.AdminAddr())
			_, _ = io.WriteString(conn, attack.text) // it may be cut
			if !attack.raw {
				_ = tls.Client(conn, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}).HandshakeContext(t.Context()) // likewise
			}
		}
		if err := kept.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(kept, operator); err != nil {
			t.Fatalf("%s: the operator's connection is cut: %v", attack.name, err)
		}
		if got := heard(t, answers, http.MethodGet); got.status != http.StatusOK {
			t.Errorf("%s: the operator gets status %d", attack.name, got.status)
		}
		fresh := open()
		if _, err := io.WriteString(fresh, operator); err != nil {
			t.Fatalf("%s: a new operator's connection is cut: %v", attack.name, err)
		}
		if got := heard(t, bufio.NewReader(fresh), http.MethodGet); got.status != http.StatusOK {
			t.Errorf("%s: a new operator gets status %d", attack.name, got.status)
		}
	}
}

// The toolkit refuses it before our handlers see it.
func TestAChunkedRequestWithoutThePasswordEndsItsConnection(t *testing.T) {
	t.Parallel()
	cfg := configuration(t.TempDir())
	withPassword(t, &cfg, "")
	s := start(t, cfg, off())
	for _, protocol := range []string{"HTTP/1.1", "HTTP/1.0"} {
		conn := dial(t, s.AdminAddr())
		request := "POST /forget " + protocol + "\r\nHost: h\r\nConnection: keep-alive\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
		if _, err := io.WriteString(conn, request+operator); err != nil {
			t.Fatal(err)
		}
		answers, err := io.ReadAll(conn)
		if err != nil && isTimeout(err) {
			t.Errorf("%s: the connection is kept", protocol)
		}
		if text := string(answers); strings.Count(text, "HTTP/1.") != 1 || !strings.Contains(text, " 401 ") {
			t.Errorf("%s: %.300q", protocol, text)
		}
	}
}
