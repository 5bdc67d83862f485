package config

import (
	"time"

	"go.opentelemetry.io/collector/config/configtls"
	"go.opentelemetry.io/collector/confmap"
)

// SecretEnv is the environment variable that holds the secret of the source
// "default" when no sources are configured.
const SecretEnv = "CDR2OTEL_WEBHOOK_SECRET"

// DefaultSource is the name of the source that a request without one belongs to.
const DefaultSource = "default"

// Default returns the configuration without a file: one source, "default",
// whose JWT secret is in the environment variable SecretEnv.
func Default() Config {
	cfg := defaults()
	source := defaultSource()
	jwt := defaultJWT()
	jwt.SecretEnvs = []string{SecretEnv}
	source.Auth.JWT = &jwt
	cfg.Sources = map[string]Source{DefaultSource: source}
	return cfg
}

// defaults are the defaults of every key but the sources.
func defaults() Config {
	tls := configtls.NewDefaultServerConfig()
	tls.ReloadInterval = time.Minute
	return Config{
		Webhook: Webhook{
			Endpoint:           "0.0.0.0:8080",
			Path:               "/webhook",
			TLS:                tls,
			MaxRequestBodySize: 8 * MiB,
			MaxInFlight:        1024,
		},
		Correlation: Correlation{
			Grace:    30 * time.Second,
			Window:   4 * time.Hour,
			ChatIdle: 65 * time.Minute,
			Late:     LateSpan,
		},
		Mapping: Mapping{
			Events:       EventsSpan,
			HashIDs:      HashNumbers,
			Slow:         2 * time.Second,
			DeadAir:      4 * time.Second,
			UpstreamLink: "traceparent",
		},
		Metrics: Metrics{MaxAge: 15 * time.Minute},
		Store: Store{
			URL:                 "sqlite:cdr2otel.db",
			MaxSize:             10 * GiB,
			Retention:           168 * time.Hour,
			DeadLetterRetention: 168 * time.Hour,
		},
		Health:          Health{Endpoint: "0.0.0.0:13134"},
		Admin:           Admin{Endpoint: "127.0.0.1:9464"},
		ShutdownTimeout: 20 * time.Second,
	}
}

func defaultSource() Source { return Source{Messages: MessagesExpected} }

func defaultJWT() JWT {
	return JWT{Algorithms: []string{"HS256"}, Leeway: time.Minute}
}

func defaultHeader() Header { return Header{Name: "Authorization"} }

// Unmarshal gives what the file leaves out its default.
func (s *Source) Unmarshal(conf *confmap.Conf) error {
	*s = defaultSource()
	return conf.Unmarshal(s, confmap.WithIgnoreUnused())
}

// Unmarshal gives what the file leaves out its default.
func (j *JWT) Unmarshal(conf *confmap.Conf) error {
	*j = defaultJWT()
	return conf.Unmarshal(j, confmap.WithIgnoreUnused())
}

// Unmarshal gives what the file leaves out its default.
func (h *Header) Unmarshal(conf *confmap.Conf) error {
	*h = defaultHeader()
	return conf.Unmarshal(h, confmap.WithIgnoreUnused())
}
