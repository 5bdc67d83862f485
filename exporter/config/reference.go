package config

// Row documents one key. Its default is not written down: it is taken from
// Default (see Rows).
type Row struct {
	Key    string // path; * is a name the user chooses, [] an element of a list
	Doc    string // what it means, with unit
	Breaks string // what goes wrong when it is wrong
}

// Reference documents every key, in the order of the file. The tables of
// README.md and docs/configuration.md are made from it.
var Reference = []Row{
	{"webhook.endpoint", "host:port that IBM's platform posts to; https when `webhook.tls` is set", "taken or wrong: the sidecar does not start; loopback: the platform can't reach it"},
	{"webhook.path", "path of the webhooks; a source is `{path}/{source}`, the path alone is the source `default`", "differs from what is configured at IBM: every webhook gets 404 and is lost"},
	{"webhook.tls.cert_file", "PEM certificate chain; with `key_file` the listener speaks https", "IBM posts to https only: without it something in front must terminate TLS"},
	{"webhook.tls.key_file", "PEM private key of the certificate", "unreadable: the sidecar does not start"},
	{"webhook.tls.client_ca_file", "PEM CAs; set, only clients with a certificate of one of them get in", "IBM's platform presents none: every webhook is lost"},
	{"webhook.tls.reload_interval", "how often certificate and key are read again; while they can't be, the last ones are served", "0s: a renewed certificate needs a SIGHUP"},
	{"webhook.tls.*", "the other server settings of the Collector's `configtls` (`min_version` from 1.2, `cipher_suites`, `ca_file`, …)", "as there"},
	{"webhook.max_request_body_size", "largest body, also after gzip", "too small: long calls get 413 and are lost; too large: memory"},
	{"webhook.max_in_flight", "webhooks stored at a time; above it as many (at least 1024) wait up to 5s for a place, then 503; three times as many connections (at least 3072) may be open, then the one idle for longest is closed", "too small: 503 under load, and the platform does not repeat; bodies share 64 MiB (or a little more than four of the largest) whatever it is"},
	{"webhook.trusted_proxies", "addresses and networks whose X-Forwarded-For is believed for the client address that is logged", "too wide: anyone can forge the logged address"},
	{"sources.*", "one IBM environment, `a-z0-9_-`; part of the URL and of every trace id", "renamed: the same call gets other ids"},
	{"sources.*.auth.jwt.secret_envs", "environment variables that hold a JWT secret, read raw", "missing or empty: start and reload are refused; not the secret configured at IBM: 401, every webhook is lost"},
	{"sources.*.auth.jwt.secret_files", "files that hold a JWT secret, less one final line break", "as above"},
	{"sources.*.auth.jwt.secrets", "JWT secrets in this file, for trying things out (write `$` as `$$`)", "readable by who reads the file"},
	{"sources.*.auth.jwt.algorithms", "accepted algorithms of HS256, HS384, HS512", "lacks the one the platform signs with: 401"},
	{"sources.*.auth.jwt.leeway", "clock difference that `exp` and `nbf` forgive, at most 1h", "too small: 401 when clocks drift; too large: old tokens live on"},
	{"sources.*.auth.jwt.require_exp", "refuse tokens without `exp`", "true while the platform sends none: 401"},
	{"sources.*.auth.header.name", "request header that holds the shared value", "not the one configured at IBM: 401"},
	{"sources.*.auth.header.value_envs", "environment variables that hold an accepted value", "as with jwt"},
	{"sources.*.auth.header.value_files", "files that hold an accepted value", "as with jwt"},
	{"sources.*.auth.header.values", "accepted values in this file, for trying things out", "readable by who reads the file"},
	{"sources.*.auth.basic.username", "user name (RFC 7617)", "not the one configured at IBM: 401"},
	{"sources.*.auth.basic.password_envs", "environment variables that hold an accepted password", "as with jwt"},
	{"sources.*.auth.basic.password_files", "files that hold an accepted password", "as with jwt"},
	{"sources.*.auth.basic.passwords", "accepted passwords in this file, for trying things out", "readable by who reads the file"},
	{"sources.*.auth.none", "anyone may post here", "true on a reachable endpoint: strangers fill the store with invented calls"},
	{"sources.*.resource", "resource attributes of the observed service: `service.name`, `deployment.environment.name`, …", "changed: back ends show the calls as those of another service"},
	{"sources.*.header_attributes.*.attribute", "resource attribute that the request header of this name becomes", "wrong name: not found in searches"},
	{"sources.*.header_attributes.*.values", "header values that may leave; any other is ignored", "a missing value: the attribute is missing on those calls"},
	{"sources.*.agents", "assistant or environment id → name (`gen_ai.agent.name`)", "missing: spans carry the id only"},
	{"sources.*.messages", "`expected`, or `none`: this source sends no message logs, never wait for them", "`none` although they come: messages arrive late, as spans of their own"},
	{"correlation.grace", "after a CDR, wait at most this long for message logs it names; all there: export at once", "too short: late messages; too long: calls whose messages never come show up later"},
	{"correlation.window", "a phone session waits this long after its last message for its CDR", "shorter than calls last: conversations without their call"},
	{"correlation.chat_idle", "a conversation without a call is complete after this silence (the platform's session lasts 1h)", "too short: conversations in pieces"},
	{"correlation.late", "message whose call was exported before it came: `span` (a child with its own id), `log` (a log record with the ids of its turn) or `drop`; with `mapping.events: log` or `both` each message has its record anyway", "`drop`: those messages are counted and gone; `log` without a logs pipeline: they wait for ever"},
	{"mapping.events", "what happens at an instant (messages, warnings, barge-in, …) leaves as `span` events, as `log` records with trace and span id, each message's at once, or as `both`", "`log` or `both` without a logs pipeline in the Collector: the records wait in the store until it is full; `log`: Jaeger, which has no logs, shows no events"},
	{"mapping.content", "true: what users and assistants said leaves, as `gen_ai.input.messages` and `gen_ai.output.messages`; `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true` does the same", "true: conversations are readable in the back end"},
	{"mapping.dtmf_digits", "true: content shows the keys that were pressed, not only how many", "true: card numbers and PINs are readable in the back end; warned about at start"},
	{"mapping.redact[].pattern", "RE2 expression; what it finds in any text that leaves is replaced, one rule after the other", "misses what it should find: that leaves; finds too much: less to read"},
	{"mapping.redact[].replace", "what takes its place; `$1` is the first group", "names a group that holds what should not leave: it leaves"},
	{"mapping.pii", "personal data that may leave: `caller_number`, `callee_number`, `sip_uris`", "whatever is named is readable in the back end"},
	{"mapping.caller_hash_key_file", "file with the key of `wxa.caller.hash`: the same caller without the number", "changed key: other hashes; known key: hashes can be turned into numbers"},
	{"mapping.custom_data[].key", "JSON pointer to a value of `injected_custom_data` that may leave", "points to personal data: it leaves"},
	{"mapping.custom_data[].attribute", "its span attribute, below `wxa.custom.`", "wrong name: not found in searches"},
	{"mapping.custom_data[].metric", "true: an attribute of the call's metrics too, its first 20 values", "many values: the others are `_OTHER`, and each value is a set of series more"},
	{"mapping.slow", "a turn that answers later than this is `slow`", "class and count of slow turns mean something else"},
	{"mapping.dead_air", "a turn that answers later than this is `dead_air`; above `slow`", "as above"},
	{"mapping.upstream_link", "key of `injected_custom_data` with a W3C traceparent, which becomes a link; empty: none", "wrong key: no link to the trace the call came from"},
	{"metrics.max_age", "calls that ended longer ago are counted as skipped and not measured: metrics carry the time of their arrival", "too long: the backlog of an old outage pages as a new one; too short: calls are missing in the metrics after a short one"},
	{"store.url", "`sqlite:FILE`; the file must survive restarts, on a local disk", "on a volatile disk what was acknowledged is lost; unwritable: the sidecar does not start"},
	{"store.max_size", "size at which history is evicted; full of unsent events: 503. A disk with less room counts as smaller", "too small: an outage of the collector ends in refused, lost webhooks"},
	{"store.retention", "how long exported events are remembered: duplicates, the delivery log", "too short: a redelivery is taken for a new event"},
	{"store.keep_bodies", "how long raw bodies stay after their call was assembled", "above 0s: numbers and transcripts lie on this disk"},
	{"store.dead_letter_retention", "how long dead letters keep their content", "too short: gone before somebody looked"},
	{"health.endpoint", "host:port of `/healthz` and `/readyz`", "unreachable by probes: the pod never becomes ready"},
	{"admin.endpoint", "host:port of the operators' listener", "reachable by strangers: use `web_config`"},
	{"admin.web_config", "Prometheus exporter-toolkit file with TLS and basic auth of the admin listener", "empty: plain http without password, which loopback excuses"},
	{"admin.pprof", "`/debug/pprof/` on the admin listener", "true: profiles, and memory contents, for who reaches it"},
	{"shutdown_delay", "after SIGTERM: not ready, but still accepting (10s behind a load balancer)", "too short: requests on their way are refused and lost"},
	{"shutdown_timeout", "after that, what is in flight may take this long", "too short: webhooks in flight are cut off"},
}
