package delivery

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"cdr2otel/exporter/internal/otelenv"
)

// Exporters, the values of OTEL_TRACES_EXPORTER.
const (
	ExporterOTLP    = "otlp"
	ExporterConsole = "console"
	ExporterNone    = "none"
)

// Protocols, the values of OTEL_EXPORTER_OTLP_PROTOCOL.
const (
	ProtocolGRPC = "grpc"
	ProtocolHTTP = "http/protobuf"
)

// Signals, as the variables and paths of OTLP name them.
const (
	SignalTraces  = "traces"
	SignalLogs    = "logs"
	SignalMetrics = "metrics"
)

// Endpoints by default, as the OTLP exporter specification gives them.
const (
	defaultGRPC = "http://localhost:4317"
	defaultHTTP = "http://localhost:4318"
)

// Settings of a client. The zero value is what the OTLP exporter specification
// gives as default; the environment is read by SettingsFromEnv and nowhere else,
// so whatever a caller sets here beats it.
type Settings struct {
	// Exporter is ExporterOTLP (default), ExporterConsole or ExporterNone.
	Exporter string
	// Protocol is ProtocolHTTP (default) or ProtocolGRPC.
	Protocol string
	// Endpoint is used as it is: for HTTP the whole URL, path included; for gRPC
	// an http or https URL, or any target of gRPC ("collector:4317",
	// "unix:///run/otel.sock"). Default: port 4318 or 4317 of localhost, no TLS.
	Endpoint string
	// Insecure means no TLS for a gRPC target without http or https.
	Insecure bool
	// Headers go with each request.
	Headers map[string]string
	// Gzip compresses requests.
	Gzip bool
	// Timeout of one request, connecting included; default 10 s.
	Timeout time.Duration
	// TLS of an https endpoint; nil: the machine's roots, no client certificate.
	TLS *tls.Config
	// Console is where ExporterConsole writes; default standard output.
	Console io.Writer
	// UserAgent; default "cdr2otel".
	UserAgent string
}

// Enabled says whether the signal is exported at all. If not, its requests count
// as exported at once and are not even encoded.
func (s Settings) Enabled() bool { return s.Exporter != ExporterNone }

// SettingsFromEnv reads the standard variables of a signal ("traces"):
// OTEL_<SIGNAL>_EXPORTER and OTEL_EXPORTER_OTLP_… with their OTEL_EXPORTER_OTLP_<SIGNAL>_…
// forms, which win. Unlike an SDK, which would carry on without it, a value that
// makes no sense is an error of package otelenv; the error joins all of them.
func SettingsFromEnv(signal string, getenv func(string) string) (Settings, error) {
	e := &environment{getenv: getenv, signal: strings.ToUpper(signal)}
	exporter := "OTEL_" + e.signal + "_EXPORTER"
	s := Settings{
		Exporter: e.oneOf(exporter, getenv(exporter), ExporterOTLP, ExporterConsole, ExporterNone),
	}
	if s.Exporter != ExporterOTLP {
		return s, errors.Join(e.problems...)
	}
	s.Protocol = e.protocol()
	s.Endpoint = e.endpoint(s.Protocol, signal)
	s.Insecure = e.boolean("INSECURE")
	s.Headers = e.headers(s.Protocol)
	s.Gzip = e.compression()
	s.Timeout = e.timeout()
	s.TLS = e.tls()
	if len(e.problems) == 0 && s.TLS != nil {
		e.wantsTLS(s)
	}
	return s, errors.Join(e.problems...)
}

// environment reads variables and collects what is wrong with them.
type environment struct {
	getenv   func(string) string
	signal   string // in upper case
	problems []error
}

func (e *environment) problem(variable, format string, a ...any) {
	e.problems = append(e.problems, otelenv.Errorf(variable, format, a...))
}

// lookup finds the variable that counts: the signal's own, else the general one.
func (e *environment) lookup(key string) (value, variable string, specific bool) {
	variable = "OTEL_EXPORTER_OTLP_" + e.signal + "_" + key
	if v := strings.TrimSpace(e.getenv(variable)); v != "" {
		return v, variable, true
	}
	variable = "OTEL_EXPORTER_OTLP_" + key
	return strings.TrimSpace(e.getenv(variable)), variable, false
}

// oneOf reads a variable whose first known value is its default.
func (e *environment) oneOf(variable, value string, known ...string) string {
	v, err := otelenv.OneOf(value, known...)
	if err != nil {
		e.problem(variable, "%w", err)
	}
	return v
}

func (e *environment) protocol() string {
	v, variable, _ := e.lookup("PROTOCOL")
	return e.oneOf(variable, v, ProtocolHTTP, ProtocolGRPC)
}

// endpoint follows "Endpoint URLs for OTLP/HTTP": a signal's own is used as it
// is, to the general one the signal's path is added.
func (e *environment) endpoint(protocol, signal string) string {
	v, variable, specific := e.lookup("ENDPOINT")
	if v == "" {
		return ""
	}
	if protocol == ProtocolGRPC {
		if _, err := otelenv.GRPCTarget(v, false); err != nil {
			e.problem(variable, "%w", err)
		}
		return v
	}
	u, err := otelenv.HTTPURL(v)
	if err != nil {
		e.problem(variable, "%w", err)
		return ""
	}
	if specific {
		return u.String()
	}
	return u.JoinPath("v1", signal).String()
}

// CheckEndpoint returns what is probably meant otherwise with the endpoint of a
// signal, as an error of package otelenv that is no reason to refuse start; nil is
// nothing.
func CheckEndpoint(signal string, getenv func(string) string) error {
	s, err := SettingsFromEnv(signal, getenv)
	if err != nil || s.Exporter != ExporterOTLP || s.Protocol != ProtocolHTTP {
		return nil
	}
	e := &environment{getenv: getenv, signal: strings.ToUpper(signal)}
	v, variable, specific := e.lookup("ENDPOINT")
	u, err := otelenv.HTTPURL(v)
	if err != nil {
		return nil
	}
	for _, known := range []string{SignalTraces, SignalLogs, SignalMetrics} {
		path := "/v1/" + known
		if !specific && strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), path) {
			return otelenv.Errorf(variable, "ends in %s, and the path of each signal is added to it (%s%s): leave %s out, or use OTEL_EXPORTER_OTLP_%s_ENDPOINT",
				path, path, path, path, strings.ToUpper(known))
		}
	}
	if specific && u.Path == "/" {
		return otelenv.Errorf(variable, "has no path, and to a signal's own endpoint none is added: append /v1/%s, unless the receiver takes %s at /", signal, signal)
	}
	return nil
}

func (e *environment) boolean(key string) bool {
	v, variable, _ := e.lookup(key)
	b, err := otelenv.Boolean(v)
	if err != nil {
		e.problem(variable, "%w", err)
	}
	return b
}

// headers are credentials: a problem names the place of an entry, never its text (I5).
func (e *environment) headers(protocol string) map[string]string {
	v, variable, _ := e.lookup("HEADERS")
	pairs, err := otelenv.Pairs(variable, v)
	if err != nil {
		e.problems = append(e.problems, err)
	}
	var headers map[string]string
	for _, pair := range pairs {
		err := otelenv.CheckHeader(pair.Key, pair.Value)
		if err == nil && protocol == ProtocolGRPC {
			err = checkMetadata(pair.Key, pair.Value)
		}
		if err != nil {
			e.problem(variable, "%w", err)
			continue
		}
		if headers == nil {
			headers = map[string]string{}
		}
		headers[pair.Key] = pair.Value
	}
	return headers
}

func (e *environment) compression() bool {
	v, variable, _ := e.lookup("COMPRESSION")
	return e.oneOf(variable, v, "none", "gzip") == "gzip"
}

func (e *environment) timeout() time.Duration {
	v, variable, _ := e.lookup("TIMEOUT")
	d, err := otelenv.Milliseconds(v)
	if err != nil {
		e.problem(variable, "%w", err)
	}
	return d
}

// tls is nil when no variable asks for more than the defaults.
func (e *environment) tls() *tls.Config {
	roots := e.roots()
	clientCertificate := e.clientCertificate()
	if roots == nil && clientCertificate == nil {
		return nil
	}
	return &tls.Config{RootCAs: roots, GetClientCertificate: clientCertificate, MinVersion: tls.VersionTLS12}
}

func (e *environment) roots() *x509.CertPool {
	file, variable, _ := e.lookup("CERTIFICATE")
	if file == "" {
		return nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		e.problem(variable, "%w", err)
		return nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		e.problem(variable, "%s holds no PEM certificate", file)
		return nil
	}
	return pool
}

// clientCertificate reads the files at each handshake, so that a renewed
// certificate is used without a restart; now only to see that they are right.
func (e *environment) clientCertificate() func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	certFile, certVariable, _ := e.lookup("CLIENT_CERTIFICATE")
	keyFile, keyVariable, _ := e.lookup("CLIENT_KEY")
	switch {
	case certFile == "" && keyFile == "":
		return nil
	case certFile == "":
		e.problem(certVariable, "not set, but %s is", keyVariable)
		return nil
	case keyFile == "":
		e.problem(keyVariable, "not set, but %s is", certVariable)
		return nil
	}
	if _, err := tls.LoadX509KeyPair(certFile, keyFile); err != nil {
		e.problem(certVariable+", "+keyVariable, "%w", err)
		return nil
	}
	return func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		c, err := tls.LoadX509KeyPair(certFile, keyFile)
		return &c, err
	}
}

// wantsTLS refuses certificates for an endpoint in plain text: they were set in the
// belief that the connection is encrypted.
func (e *environment) wantsTLS(s Settings) {
	encrypted := strings.HasPrefix(s.Endpoint, "https://")
	if s.Protocol == ProtocolGRPC && s.Endpoint != "" {
		t, err := otelenv.GRPCTarget(s.Endpoint, s.Insecure)
		encrypted = err == nil && t.Encrypted
	}
	if encrypted {
		return
	}
	_, variable, _ := e.lookup("ENDPOINT")
	e.problem(variable, "certificates are set but the endpoint is not https")
}
