package exporter

import (
	"net"
	"net/netip"
	"strings"

	"cdr2otel/exporter/config"
)

// Exposure is a way by which strangers can see what they should not.
type Exposure struct {
	Key   string // of the configuration
	Where string // an address, or hosts
	What  string // happens there, a constant phrase
	Do    string
}

// Exposures are those that a configuration allows. A file of admin.web_config that can't
// be read is a finding of CheckWebConfig.
func Exposures(cfg config.Config) []Exposure {
	var found []Exposure
	if address := cfg.Webhook.Endpoint; !cfg.Webhook.TLSEnabled() && !loopback(address) {
		found = append(found, Exposure{"webhook.endpoint", address,
			"the webhook listener speaks plain http, and watsonx Assistant posts to https only",
			"set webhook.tls, or let what terminates TLS in front be the only one that reaches it"})
	}
	found = append(found, adminExposures(cfg.Admin)...)
	if hosts := cfg.Store.PlainTextHosts(); len(hosts) > 0 {
		found = append(found, Exposure{"store.url", strings.Join(hosts, ", "),
			"sslmode of store.url allows plain text: what callers said can be read on the way to the database",
			"write sslmode=verify-full into store.url, and sslrootcert if no public authority signed the server's certificate"})
	}
	return found
}

func adminExposures(admin config.Admin) []Exposure {
	web, err := admin.Web()
	switch {
	case err != nil, loopback(admin.Endpoint):
	case !web.Password:
		return []Exposure{{"admin.endpoint", admin.Endpoint,
			"the admin listener shows calls to everyone who reaches it, without a password",
			"set admin.web_config with TLS and a password, or admin.endpoint to 127.0.0.1:9464"}}
	case web.Certificate == nil:
		return []Exposure{{"admin.web_config", admin.Endpoint,
			"the admin listener speaks plain http: its password can be read on the way",
			"add tls_server_config to admin.web_config, or set admin.endpoint to 127.0.0.1:9464"}}
	}
	return nil
}

// loopback tells whether only this machine reaches an address, host:port.
func loopback(endpoint string) bool {
	host, _, err := net.SplitHostPort(endpoint)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback() || host == "localhost"
}
