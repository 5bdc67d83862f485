package config

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"cdr2otel/mapping"
)

// minStoreSize is what an empty store and its write-ahead log need.
const minStoreSize = 4 * MiB

// Validate returns everything that is wrong with the values, in the order of
// the file. It reads no file and no environment: see CheckFiles.
func (c Config) Validate() Problems {
	var ps Problems
	c.Webhook.validate(&ps)
	c.validateSources(&ps)
	c.Correlation.validate(&ps)
	c.Mapping.validate(&ps)
	ps.positive("metrics.max_age", c.Metrics.MaxAge)
	c.Store.validate(&ps)
	ps.endpoint("health.endpoint", c.Health.Endpoint)
	ps.endpoint("admin.endpoint", c.Admin.Endpoint)
	c.Admin.validateTraceURL(&ps)
	c.validateListeners(&ps)
	ps.notNegative("shutdown_delay", c.ShutdownDelay)
	ps.positive("shutdown_timeout", c.ShutdownTimeout)
	return ps
}

func (w Webhook) validate(ps *Problems) {
	ps.endpoint("webhook.endpoint", w.Endpoint)
	if !strings.HasPrefix(w.Path, "/") || strings.HasSuffix(w.Path, "/") || strings.ContainsAny(w.Path, "{}?# ") {
		ps.add("webhook.path", "%q must begin with a slash, not end with one and hold none of {}?#; for example /webhook", w.Path)
	}
	w.validateTLS(ps)
	if w.MaxRequestBodySize <= 0 {
		ps.add("webhook.max_request_body_size", "must be above 0; 8MiB holds the longest calls")
	}
	if w.MaxInFlight <= 0 {
		ps.add("webhook.max_in_flight", "must be above 0, else every webhook would be refused")
	}
	for i, proxy := range w.TrustedProxies {
		if !isAddressOrNet(proxy) {
			ps.add(fmt.Sprintf("webhook.trusted_proxies[%d]", i), "%q is neither an IP address nor a network like 10.0.0.0/8", proxy)
		}
	}
}

func (w Webhook) validateTLS(ps *Problems) {
	if !w.TLSEnabled() {
		if w.TLS.ClientCAFile != "" {
			ps.add("webhook.tls.client_ca_file", "client certificates need https; set cert_file and key_file too")
		}
		return
	}
	if err := w.TLS.Config.Validate(); err != nil {
		ps.add("webhook.tls", "%s", oneLine(err.Error()))
	}
	// Broken since 2011 (BEAST) and deprecated by RFC 8996.
	if v := w.TLS.MinVersion; v == "1.0" || v == "1.1" {
		ps.add("webhook.tls.min_version", "%s is not safe; use 1.2 or 1.3", v)
	}
	ps.notNegative("webhook.tls.reload_interval", w.TLS.ReloadInterval)
}

func isAddressOrNet(text string) bool {
	if _, err := netip.ParseAddr(text); err == nil {
		return true
	}
	_, err := netip.ParsePrefix(text)
	return err == nil
}

var sourceName = regexp.MustCompile(`^[a-z0-9_-]{1,64}$`)

func (c Config) validateSources(ps *Problems) {
	if len(c.Sources) == 0 {
		ps.add("sources", "none is configured; name at least one with its auth, or leave the key out for the source %q", DefaultSource)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Sources)) {
		key := "sources." + name
		if !sourceName.MatchString(name) {
			*ps = append(*ps, Problem{Key: key, ofName: true,
				Text: "a source name is 1 to 64 of a-z, 0-9, _ and -: it is part of the webhook's URL and of every trace id"})
		}
		c.Sources[name].validate(ps, key)
	}
}

func (s Source) validate(ps *Problems, key string) {
	s.Auth.validate(ps, key+".auth")
	for _, name := range slices.Sorted(maps.Keys(s.Resource)) {
		validateResource(ps, key+".resource."+name, name)
	}
	for _, name := range slices.Sorted(maps.Keys(s.HeaderAttributes)) {
		s.HeaderAttributes[name].validate(ps, key+".header_attributes."+name, name)
	}
	for _, id := range slices.Sorted(maps.Keys(s.Agents)) {
		if id == "" || s.Agents[id] == "" {
			ps.add(key+".agents."+id, "needs an assistant or environment id and a name")
		}
	}
	ps.oneOf(key+".messages", s.Messages)
}

const perInstanceText = "describes one instance (a process, container, pod or machine), not the observed service; back ends would show retried traces twice. Remove it"

func validateResource(ps *Problems, key, attribute string) {
	if attribute == "" {
		ps.add(key, "an attribute needs a name")
	}
	if mapping.PerInstance(attribute) {
		ps.add(key, perInstanceText)
	}
}

// credentialHeaders never become attributes (I5).
var credentialHeaders = []string{"authorization", "authentication", "proxy-authorization", "cookie"}

func (h HeaderAttribute) validate(ps *Problems, key, header string) {
	if !httpguts.ValidHeaderFieldName(header) {
		ps.add(key, "%q is not a header name", header)
	}
	if slices.Contains(credentialHeaders, strings.ToLower(header)) {
		ps.add(key, "carries credentials and may not become an attribute")
	}
	if h.Attribute == "" {
		ps.add(key+".attribute", "name the resource attribute, for example deployment.environment.name")
	}
	if mapping.PerInstance(h.Attribute) {
		ps.add(key+".attribute", perInstanceText)
	}
	if len(h.Values) == 0 {
		ps.add(key+".values", "list the values that may leave; any other is ignored")
	}
}

func (c Correlation) validate(ps *Problems) {
	ps.notNegative("correlation.grace", c.Grace)
	ps.positive("correlation.window", c.Window)
	ps.positive("correlation.chat_idle", c.ChatIdle)
	ps.oneOf("correlation.late", c.Late)
}

func (m Mapping) validate(ps *Problems) {
	for i, p := range m.PII {
		ps.oneOf(fmt.Sprintf("mapping.pii[%d]", i), p)
	}
	ps.oneOf("mapping.events", m.Events)
	ps.oneOf("mapping.hash_ids", m.HashIDs)
	if m.HashIDs == HashAll && m.CallerHashKeyFile == "" {
		ps.add("mapping.hash_ids", "%s needs mapping.caller_hash_key_file, because a hash without a key can be undone", m.HashIDs)
	}
	m.validateRedact(ps)
	m.validateCustomData(ps)
	ps.positive("mapping.slow", m.Slow)
	if m.DeadAir <= m.Slow {
		ps.add("mapping.dead_air", "%v must be above mapping.slow (%v), else no turn is ever slow", m.DeadAir, m.Slow)
	}
}

// validateRedact refuses what would not compile, and what would match between all
// letters: the rules stand between texts and the back end.
func (m Mapping) validateRedact(ps *Problems) {
	for i, rule := range m.Redact {
		key := fmt.Sprintf("mapping.redact[%d].pattern", i)
		pattern, err := regexp.Compile(rule.Pattern)
		switch {
		case rule.Pattern == "":
			ps.add(key, `missing; write an RE2 expression in single quotes, like '\d{13,19}'`)
		case err != nil:
			ps.add(key, "not an RE2 expression: %s", oneLine(err.Error()))
		case pattern.MatchString(""):
			ps.add(key, "%q matches the empty text, and so between all letters; ask for at least one", rule.Pattern)
		}
	}
}

const customPrefix = "wxa.custom."

func (m Mapping) validateCustomData(ps *Problems) {
	seen := map[string]bool{}
	for i, custom := range m.CustomData {
		key := fmt.Sprintf("mapping.custom_data[%d]", i)
		if !strings.HasPrefix(custom.Key, "/") {
			ps.add(key+".key", "%q is not a JSON pointer into injected_custom_data; write it like /queue", custom.Key)
		}
		if !strings.HasPrefix(custom.Attribute, customPrefix) || custom.Attribute == customPrefix {
			ps.add(key+".attribute", "%q must be a name under %s, for example %squeue", custom.Attribute, customPrefix, customPrefix)
		}
		if seen[custom.Attribute] {
			ps.add(key+".attribute", "%q is used twice", custom.Attribute)
		}
		seen[custom.Attribute] = true
	}
}

func (s Store) validate(ps *Problems) {
	s.validateURL(ps)
	if s.MaxSize < minStoreSize {
		ps.add("store.max_size", "%v is too small to work in; at least %v", s.MaxSize, minStoreSize)
	}
	ps.positive("store.retention", s.Retention)
	ps.notNegative("store.keep_bodies", s.KeepBodies)
	ps.positive("store.dead_letter_retention", s.DeadLetterRetention)
}

func (s Store) validateURL(ps *Problems) {
	path, isSQLite := strings.CutPrefix(s.URL, "sqlite:")
	switch {
	case isSQLite && path != "" && s.AllowAsynchronousCommit:
		ps.add("store.allow_asynchronous_commit", "is for PostgreSQL: a file is always synced; remove it")
	case isSQLite && path != "", s.Postgres():
	default:
		// Not repeated: it may hold a password.
		ps.add("store.url", "must be sqlite:FILE, for example sqlite:/var/lib/cdr2otel/cdr2otel.db, or postgres://USER@HOST/DATABASE")
	}
}

// validateListeners refuses two listeners on one endpoint: the admin pages must
// never be reachable where webhooks arrive.
func (c Config) validateListeners(ps *Problems) {
	listeners := []struct{ key, endpoint string }{
		{"webhook.endpoint", c.Webhook.Endpoint},
		{"health.endpoint", c.Health.Endpoint},
		{"admin.endpoint", c.Admin.Endpoint},
	}
	for i, one := range listeners {
		for _, other := range listeners[:i] {
			if samePort(one.endpoint, other.endpoint) {
				ps.add(one.key, "shares its port with %s; give each listener its own", other.key)
			}
		}
	}
}

// samePort tells whether two endpoints would fight for one port. Port 0 is a
// free one each time.
func samePort(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil || portA != portB || portA == "0" {
		return false
	}
	return hostA == hostB || anyHost(hostA) || anyHost(hostB)
}

func anyHost(host string) bool { return host == "" || host == "0.0.0.0" || host == "::" }

func (ps *Problems) endpoint(key, endpoint string) {
	_, port, err := net.SplitHostPort(endpoint)
	if err != nil {
		ps.add(key, "%q is not host:port, for example 0.0.0.0:8080 or [::1]:8080", endpoint)
		return
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		ps.add(key, "the port is not a number from 0 to 65535")
	}
}

func (ps *Problems) positive(key string, d time.Duration) {
	if d <= 0 {
		ps.add(key, "%v must be above 0", d)
	}
	ps.unit(key, d)
}

func (ps *Problems) notNegative(key string, d time.Duration) {
	if d < 0 {
		ps.add(key, "%v must not be negative", d)
	}
	ps.unit(key, d)
}

// unit refuses what a number without a unit is read as: nanoseconds.
func (ps *Problems) unit(key string, d time.Duration) {
	if d > 0 && d < time.Millisecond {
		ps.add(key, "%v is below a millisecond; write a unit, like 30s, 5m or 168h", d)
	}
}
