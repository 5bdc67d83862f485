// Package config is the sidecar's configuration file: YAML in the Collector's
// manner, decoded strictly into one struct, validated as a whole.
//
// Load reads and validates; ResolveSources and CheckFiles do what needs files
// and the environment. What each key means, its default and what breaks when it
// is wrong stands in one table, reference.go, from which the documents are made.
package config

import (
	"time"

	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/config/configtls"
)

// Config is the whole configuration. Every field's meaning is in Reference.
type Config struct {
	Webhook     Webhook           `mapstructure:"webhook"`
	Sources     map[string]Source `mapstructure:"sources"`
	Correlation Correlation       `mapstructure:"correlation"`
	Mapping     Mapping           `mapstructure:"mapping"`
	Metrics     Metrics           `mapstructure:"metrics"`
	Store       Store             `mapstructure:"store"`
	Health      Health            `mapstructure:"health"`
	Admin       Admin             `mapstructure:"admin"`
	// ShutdownDelay is how long the sidecar still accepts after SIGTERM while it
	// already says that it is not ready.
	ShutdownDelay time.Duration `mapstructure:"shutdown_delay"`
	// ShutdownTimeout bounds what is in flight when accepting has stopped.
	ShutdownTimeout time.Duration `mapstructure:"shutdown_timeout"`
}

// Webhook is the listener that IBM's platform posts to.
type Webhook struct {
	Endpoint           string                 `mapstructure:"endpoint"`
	Path               string                 `mapstructure:"path"`
	TLS                configtls.ServerConfig `mapstructure:"tls"`
	MaxRequestBodySize Size                   `mapstructure:"max_request_body_size"`
	MaxInFlight        int                    `mapstructure:"max_in_flight"`
	TrustedProxies     []string               `mapstructure:"trusted_proxies"`
}

// TLSEnabled tells whether the listener speaks https.
func (w Webhook) TLSEnabled() bool {
	return w.TLS.CertFile != "" || w.TLS.CertPem != "" || w.TLS.KeyFile != "" || w.TLS.KeyPem != ""
}

// Source is one IBM environment (draft, live) that posts here.
type Source struct {
	Auth             Auth                       `mapstructure:"auth"`
	Resource         map[string]string          `mapstructure:"resource"`
	HeaderAttributes map[string]HeaderAttribute `mapstructure:"header_attributes"`
	Agents           map[string]string          `mapstructure:"agents"`
	Messages         Messages                   `mapstructure:"messages"`
}

// Messages says whether a source sends message logs.
type Messages string

// Values of Source.Messages.
const (
	MessagesExpected Messages = "expected" // a call waits correlation.grace for the logs it names
	MessagesNone     Messages = "none"     // never wait
)

// Auth is how a source's requests are authenticated: exactly one of its fields.
type Auth struct {
	JWT    *JWT    `mapstructure:"jwt"`
	Header *Header `mapstructure:"header"`
	Basic  *Basic  `mapstructure:"basic"`
	None   bool    `mapstructure:"none"`
}

// JWT authenticates by an HMAC-signed JSON Web Token, as the platform sends it.
type JWT struct {
	SecretEnvs  []string              `mapstructure:"secret_envs"`
	SecretFiles []string              `mapstructure:"secret_files"`
	Secrets     []configopaque.String `mapstructure:"secrets"`
	Algorithms  []string              `mapstructure:"algorithms"`
	Leeway      time.Duration         `mapstructure:"leeway"`
	RequireExp  bool                  `mapstructure:"require_exp"`
}

// Header authenticates by a static request header.
type Header struct {
	Name       string                `mapstructure:"name"`
	ValueEnvs  []string              `mapstructure:"value_envs"`
	ValueFiles []string              `mapstructure:"value_files"`
	Values     []configopaque.String `mapstructure:"values"`
}

// Basic authenticates by user name and password (RFC 7617).
type Basic struct {
	Username      string                `mapstructure:"username"`
	PasswordEnvs  []string              `mapstructure:"password_envs"`
	PasswordFiles []string              `mapstructure:"password_files"`
	Passwords     []configopaque.String `mapstructure:"passwords"`
}

// HeaderAttribute turns a request header into a resource attribute when its
// value is one of those listed.
type HeaderAttribute struct {
	Attribute string   `mapstructure:"attribute"`
	Values    []string `mapstructure:"values"`
}

// Correlation says how long what belongs together waits for each other.
type Correlation struct {
	Grace    time.Duration `mapstructure:"grace"`
	Window   time.Duration `mapstructure:"window"`
	ChatIdle time.Duration `mapstructure:"chat_idle"`
	Late     Late          `mapstructure:"late"`
}

// Late says what becomes of a message whose call was exported before it came.
type Late string

// Values of Correlation.Late.
const (
	LateSpan Late = "span" // a child span with its own id
	LateLog  Late = "log"  // a log record with the ids of its turn
	LateDrop Late = "drop" // counted, not exported
)

// Mapping says what a call becomes and what of it may leave.
type Mapping struct {
	Events            Events        `mapstructure:"events"`
	PII               []PII         `mapstructure:"pii"`
	CallerHashKeyFile string        `mapstructure:"caller_hash_key_file"`
	HashIDs           HashIDs       `mapstructure:"hash_ids"`
	CustomData        []CustomData  `mapstructure:"custom_data"`
	Slow              time.Duration `mapstructure:"slow"`
	DeadAir           time.Duration `mapstructure:"dead_air"`
	UpstreamLink      string        `mapstructure:"upstream_link"`
	Content           bool          `mapstructure:"content"`
	DTMFDigits        bool          `mapstructure:"dtmf_digits"`
	Redact            []Redaction   `mapstructure:"redact"`
}

// Events says where messages, warnings and what else happened at an instant go.
type Events string

// Values of Mapping.Events.
const (
	EventsSpan Events = "span" // span events
	EventsLog  Events = "log"  // log records with trace and span id
	EventsBoth Events = "both"
)

// Allows tells whether the personal datum p may leave.
func (m Mapping) Allows(p PII) bool {
	for _, allowed := range m.PII {
		if allowed == p {
			return true
		}
	}
	return false
}

// PII is a kind of personal data that may be allowed to leave (I5).
type PII string

// Values of Mapping.PII.
const (
	PIICallerNumber PII = "caller_number"
	PIICalleeNumber PII = "callee_number"
	PIISIPURIs      PII = "sip_uris"
)

// HashIDs says which ids do not leave as they are.
type HashIDs string

// Values of Mapping.HashIDs.
const (
	HashNumbers HashIDs = "numbers" // those that look like a telephone number
	HashAll     HashIDs = "all"
	HashNone    HashIDs = "none"
)

// CustomData allows one value of injected_custom_data to leave.
type CustomData struct {
	Key       string `mapstructure:"key"`
	Attribute string `mapstructure:"attribute"`
	Metric    bool   `mapstructure:"metric"`
}

// Redaction replaces what a pattern finds in every text that leaves.
type Redaction struct {
	Pattern string `mapstructure:"pattern"`
	Replace string `mapstructure:"replace"`
}

// Metrics says which calls are measured.
type Metrics struct {
	MaxAge time.Duration `mapstructure:"max_age"`
}

// Store is the durable inbox and outbox.
type Store struct {
	URL                 string        `mapstructure:"url"`
	MaxSize             Size          `mapstructure:"max_size"`
	Retention           time.Duration `mapstructure:"retention"`
	KeepBodies          time.Duration `mapstructure:"keep_bodies"`
	DeadLetterRetention time.Duration `mapstructure:"dead_letter_retention"`
	// AllowAsynchronousCommit lets a server of PostgreSQL acknowledge what it has not
	// yet made durable (I1).
	AllowAsynchronousCommit bool `mapstructure:"allow_asynchronous_commit"`
}

// Health is the listener for probes.
type Health struct {
	Endpoint string `mapstructure:"endpoint"`
}

// Admin is the listener for operators. It is never reachable through the
// webhook listener.
type Admin struct {
	Endpoint  string `mapstructure:"endpoint"`
	WebConfig string `mapstructure:"web_config"`
	TraceURL  string `mapstructure:"trace_url"`
	PProf     bool   `mapstructure:"pprof"`
}
