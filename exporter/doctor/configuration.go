package doctor

import (
	"context"
	"maps"
	"slices"

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
	var problems config.Problems
	x.cfg, problems = config.Check(ctx, x.opts.ConfigPath)
	// What is wrong with the certificate is said by a check of its own.
	problems = slices.DeleteFunc(problems, func(p config.Problem) bool { return p.Key == keyTLS })
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
	if len(problems) > 0 || len(environment.Problems) > 0 {
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

// exposure warns of what strangers can reach or read.
func (x *examination) exposure() {
	found := exporter.Exposures(x.cfg)
	for _, e := range found {
		x.warn(checkExposure, e.Do, "%s: %s", e.Where, e.What)
	}
	if len(found) == 0 {
		x.ok(checkExposure, "no listener is open to strangers without protection")
	}
}
