package doctor_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"testing"
	"time"

	"cdr2otel/exporter/doctor"
	"cdr2otel/internal/otlptest"
)

// certificate writes a self-signed one that holds from one time to another, and its
// key, and has the webhook listener use them.
func (s *surroundings) certificate(from, to time.Duration, names ...string) {
	s.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "telemetry.example.com"},
		NotBefore: time.Now().Add(from), NotAfter: time.Now().Add(to), DNSNames: names,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		s.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		s.t.Fatal(err)
	}
	s.yaml += fmt.Sprintf("webhook: {endpoint: \"%s\", tls: {cert_file: %s, key_file: %s}}\n", s.webhook,
		s.file("cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		s.file("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}

func TestTheCertificateOfTheWebhookListenerIsChecked(t *testing.T) {
	t.Parallel()
	const day, name = 24 * time.Hour, "telemetry.example.com"
	for words, test := range map[string]struct {
		from, to time.Duration
		names    []string
		state    doctor.State
		texts    []string
	}{
		"holds":       {-day, 90*day + time.Hour, []string{name}, doctor.OK, []string{"for " + name, "ends in 90 days"}},
		"self-signed": {-day, 90 * day, []string{name}, doctor.Warn, []string{"no authority this machine knows", "intermediate"}},
		"ends soon":   {-day, 20*day + time.Hour, []string{name}, doctor.Warn, []string{"ends in 20 days", "renew it"}},
		"ended":       {-9 * day, -2*day - time.Hour, []string{name}, doctor.Fail, []string{"ended 2 days ago", "every webhook is lost"}},
		"not begun":   {day, 9 * day, []string{name}, doctor.Fail, []string{"it begins at", "set the clock"}},
		"nameless":    {-day, 90 * day, nil, doctor.Fail, []string{"names no host"}},
	} {
		t.Run(words, func(t *testing.T) {
			t.Parallel()
			s := surround(t, otlptest.New(t, otlptest.Options{}))
			s.certificate(test.from, test.to, test.names...)
			s.examine(nil).want("certificate", test.state, test.texts...)
		})
	}
}

func TestACertificateThatDoesNotFitItsKeyFails(t *testing.T) {
	t.Parallel()
	s := surround(t, otlptest.New(t, otlptest.Options{}))
	authority, err := otlptest.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	s.certificate(0, time.Hour, "telemetry.example.com")
	_, key, err := authority.ClientPEM("other")
	if err != nil {
		t.Fatal(err)
	}
	s.file("key.pem", key)
	s.examine(nil).want("certificate", doctor.Fail, "private key does not match public key", "cert_file and key_file")
}
