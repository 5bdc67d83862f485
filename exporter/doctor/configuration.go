package doctor

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"

	"cdr2otel/exporter"
	"cdr2otel/exporter/config"
)

const (
	// minKey is the key length that HS256 asks for, in bytes (RFC 7518, section 3.2).
	minKey = 32
	// minPassword is what nobody guesses over the network, in bytes.
	minPassword = 16
)

// configuration checks what "validate" does, secrets and exposure. It tells whether
// the rest can be looked at.
func (x *examination) configuration(ctx context.Context) bool {
	var err error
	x.cfg, err = config.Load(ctx, x.opts.ConfigPath)
	var problems config.Problems
	if err != nil && !errors.As(err, &problems) {
		x.fail(checkConfig, "", "%v", err)
		return false
	}
	readable := err == nil
	if readable {
		// What is wrong with the certificate is said by a check of its own.
		problems = slices.DeleteFunc(x.cfg.CheckFiles(ctx), func(p config.Problem) bool { return p.Key == keyTLS })
	}
	for _, p := range problems {
		x.fail(checkConfig, "", "%s", p)
	}
	environment := exporter.CheckEnvironment(x.opts.Getenv)
	for _, p := range environment.Problems {
		x.fail(checkConfig, "", "%s", p)
	}
	for _, w := range environment.Warnings {
		x.warn(checkConfig, "", "%s", w)
	}
	if !readable || len(problems) > 0 || len(environment.Problems) > 0 {
		return false
	}
	x.ok(checkConfig, "%s, %s", x.configName(), count(len(x.cfg.Sources), "source"))
	x.secrets()
	x.exposure()
	return true
}

func (x *examination) configName() string {
	if x.opts.ConfigPath == "" {
		return "the defaults hold, as no --config names a file"
	}
	return x.opts.ConfigPath + " is valid"
}

// secrets warns of those that can be guessed. That they can be read is known.
func (x *examination) secrets() {
	var err error
	if x.sources, err = x.cfg.ResolveSources(); err != nil {
		x.fail(checkSecrets, "", "%v", err)
		return
	}
	fine := true
	for _, name := range slices.Sorted(maps.Keys(x.sources)) {
		fine = x.sourceSecrets(name, x.sources[name]) && fine
	}
	if fine {
		x.ok(checkSecrets, "every source has one, none is short")
	}
}

func (x *examination) sourceSecrets(name string, s config.ResolvedSource) (fine bool) {
	if s.Auth.None {
		x.warn(checkSecrets, "set sources."+name+".auth.jwt to the secret of the webhook settings in watsonx Assistant",
			"source %s takes webhooks from anybody (auth.none)", name)
		return false
	}
	least, why := minPassword, "could be guessed"
	if s.Auth.JWT != nil {
		least, why = minKey, "could be found from one intercepted token"
	}
	fine = true
	for i, secret := range s.Secrets {
		if len(secret) < least {
			x.warn(checkSecrets, "choose a random one of "+count(least, "byte")+" or more, here and in watsonx Assistant",
				"secret %d of source %s has %s and %s", i+1, name, count(len(secret), "byte"), why)
			fine = false
		}
	}
	return fine
}

// exposure warns of listeners that strangers reach in plain text.
func (x *examination) exposure() {
	webhook, admin := x.cfg.Webhook.Endpoint, x.cfg.Admin.Endpoint
	fine := true
	if !x.cfg.Webhook.TLSEnabled() && !loopback(webhook) {
		fine = false
		x.warn(checkExposure, "set webhook.tls, or let what terminates TLS in front be the only one that reaches it",
			"the webhook listener (%s) speaks plain http, and watsonx Assistant posts to https only", webhook)
	}
	web, err := x.cfg.Admin.Web()
	switch {
	case loopback(admin):
	case err != nil: // that it can't be read is a finding of config
	case !web.Password:
		fine = false
		x.warn(checkExposure, "set admin.web_config with TLS and a password, or admin.endpoint to 127.0.0.1:9464",
			"the admin listener (%s) shows calls to whoever reaches it, without a password", admin)
	case web.Certificate == nil:
		fine = false
		x.warn(checkExposure, "add tls_server_config to admin.web_config, or set admin.endpoint to 127.0.0.1:9464",
			"the admin listener (%s) speaks plain http, so its password can be read on the way", admin)
	}
	if hosts := x.cfg.Store.PlainTextHosts(); len(hosts) > 0 {
		fine = false
		x.warn(checkExposure, "write sslmode=verify-full into store.url, and sslrootcert if no public authority signed the server's certificate",
			"what callers said may go to the database (%s) in plain text", strings.Join(hosts, ", "))
	}
	if fine {
		x.ok(checkExposure, "no listener is open to strangers without protection")
	}
}

func loopback(endpoint string) bool {
	host, _, err := net.SplitHostPort(endpoint)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback() || host == "localhost"
}
