package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"time"
)

const keyTLS = "webhook.tls"

// renewBefore is how long before its end a certificate should have been renewed.
const renewBefore = 21 * 24 * time.Hour

// certificate checks that of the webhook listener.
func (x *examination) certificate(ctx context.Context) {
	if !x.cfg.Webhook.TLSEnabled() {
		x.skip(checkCertificate, "the webhook listener has none (webhook.tls)")
		return
	}
	chain, err := x.webhookChain(ctx)
	if err != nil {
		x.fail(checkCertificate, "correct webhook.tls.cert_file and key_file", "%s", oneLine(err.Error(), 300))
		return
	}
	leaf, now := chain[0], time.Now()
	left := leaf.NotAfter.Sub(now)
	switch {
	case left <= 0:
		x.fail(checkCertificate, "renew it: every webhook is lost", "it ended %s ago, at %s", days(-left), leaf.NotAfter.UTC().Format(time.RFC3339))
		return
	case now.Before(leaf.NotBefore):
		x.fail(checkCertificate, "set the clock, or wait", "it begins at %s", leaf.NotBefore.UTC().Format(time.RFC3339))
		return
	case len(leaf.DNSNames)+len(leaf.IPAddresses) == 0:
		x.fail(checkCertificate, "get one with a subject alternative name", "it names no host, and clients take none from the subject")
		return
	case left < renewBefore:
		x.warn(checkCertificate, "renew it; serve reads it again by itself", "for %s: it ends in %s", names(leaf), days(left))
	default:
		x.ok(checkCertificate, "for %s, ends in %s, fits its key", names(leaf), days(left))
	}
	x.trusted(chain)
}

// trusted warns of what clients elsewhere would probably refuse.
func (x *examination) trusted(chain []*x509.Certificate) {
	intermediates := x509.NewCertPool()
	for _, c := range chain[1:] {
		intermediates.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Intermediates: intermediates})
	if unknown := (x509.UnknownAuthorityError{}); errors.As(err, &unknown) {
		x.warn(checkCertificate, "put the intermediate certificates into cert_file after its own, or let a proxy with a public certificate stand in front",
			"no authority this machine knows has signed it, so watsonx Assistant will hardly trust it")
	}
}

// webhookChain is what the listener would show, its own certificate first.
func (x *examination) webhookChain(ctx context.Context) ([]*x509.Certificate, error) {
	loaded, err := x.cfg.Webhook.TLS.LoadTLSConfig(ctx)
	if err != nil {
		return nil, err
	}
	served, err := loaded.GetCertificate(&tls.ClientHelloInfo{})
	if err != nil {
		return nil, err
	}
	var chain []*x509.Certificate
	for _, der := range served.Certificate {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		chain = append(chain, c)
	}
	return chain, nil
}

func names(c *x509.Certificate) string {
	all := c.DNSNames
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	const most = 4
	if len(all) > most {
		return strings.Join(all[:most], ", ") + " and " + count(len(all)-most, "other")
	}
	return strings.Join(all, ", ")
}
