package exporter_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cdr2otel/exporter/config"
	"cdr2otel/internal/otlptest"
)

// secured is a configuration whose webhook listener speaks https with the
// certificate of a new authority, and the pool of those who trust it.
func secured(t *testing.T) (cfg config.Config, roots *x509.CertPool) {
	t.Helper()
	cfg = configuration(t.TempDir())
	dir := t.TempDir()
	cfg.Webhook.TLS.CertFile, cfg.Webhook.TLS.KeyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	return cfg, renew(t, cfg)
}

// renew writes the certificate of another new authority over the files of cfg.
func renew(t *testing.T, cfg config.Config) *x509.CertPool {
	t.Helper()
	pair, roots := serverPair(t)
	write(t, cfg.Webhook.TLS.CertFile, pair[0])
	write(t, cfg.Webhook.TLS.KeyFile, pair[1])
	return roots
}

// greet makes a handshake and one authentic request, and returns its status.
func greet(t testing.TB, s *sidecar, client *tls.Config) (int, error) {
	t.Helper()
	conn, err := tls.Dial("tcp", s.address(t), client)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return 0, err
	}
	// In TLS 1.3 the refusal of a client's certificate comes after its handshake.
	if _, err := io.WriteString(conn, post("/webhook/default", authorized(sign(hs256, `{}`, string(secret))), hook("tls"))); err != nil {
		return 0, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	return resp.StatusCode, nil
}

// awaitAuthority makes handshakes until the certificate is one of roots.
func awaitAuthority(t testing.TB, s *sidecar, roots *x509.CertPool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		status, err := greet(t, s, &tls.Config{RootCAs: roots})
		if err == nil && status == got200 {
			return
		}
		if !foreign(err) || time.Now().After(deadline) {
			t.Fatalf("status %d, error %v", status, err)
		}
	}
}

// foreign says whether a handshake failed because another authority signed.
func foreign(err error) bool {
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	return unknown
}

func TestARenewedCertificateIsServedWithoutARestart(t *testing.T) {
	t.Parallel()
	cfg, first := secured(t)
	cfg.Webhook.TLS.ReloadInterval = time.Millisecond
	reloading := start(t, cfg, off())
	never := cfg
	never.Webhook.TLS.ReloadInterval = 0
	never.Store.URL = configuration(t.TempDir()).Store.URL
	fixed := start(t, never, off())
	awaitAuthority(t, reloading, first)
	awaitAuthority(t, fixed, first)
	second := renew(t, cfg)
	awaitAuthority(t, reloading, second)
	if status, err := greet(t, reloading, &tls.Config{RootCAs: first}); !foreign(err) {
		t.Errorf("the old certificate is still served: %d, %v", status, err)
	}
	awaitAuthority(t, fixed, first)
	if err := fixed.Reload(as(never)); err != nil {
		t.Fatal(err)
	}
	awaitAuthority(t, fixed, second)
}

func TestAReloadWithACertificateThatCanNotBeReadChangesNothing(t *testing.T) {
	t.Parallel()
	cfg, first := secured(t)
	s := start(t, cfg, off())
	broken := cfg
	broken.Webhook.TLS.CertFile = filepath.Join(t.TempDir(), "absent.pem")
	if err := s.Reload(as(broken)); err == nil || !strings.Contains(err.Error(), "webhook.tls") {
		t.Errorf("error is %v, want one that names webhook.tls", err)
	}
	awaitAuthority(t, s, first)
}

func TestARenewalThatIsHalfWrittenTurnsNobodyAway(t *testing.T) {
	t.Parallel()
	cfg, first := secured(t)
	cfg.Webhook.TLS.ReloadInterval = time.Millisecond
	logged := &records{}
	opts := off()
	opts.Logger = slog.New(logged)
	s := start(t, cfg, opts)
	awaitAuthority(t, s, first)
	pair, second := serverPair(t)
	for _, step := range []struct{ what, file string }{
		{"the certificate without its key", cfg.Webhook.TLS.CertFile},
		{"an empty file", cfg.Webhook.TLS.CertFile},
	} {
		content := pair[0]
		if step.what == "an empty file" {
			content = nil
		}
		write(t, step.file, content)
		for range 20 { // past the interval, sooner or later
			if status, err := greet(t, s, &tls.Config{RootCAs: first}); err != nil || status != got200 {
				t.Fatalf("%s: status %d, error %v", step.what, status, err)
			}
		}
	}
	for deadline := time.Now().Add(time.Minute); len(logged.with("msg", "certificate can't be read, the last one is served")) == 0; {
		awaitAuthority(t, s, first)
		if time.Now().After(deadline) {
			t.Fatal("that it can't be read is not said")
		}
	}
	write(t, cfg.Webhook.TLS.KeyFile, pair[1])
	write(t, cfg.Webhook.TLS.CertFile, pair[0])
	awaitAuthority(t, s, second)
}

func TestOnlyClientsOfTheConfiguredAuthorityGetIn(t *testing.T) {
	t.Parallel()
	ours, theirs := authority(t), authority(t)
	cfg, roots := secured(t)
	cfg.Webhook.TLS.ClientCAFile = filepath.Join(t.TempDir(), "ca.crt")
	write(t, cfg.Webhook.TLS.ClientCAFile, ours.PEM())
	s := start(t, cfg, off())
	foreigner := clientPair(t, theirs)
	pretender := foreigner
	pretender.Certificate = append([][]byte{foreigner.Certificate[0]}, derOf(t, ours.PEM()))
	own, _ := serverPair(t)
	for name, certificate := range map[string]tls.Certificate{
		"no certificate":                             {},
		"another authority's":                        foreigner,
		"another authority's, ours sent along":       pretender,
		"one that signed itself":                     loadedPair(t, own[0], own[1]),
		"our authority's certificate, without a key": {Certificate: [][]byte{derOf(t, ours.PEM())}, PrivateKey: foreigner.PrivateKey},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			// Sent whether or not the listener would want it.
			client := &tls.Config{RootCAs: roots, MaxVersion: version, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return &certificate, nil
			}}
			if status, err := greet(t, s, client); err == nil {
				t.Errorf("%s (%s): status %d, want no connection", name, tls.VersionName(version), status)
			}
		}
	}
	if n := s.taken(t); n != 0 {
		t.Errorf("%d events were stored", n)
	}
	good := &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{clientPair(t, ours)}}
	if status, err := greet(t, s, good); err != nil || status != got200 {
		t.Errorf("our authority's: status %d, error %v", status, err)
	}
	// The certificate comes on top of the token.
	transport := &http.Transport{TLSClientConfig: good}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Post(s.URL, "application/json", strings.NewReader(hook("no-token")))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != got401 {
		t.Errorf("without a token: status %d", resp.StatusCode)
	}
}

func TestTheLowestTLSVersionIsTheConfiguredOne(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		configured string
		lowest     uint16
	}{{"", tls.VersionTLS12}, {"1.2", tls.VersionTLS12}, {"1.3", tls.VersionTLS13}} {
		cfg, roots := secured(t)
		cfg.Webhook.TLS.MinVersion = tt.configured
		s := start(t, cfg, off())
		for version := uint16(tls.VersionTLS10); version <= tls.VersionTLS13; version++ {
			status, err := greet(t, s, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS10, MaxVersion: version})
			if want := version >= tt.lowest; (err == nil && status == got200) != want {
				t.Errorf("min_version %q: a client of %s gets status %d, error %v", tt.configured, tls.VersionName(version), status, err)
			}
		}
	}
}

func TestTheConfiguredCipherSuitesAreTheOnlyOnes(t *testing.T) {
	t.Parallel()
	cfg, roots := secured(t)
	// HTTP/2 needs this one.
	cfg.Webhook.TLS.CipherSuites = []string{tls.CipherSuiteName(tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)}
	s := start(t, cfg, off())
	for suite, want := range map[uint16]bool{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256:       true,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384:       false,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: false,
	} {
		status, err := greet(t, s, &tls.Config{RootCAs: roots, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite}})
		if (err == nil && status == got200) != want {
			t.Errorf("%s: status %d, error %v", tls.CipherSuiteName(suite), status, err)
		}
	}
}

func TestPlainTextIsNotSpokenWhereTLSIs(t *testing.T) {
	t.Parallel()
	cfg, _ := secured(t)
	s := start(t, cfg, off())
	got := say(t, s.address(t), post("/webhook/default", authorized(sign(hs256, `{}`, string(secret))), hook("plain")))
	if got.status != http.StatusBadRequest || s.taken(t) != 0 {
		t.Errorf("status %d, %d events stored", got.status, s.taken(t))
	}
}

func authority(t testing.TB) *otlptest.Authority {
	t.Helper()
	a, err := otlptest.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func clientPair(t testing.TB, a *otlptest.Authority) tls.Certificate {
	t.Helper()
	certificate, key, err := a.ClientPEM("client")
	if err != nil {
		t.Fatal(err)
	}
	return loadedPair(t, certificate, key)
}

func loadedPair(t testing.TB, certificate, key []byte) tls.Certificate {
	t.Helper()
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func derOf(t testing.TB, certificate []byte) []byte {
	t.Helper()
	block, _ := pem.Decode(certificate)
	if block == nil {
		t.Fatal("no PEM")
	}
	return block.Bytes
}

// serverPair is a new certificate for 127.0.0.1 that signed itself, and its key.
func serverPair(t testing.TB) (pair [2][]byte, roots *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pair[0] = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	pair[1] = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(pair[0])
	return pair, roots
}
