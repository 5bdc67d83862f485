package exporter_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"cdr2otel/exporter/config"
)

// tlsTalk sends the text in TLS and returns the status of the answer.
func tlsTalk(t *testing.T, s *sidecar, client *tls.Config, text string) int {
	t.Helper()
	conn := tls.Client(dial(t, s.address(t)), client)
	defer conn.Close()
	// The listener may hang up before it has read everything.
	_, _ = io.WriteString(conn, text)
	return heard(t, bufio.NewReader(conn), http.MethodPost).status
}

// mute opens a connection, has it used, and returns when the listener has ended it.
func mute(t *testing.T, s *sidecar, use func(net.Conn)) {
	t.Helper()
	conn := dial(t, s.address(t)).(*net.TCPConn)
	use(conn)
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, conn) // however it ends
}

// unreadable are requests that net/http refuses by itself.
var unreadable = map[string]struct {
	text   string
	status int
}{
	"a line that is no request": {"hello\r\n\r\n", http.StatusBadRequest},
	"no Host":                   {"POST /webhook HTTP/1.1\r\nContent-Length: 0\r\n\r\n", http.StatusBadRequest},
	"a header without a name":   {"POST /webhook HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n", http.StatusBadRequest},
	"a long header and a token": {post("/webhook", authorized(sign(hs256, `{}`, string(secret)))+line("X", strings.Repeat("x", 30<<10)), hook("a")), http.StatusRequestHeaderFieldsTooLarge},
}

func TestWhatFailsBelowTheHandlerIsCountedAndExplained(t *testing.T) {
	t.Parallel()
	cfg, roots := secured(t)
	logged := &records{}
	opts := off()
	opts.Logger = slog.New(logged)
	s := start(t, cfg, opts)
	if _, err := greet(t, s, &tls.Config{}); err == nil {
		t.Fatal("an unknown authority is trusted")
	}
	if _, err := greet(t, s, &tls.Config{MaxVersion: tls.VersionTLS12}); err == nil {
		t.Fatal("an unknown authority is trusted")
	}
	say(t, s.address(t), post("/webhook", "", hook("plain")))
	for what, tt := range unreadable {
		if got := tlsTalk(t, s, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}, tt.text); got != tt.status {
			t.Errorf("%s: status %d, want %d", what, got, tt.status)
		}
	}
	s.awaitRefused(t, map[string]int64{"tls_handshake": 2, "http_to_tls": 1, "bad_request": 3, "header_too_large": 1})
	want := map[string]string{
		"tls_handshake perhaps": "none none 2 2", "http_to_tls perhaps": "none 400 1 1", "bad_request perhaps": "none 400 3 3", "header_too_large perhaps": "none 431 1 1",
	}
	if got := s.refusedOnOverview(t); len(got) != len(want) {
		t.Errorf("the overview has %v", got)
	} else {
		for reason, line := range want {
			if got[reason] != line {
				t.Errorf("the overview has %s: %q, want %q", reason, got[reason], line)
			}
		}
	}
	if got := s.tile(t); !strings.Contains(got, "7 refused in 24 hours for their path, method or connection: a scanner's, or lost") {
		t.Errorf("the overview says %q", got)
	}
	lines := logged.with("reason", "tls_handshake")
	if len(lines) != 2 {
		t.Fatalf("logged %d times", len(lines))
	}
	for _, one := range lines {
		if one["client"] != "127.0.0.1" || !strings.Contains(one["error"], "bad certificate") && !strings.Contains(one["error"], "unknown certificate authority") || !strings.Contains(one["hint"], "cdr2otel doctor") {
			t.Errorf("the log has %v", one)
		}
	}
	if row := content(s.visit(t, "/deliveries?tab=refused").id("refusals")); !strings.Contains(row, "does the sender trust this certificate?") || !strings.Contains(row, "127.0.0.1") {
		t.Errorf("the refused tab has %q", row)
	}
}

func TestAClientWithoutTheCertificateThatIsAskedForIsCounted(t *testing.T) {
	t.Parallel()
	cfg, roots := secured(t)
	cfg.Webhook.TLS.ClientCAFile = filepath.Join(t.TempDir(), "ca.crt")
	write(t, cfg.Webhook.TLS.ClientCAFile, authority(t).PEM())
	logged := &records{}
	opts := off()
	opts.Logger = slog.New(logged)
	s := start(t, cfg, opts)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		if _, err := greet(t, s, &tls.Config{RootCAs: roots, MaxVersion: version}); err == nil {
			t.Errorf("%s: let in", tls.VersionName(version))
		}
	}
	s.awaitRefused(t, map[string]int64{"tls_handshake": 2})
	for _, one := range logged.with("reason", "tls_handshake") {
		if !strings.Contains(one["error"], "client didn't provide a certificate") || !strings.Contains(one["hint"], "client_ca_file") {
			t.Errorf("the log has %v", one)
		}
	}
}

func TestWhatCanNotBeReadWithoutTLSIsCounted(t *testing.T) {
	t.Parallel()
	s := start(t, configuration(t.TempDir()), off())
	for what, tt := range unreadable {
		if got := say(t, s.address(t), tt.text); got.status != tt.status {
			t.Errorf("%s: status %d, want %d", what, got.status, tt.status)
		}
	}
	if _, err := greet(t, s, &tls.Config{}); err == nil {
		t.Error("TLS is spoken")
	}
	s.awaitRefused(t, map[string]int64{"tls_to_http": 1, "bad_request": 3, "header_too_large": 1})
	// Also when it is not the first on its connection.
	conn := dial(t, s.address(t))
	said := bufio.NewReader(conn)
	for _, text := range []string{
		strings.Replace(post("/webhook", authorized(sign(hs256, `{}`, string(secret))), hook("first")), "Connection: close\r\n", "", 1),
		unreadable["no Host"].text,
	} {
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
		heard(t, said, http.MethodPost)
	}
	s.awaitRefused(t, map[string]int64{"tls_to_http": 1, "bad_request": 4, "header_too_large": 1})
}

func TestAConnectionThatAsksForNothingIsNoRefusal(t *testing.T) {
	t.Parallel()
	plain := configuration(t.TempDir())
	secure, roots := secured(t)
	signed := authorized(sign(hs256, `{}`, string(secret)))
	kept := strings.Replace(post("/webhook", signed, hook("kept")), "Connection: close\r\n", "", 1)
	for name, tt := range map[string]struct {
		cfg  config.Config
		over func(net.Conn) net.Conn
	}{
		"plain": {plain, func(c net.Conn) net.Conn { return c }},
		"TLS":   {secure, func(c net.Conn) net.Conn { return tls.Client(c, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, tt.cfg, off())
			mute(t, s, func(net.Conn) {}) // the check of a balancer
			mute(t, s, func(c net.Conn) { // a kept connection that ends
				conn := tt.over(c)
				if _, err := io.WriteString(conn, kept); err != nil {
					t.Fatal(err)
				}
				if got := heard(t, bufio.NewReader(conn), http.MethodPost); got.status != http.StatusOK {
					t.Errorf("status %d", got.status)
				}
			})
			if name == "TLS" {
				mute(t, s, func(c net.Conn) { // a handshake and nothing more
					if err := tt.over(c).(*tls.Conn).Handshake(); err != nil {
						t.Fatal(err)
					}
				})
			}
			cut := func(text string) {
				mute(t, s, func(c net.Conn) {
					if _, err := io.WriteString(tt.over(c), text); err != nil {
						t.Fatal(err)
					}
				})
			}
			cut("POST /webhook HTTP/1.1\r\nHost: h\r\n")
			if _, r := s.readiness(t); r.Refused != 0 {
				t.Errorf("refused: %v", r.Reasons)
			}
			whole := post("/webhook", signed, hook("cut"))
			cut(whole[:len(whole)-5])
			s.awaitRefused(t, map[string]int64{"body_cut_short": 1})
		})
	}
}
