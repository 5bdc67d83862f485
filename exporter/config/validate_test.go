package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/config/configtls"
)

var ignoreUnexported = cmpopts.IgnoreUnexported(configtls.ServerConfig{}, configtls.Config{}, configtls.TPMConfig{})

func secrets(values ...configopaque.String) []configopaque.String { return values }

// withSource changes the default source.
func withSource(change func(*Source)) func(*Config) {
	return func(c *Config) {
		source := c.Sources[DefaultSource]
		change(&source)
		c.Sources = map[string]Source{DefaultSource: source}
	}
}

func TestEachWrongValueIsNamedByItsKey(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"endpoint without port":     {func(c *Config) { c.Webhook.Endpoint = "localhost" }, "webhook.endpoint: "},
		"port out of range":         {func(c *Config) { c.Webhook.Endpoint = ":70000" }, "webhook.endpoint: the port"},
		"path without slash":        {func(c *Config) { c.Webhook.Path = "webhook" }, "webhook.path: "},
		"path ends with a slash":    {func(c *Config) { c.Webhook.Path = "/webhook/" }, "webhook.path: "},
		"path with a pattern":       {func(c *Config) { c.Webhook.Path = "/{x}" }, "webhook.path: "},
		"certificate without key":   {func(c *Config) { c.Webhook.TLS.CertFile = "x" }, "webhook.tls: "},
		"client CA without https":   {func(c *Config) { c.Webhook.TLS.ClientCAFile = "x" }, "webhook.tls.client_ca_file: "},
		"no body size":              {func(c *Config) { c.Webhook.MaxRequestBodySize = 0 }, "webhook.max_request_body_size: "},
		"no place":                  {func(c *Config) { c.Webhook.MaxInFlight = 0 }, "webhook.max_in_flight: "},
		"proxy by name":             {func(c *Config) { c.Webhook.TrustedProxies = []string{"::1", "10.0.0.0/8", "lb"} }, "webhook.trusted_proxies[2]: "},
		"no source":                 {func(c *Config) { c.Sources = nil }, "sources: "},
		"source name":               {func(c *Config) { c.Sources = map[string]Source{"a/b": c.Sources["default"]} }, "sources.a/b: "},
		"long source name":          {func(c *Config) { c.Sources = map[string]Source{strings.Repeat("a", 65): c.Sources["default"]} }, "sources.aaa"},
		"no auth":                   {withSource(func(s *Source) { s.Auth = Auth{} }), "sources.default.auth: missing"},
		"two auths":                 {withSource(func(s *Source) { s.Auth.None = true }), "sources.default.auth: jwt and none"},
		"jwt without secret":        {withSource(func(s *Source) { s.Auth.JWT = &JWT{Algorithms: []string{"HS256"}} }), "sources.default.auth.jwt: names no secret"},
		"algorithm none":            {withSource(func(s *Source) { s.Auth.JWT.Algorithms = []string{"none"} }), "sources.default.auth.jwt.algorithms[0]: "},
		"asymmetric algorithm":      {withSource(func(s *Source) { s.Auth.JWT.Algorithms = []string{"HS256", "RS256"} }), "sources.default.auth.jwt.algorithms[1]: "},
		"no algorithm":              {withSource(func(s *Source) { s.Auth.JWT.Algorithms = nil }), "sources.default.auth.jwt.algorithms: "},
		"negative leeway":           {withSource(func(s *Source) { s.Auth.JWT.Leeway = -1 }), "sources.default.auth.jwt.leeway: "},
		"leeway of a day":           {withSource(func(s *Source) { s.Auth.JWT.Leeway = 24 * time.Hour }), "sources.default.auth.jwt.leeway: "},
		"header without value":      {withSource(func(s *Source) { s.Auth = Auth{Header: &Header{Name: "X-Key"}} }), "sources.default.auth.header: names no value"},
		"header name":               {withSource(func(s *Source) { s.Auth = Auth{Header: &Header{Name: "X Key", Values: secrets("x")}} }), "sources.default.auth.header.name: "},
		"basic without user":        {withSource(func(s *Source) { s.Auth = Auth{Basic: &Basic{Passwords: secrets("x")}} }), "sources.default.auth.basic.username: "},
		"basic without password":    {withSource(func(s *Source) { s.Auth = Auth{Basic: &Basic{Username: "u"}} }), "sources.default.auth.basic: names no password"},
		"per-process resource":      {withSource(func(s *Source) { s.Resource = map[string]string{"host.name": "x"} }), "sources.default.resource.host.name: "},
		"credentials as attribute":  {withSource(func(s *Source) { s.HeaderAttributes = headerAttribute("Authorization", "a", "b") }), "sources.default.header_attributes.Authorization: "},
		"header attribute unnamed":  {withSource(func(s *Source) { s.HeaderAttributes = headerAttribute("x-env", "", "b") }), "sources.default.header_attributes.x-env.attribute: "},
		"header attribute unlisted": {withSource(func(s *Source) { s.HeaderAttributes = headerAttribute("x-env", "a") }), "sources.default.header_attributes.x-env.values: "},
		"agent without name":        {withSource(func(s *Source) { s.Agents = map[string]string{"id": ""} }), "sources.default.agents.id: "},
		"messages":                  {withSource(func(s *Source) { s.Messages = "maybe" }), "sources.default.messages: "},
		"negative grace":            {func(c *Config) { c.Correlation.Grace = -1 }, "correlation.grace: "},
		"no window":                 {func(c *Config) { c.Correlation.Window = 0 }, "correlation.window: "},
		"no idle":                   {func(c *Config) { c.Correlation.ChatIdle = 0 }, "correlation.chat_idle: "},
		"late as event":             {func(c *Config) { c.Correlation.Late = "event" }, `correlation.late: "event" is unknown; use span, log or drop`},
		"events as logs":            {func(c *Config) { c.Mapping.Events = "logs" }, `mapping.events: "logs" is unknown; use span, log or both`},
		"trace url without id":      {traceURL("http://localhost:16686/"), "admin.trace_url: has no {trace_id}"},
		"trace url without host":    {traceURL("/trace/{trace_id}"), "admin.trace_url: must be a whole http or https URL"},
		"trace url of a script":     {traceURL("javascript://x/{trace_id}"), "admin.trace_url: must be a whole http or https URL"},
		"trace url with a password": {traceURL("https://u:p@host/{trace_id}"), "admin.trace_url: must hold no user name or password"},
		"trace url of the id":       {traceURL("https://{trace_id}.example/"), "admin.trace_url: must not have a placeholder in its host"},
		"trace url of other ids":    {traceURL("https://host/{trace_id}/{traceID}"), "admin.trace_url: may hold {trace_id} and {span_id}, no other braces"},
		"unknown hash_ids":          {func(c *Config) { c.Mapping.HashIDs = "some" }, `mapping.hash_ids: "some" is unknown`},
		"all ids without a key":     {func(c *Config) { c.Mapping.HashIDs = HashAll }, "mapping.hash_ids: all needs mapping.caller_hash_key_file"},
		"unknown pii":               {func(c *Config) { c.Mapping.PII = []PII{"everything"} }, "mapping.pii[0]: "},
		"custom data pointer":       {func(c *Config) { c.Mapping.CustomData = []CustomData{{Key: "queue", Attribute: "wxa.custom.queue"}} }, "mapping.custom_data[0].key: "},
		"custom data attribute":     {func(c *Config) { c.Mapping.CustomData = []CustomData{{Key: "/queue", Attribute: "queue"}} }, "mapping.custom_data[0].attribute: "},
		"custom data twice": {func(c *Config) {
			c.Mapping.CustomData = []CustomData{{Key: "/a", Attribute: "wxa.custom.a"}, {Key: "/b", Attribute: "wxa.custom.a"}}
		}, "mapping.custom_data[1].attribute: "},
		"no pattern":                     {redacting("", "x"), "mapping.redact[1].pattern: missing"},
		"no regular expression":          {redacting("a(b", "x"), "mapping.redact[1].pattern: not an RE2 expression"},
		"a look-ahead is not RE2":        {redacting(`(?=\d)x`, "x"), "mapping.redact[1].pattern: not an RE2 expression"},
		"a pattern of nothing":           {redacting(`\d*`, "x"), `mapping.redact[1].pattern: "\\d*" matches the empty text`},
		"no slow":                        {func(c *Config) { c.Mapping.Slow = 0 }, "mapping.slow: "},
		"dead air below slow":            {func(c *Config) { c.Mapping.DeadAir = time.Second }, "mapping.dead_air: "},
		"store elsewhere":                {func(c *Config) { c.Store.URL = "mysql://x" }, "store.url: must be sqlite:FILE"},
		"store nowhere":                  {func(c *Config) { c.Store.URL = "sqlite:" }, "store.url: must be sqlite:FILE"},
		"a password is not repeated":     {func(c *Config) { c.Store.URL = "postgres:u:hunter2@db/x" }, "store.url: must be sqlite:FILE, for example sqlite:/var/lib/cdr2otel/cdr2otel.db, or postgres://USER@HOST/DATABASE"},
		"asynchronous commits of a file": {func(c *Config) { c.Store.AllowAsynchronousCommit = true }, "store.allow_asynchronous_commit: is for PostgreSQL"},
		"tiny store":                     {func(c *Config) { c.Store.MaxSize = 1 }, "store.max_size: "},
		"no retention":                   {func(c *Config) { c.Store.Retention = 0 }, "store.retention: "},
		"negative keep_bodies":           {func(c *Config) { c.Store.KeepBodies = -1 }, "store.keep_bodies: "},
		"no dead letter retention":       {func(c *Config) { c.Store.DeadLetterRetention = 0 }, "store.dead_letter_retention: "},
		"health endpoint":                {func(c *Config) { c.Health.Endpoint = "" }, "health.endpoint: "},
		"admin endpoint":                 {func(c *Config) { c.Admin.Endpoint = "" }, "admin.endpoint: "},
		"admin where webhooks come":      {func(c *Config) { c.Admin.Endpoint = "127.0.0.1:8080" }, "admin.endpoint: shares its port with webhook.endpoint"},
		"health where webhooks come":     {func(c *Config) { c.Health.Endpoint = ":8080" }, "health.endpoint: shares its port with webhook.endpoint"},
		"negative shutdown delay":        {func(c *Config) { c.ShutdownDelay = -1 }, "shutdown_delay: "},
		"no age of metrics":              {func(c *Config) { c.Metrics.MaxAge = 0 }, "metrics.max_age: "},
		"no shutdown time":               {func(c *Config) { c.ShutdownTimeout = 0 }, "shutdown_timeout: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := Default()
			c.change(&cfg)
			got := cfg.Validate()
			if len(got) != 1 || !strings.HasPrefix(got[0].String(), c.want) {
				t.Errorf("problems: %v; want one, beginning %q", got, c.want)
			}
		})
	}
}

// redacting adds two rules, the first of them right.
func traceURL(template string) func(*Config) {
	return func(c *Config) { c.Admin.TraceURL = template }
}

func redacting(pattern, replace string) func(*Config) {
	return func(c *Config) {
		c.Mapping.Redact = []Redaction{{`\d{13,19}`, "[card]"}, {pattern, replace}}
	}
}

func headerAttribute(header, attribute string, values ...string) map[string]HeaderAttribute {
	return map[string]HeaderAttribute{header: {Attribute: attribute, Values: values}}
}

func TestFreePortsDoNotClash(t *testing.T) {
	t.Parallel()
	cfg := Default()
	cfg.Webhook.Endpoint, cfg.Health.Endpoint, cfg.Admin.Endpoint = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	if got := cfg.Validate(); len(got) != 0 {
		t.Error(got)
	}
}
