package delivery

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"cdr2otel/internal/otlptest"
)

func TestTheStandardVariablesBecomeSettings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env  map[string]string
		want Settings
	}{
		"nothing is set": {nil, Settings{Exporter: ExporterOTLP, Protocol: ProtocolHTTP}},
		"the signal's path is added to the general endpoint": {
			map[string]string{"ENDPOINT": "https://otlp.example.com/otlp/"},
			Settings{Exporter: ExporterOTLP, Protocol: ProtocolHTTP, Endpoint: "https://otlp.example.com/otlp/v1/traces"},
		},
		"the signal's own endpoint is used as it is": {
			map[string]string{"ENDPOINT": "https://general", "TRACES_ENDPOINT": "https://own/in?key=1"},
			Settings{Exporter: ExporterOTLP, Protocol: ProtocolHTTP, Endpoint: "https://own/in?key=1"},
		},
		"an own endpoint without a path is the root": {
			map[string]string{"TRACES_ENDPOINT": "http://own:4318"},
			Settings{Exporter: ExporterOTLP, Protocol: ProtocolHTTP, Endpoint: "http://own:4318/"},
		},
		"gRPC adds no path": {
			map[string]string{"PROTOCOL": "grpc", "ENDPOINT": "http://collector:4317"},
			Settings{Exporter: ExporterOTLP, Protocol: ProtocolGRPC, Endpoint: "http://collector:4317"},
		},
		"the signal's own variables win": {
			map[string]string{
				"PROTOCOL": "grpc", "TRACES_PROTOCOL": "http/protobuf", "COMPRESSION": "gzip", "TRACES_COMPRESSION": "none",
				"TIMEOUT": "1", "TRACES_TIMEOUT": " 2500 ", "INSECURE": "true", "TRACES_INSECURE": "False",
			},
			Settings{Exporter: ExporterOTLP, Protocol: ProtocolHTTP, Timeout: 2500 * time.Millisecond},
		},
		"a gRPC target in plain text": {
			map[string]string{"PROTOCOL": "grpc", "ENDPOINT": "collector:4317", "INSECURE": "TRUE", "COMPRESSION": "gzip"},
			Settings{Exporter: ExporterOTLP, Protocol: ProtocolGRPC, Endpoint: "collector:4317", Insecure: true, Gzip: true},
		},
		"a value may hold an equals sign and blanks inside": {
			map[string]string{"HEADERS": "a=b=c, x-d=%20e f%09"},
			Settings{Exporter: ExporterOTLP, Protocol: ProtocolHTTP, Headers: map[string]string{"a": "b=c", "x-d": " e f\t"}},
		},
		"enums in any case": {
			map[string]string{
				"OTEL_TRACES_EXPORTER": "OTLP", "PROTOCOL": "GRPC", "COMPRESSION": "GZIP", "INSECURE": "TRUE", "ENDPOINT": "HTTP://collector:4317",
			},
			Settings{Exporter: ExporterOTLP, Protocol: ProtocolGRPC, Endpoint: "HTTP://collector:4317", Insecure: true, Gzip: true},
		},
		"enums in any case, of HTTP": {
			map[string]string{"PROTOCOL": "HTTP/Protobuf", "COMPRESSION": "None", "ENDPOINT": "HTTPS://collector"},
			Settings{Exporter: ExporterOTLP, Protocol: ProtocolHTTP, Endpoint: "https://collector/v1/traces"},
		},
		"off, in capitals": {map[string]string{"OTEL_TRACES_EXPORTER": "NONE"}, Settings{Exporter: ExporterNone}},
		"off":              {map[string]string{"OTEL_TRACES_EXPORTER": "none", "PROTOCOL": "is not read"}, Settings{Exporter: ExporterNone}},
	} {
		got := fromEnv(t, c.env)
		if diff := cmp.Diff(c.want, got, cmpopts.IgnoreFields(Settings{}, "TLS")); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if got.TLS != nil {
			t.Errorf("%s: TLS is set", name)
		}
		if want := c.want.Exporter != ExporterNone; got.Enabled() != want {
			t.Errorf("%s: enabled %t", name, got.Enabled())
		}
	}
}

func TestAVariableThatMakesNoSenseIsNamed(t *testing.T) {
	t.Parallel()
	authority, err := otlptest.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ca, empty, missing := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "empty.pem"), filepath.Join(dir, "missing.pem")
	for path, content := range map[string][]byte{ca: authority.PEM(), empty: nil} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		variable string // that is named
		env      map[string]string
	}{
		{"OTEL_TRACES_EXPORTER", map[string]string{"OTEL_TRACES_EXPORTER": "jaeger"}},
		{"OTEL_EXPORTER_OTLP_PROTOCOL", map[string]string{"PROTOCOL": "http/json"}},
		{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", map[string]string{"PROTOCOL": "grpc", "TRACES_PROTOCOL": "udp"}},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", map[string]string{"ENDPOINT": "localhost:4318"}},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", map[string]string{"ENDPOINT": "https://u:s3cret@localhost"}},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", map[string]string{"TRACES_ENDPOINT": "http://[s3cret"}},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", map[string]string{"PROTOCOL": "grpc", "ENDPOINT": "https://collector/otlp"}},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", map[string]string{"ENDPOINT": "http://collector:99999"}},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", map[string]string{"PROTOCOL": "grpc", "ENDPOINT": "collector:0"}},
		{"OTEL_EXPORTER_OTLP_HEADERS", map[string]string{"HEADERS": `"api-key"=s3cret`}},
		{"OTEL_EXPORTER_OTLP_HEADERS", map[string]string{"PROTOCOL": "grpc", "HEADERS": "grpc-timeout=1S"}},
		{"OTEL_EXPORTER_OTLP_HEADERS", map[string]string{"PROTOCOL": "grpc", "HEADERS": "a=s3cret%C3%A9"}},
		{"OTEL_EXPORTER_OTLP_INSECURE", map[string]string{"INSECURE": "yes"}},
		{"OTEL_EXPORTER_OTLP_HEADERS", map[string]string{"HEADERS": "s3cret"}},
		{"OTEL_EXPORTER_OTLP_HEADERS", map[string]string{"HEADERS": "a=%zzs3cret"}},
		{"OTEL_EXPORTER_OTLP_TRACES_HEADERS", map[string]string{"TRACES_HEADERS": "a=s3cret%0d%0ab: c"}},
		{"OTEL_EXPORTER_OTLP_COMPRESSION", map[string]string{"COMPRESSION": "zstd"}},
		{"OTEL_EXPORTER_OTLP_TIMEOUT", map[string]string{"TIMEOUT": "10s"}},
		{"OTEL_EXPORTER_OTLP_TIMEOUT", map[string]string{"TIMEOUT": "0"}},
		{"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", map[string]string{"TRACES_TIMEOUT": "-5"}},
		{"OTEL_EXPORTER_OTLP_CERTIFICATE", map[string]string{"CERTIFICATE": missing}},
		{"OTEL_EXPORTER_OTLP_CERTIFICATE", map[string]string{"CERTIFICATE": empty}},
		{"OTEL_EXPORTER_OTLP_CLIENT_KEY", map[string]string{"CLIENT_CERTIFICATE": ca}},
		{"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", map[string]string{"CLIENT_KEY": ca}},
		{"OTEL_EXPORTER_OTLP_CLIENT_KEY", map[string]string{"CLIENT_CERTIFICATE": ca, "CLIENT_KEY": missing}},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", map[string]string{"CERTIFICATE": ca, "ENDPOINT": "http://collector:4318"}},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", map[string]string{"CERTIFICATE": ca, "PROTOCOL": "grpc", "ENDPOINT": "collector:4317", "INSECURE": "true"}},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", map[string]string{"CERTIFICATE": ca}},
	} {
		_, err := SettingsFromEnv("traces", env(c.env))
		if err == nil {
			t.Errorf("%v: accepted", c.env)
			continue
		}
		if !strings.Contains(err.Error(), c.variable+":") || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: want one line that names %s and no secret: %v", c.env, c.variable, err)
		}
	}
}

func TestAnEndpointThatIsHardlyMeantIsWarnedAbout(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env  map[string]string
		want string
	}{
		"the path is there already":      {map[string]string{"ENDPOINT": "http://c:4318/v1/traces"}, "OTEL_EXPORTER_OTLP_ENDPOINT: ends in /v1/traces, and the path of each signal is added to it"},
		"the path of another signal":     {map[string]string{"ENDPOINT": "http://c:4318/x/v1/logs/?key=s3cret"}, "OTEL_EXPORTER_OTLP_ENDPOINT: ends in /v1/logs"},
		"an own endpoint without a path": {map[string]string{"TRACES_ENDPOINT": "http://c:4318"}, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: has no path"},
		"an own endpoint with its path":  {map[string]string{"TRACES_ENDPOINT": "http://c:4318/v1/traces"}, ""},
		"an own endpoint goes before":    {map[string]string{"TRACES_ENDPOINT": "http://c:4318/in", "ENDPOINT": "http://c/v1/traces"}, ""},
		"gRPC has no path":               {map[string]string{"PROTOCOL": "grpc", "ENDPOINT": "http://c:4317"}, ""},
		"another path":                   {map[string]string{"ENDPOINT": "http://c/otlp/v1"}, ""},
		"the default":                    {nil, ""},
		"off":                            {map[string]string{"OTEL_TRACES_EXPORTER": "none", "ENDPOINT": "http://c/v1/traces"}, ""},
	} {
		err := CheckEndpoint(SignalTraces, env(c.env))
		if (err == nil) != (c.want == "") || err != nil && (!strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "s3cret")) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestAllProblemsAreReportedTogether(t *testing.T) {
	t.Parallel()
	_, err := SettingsFromEnv("traces", env(map[string]string{"PROTOCOL": "x", "TIMEOUT": "x", "COMPRESSION": "x"}))
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("want three lines: %v", err)
	}
}

func TestARenewedClientCertificateIsUsedWithoutARestart(t *testing.T) {
	t.Parallel()
	authority, err := otlptest.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ca, cert, key := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "client.pem"), filepath.Join(dir, "client.key")
	issue := func(name string) {
		certificate, private, err := authority.ClientPEM(name)
		if err != nil {
			t.Fatal(err)
		}
		for path, content := range map[string][]byte{ca: authority.PEM(), cert: certificate, key: private} {
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	issue("old")
	r := otlptest.New(t, otlptest.Options{Authority: authority, RequireClientCertificate: true})
	s := fromEnv(t, map[string]string{"ENDPOINT": r.HTTPEndpoint(), "CERTIFICATE": ca, "CLIENT_CERTIFICATE": cert, "CLIENT_KEY": key})
	for n, name := range []string{"old", "new"} {
		issue(name)
		// Another client, because a new connection is what matters.
		if got := dial(t, s).Send(t.Context(), encoded(t, "call")); classOf(got, 1) != taken {
			t.Fatalf("answer %+v", got)
		}
		if seen := r.Requests()[n].PeerCertificates[0].Subject.CommonName; seen != name {
			t.Errorf("the server saw the certificate of %q, want %q", seen, name)
		}
	}
}
