package doctor

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
)

// plainClient asks a listener of the sidecar: without a proxy, and where it is told
// to, as a redirect would hand credentials on.
func plainClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		Timeout:       askTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// pinnedClient trusts this one certificate and no other, whatever its names: the
// sidecar is asked by an address that its certificate need not have, and whoever has
// the key of the configured certificate is the sidecar.
func pinnedClient(want *x509.Certificate) *http.Client {
	c := plainClient()
	c.Transport = &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{
			MinVersion:         tls.VersionTLS12,
			InsecureSkipVerify: true, // VerifyConnection compares it
			VerifyConnection: func(s tls.ConnectionState) error {
				if len(s.PeerCertificates) == 0 || !s.PeerCertificates[0].Equal(want) {
					return errors.New("it shows another certificate than the configured one; a running sidecar reads a renewed one within webhook.tls.reload_interval")
				}
				return nil
			},
		},
	}
	return c
}
