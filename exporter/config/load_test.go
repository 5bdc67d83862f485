package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// write puts content into a file of its own and returns the path.
func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// problemsOf loads content and returns what is wrong, one line a problem.
func problemsOf(t *testing.T, content string) string {
	t.Helper()
	_, err := Load(t.Context(), write(t, content))
	if err == nil {
		return ""
	}
	var lines []string
	for _, p := range err.(Problems) {
		lines = append(lines, p.String())
	}
	return strings.Join(lines, "\n")
}

func TestWithoutAFileTheDefaultsHold(t *testing.T) {
	t.Parallel()
	cfg, err := Load(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(), cfg, ignoreUnexported); diff != "" {
		t.Error(diff)
	}
	if got := cfg.Sources["default"].Auth.JWT.SecretEnvs; len(got) != 1 || got[0] != SecretEnv {
		t.Errorf("secret comes from %v, want %s", got, SecretEnv)
	}
}

func TestAnEmptyFileIsTheDefaults(t *testing.T) {
	t.Parallel()
	cfg, err := Load(t.Context(), write(t, "# nothing\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(), cfg, ignoreUnexported); diff != "" {
		t.Error(diff)
	}
}

func TestWhatTheFileLeavesOutKeepsItsDefault(t *testing.T) {
	t.Parallel()
	cfg, err := Load(t.Context(), write(t, `
webhook: {endpoint: "127.0.0.1:0"}
sources:
  live:
    auth: {jwt: {secrets: [purple unicorn]}}
    resource: {service.name: acme-voice-bot}
  draft:
    auth: {header: {values: [x]}}
    messages: none
correlation: {grace: 5s}
store: {max_size: 1GiB}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Webhook.Endpoint = "127.0.0.1:0"
	want.Correlation.Grace = 5 * time.Second
	want.Store.MaxSize = GiB
	want.Sources = map[string]Source{
		"live": {
			Auth:     Auth{JWT: &JWT{Secrets: secrets("purple unicorn"), Algorithms: []string{"HS256"}, Leeway: time.Minute}},
			Resource: map[string]string{"service.name": "acme-voice-bot"},
			Messages: MessagesExpected,
		},
		"draft": {
			Auth:     Auth{Header: &Header{Name: "Authorization", Values: secrets("x")}},
			Messages: MessagesNone,
		},
	}
	if diff := cmp.Diff(want, cfg, ignoreUnexported); diff != "" {
		t.Error(diff)
	}
}

func TestEverySampleKeyOfTheDesignIsRead(t *testing.T) {
	t.Parallel()
	cfg, err := Load(t.Context(), "testdata/everything.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if got := cfg.Sources["default"].HeaderAttributes["x-environment"].Values; len(got) != 2 {
		t.Errorf("header attribute has values %v", got)
	}
	if got := cfg.Mapping.CustomData; len(got) != 1 || got[0].Attribute != "wxa.custom.queue" {
		t.Errorf("custom data is %v", got)
	}
	if want := []Redaction{{`\d{13,19}$`, "[card]"}, {`(\w+)@\w+`, "$1@[host]"}}; !cmp.Equal(want, cfg.Mapping.Redact) {
		t.Errorf("redact is %v, want %v", cfg.Mapping.Redact, want)
	}
	if !cfg.Mapping.Content || !cfg.Mapping.DTMFDigits {
		t.Error("content or dtmf_digits is not read")
	}
	if !cfg.Mapping.Allows(PIISIPURIs) || cfg.Mapping.Allows(PIICallerNumber) {
		t.Errorf("pii is %v", cfg.Mapping.PII)
	}
}

func TestEnvironmentAndFilesAreExpanded(t *testing.T) {
	t.Setenv("CDR2OTEL_TEST_PORT", "4321")
	name := write(t, "acme")
	cfg, err := Load(t.Context(), write(t, `
webhook: {endpoint: "127.0.0.1:${env:CDR2OTEL_TEST_PORT}"}
sources: {a: {auth: {none: true}, resource: {service.name: "${file:`+name+`}"}}}
`))
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Webhook.Endpoint != "127.0.0.1:4321" {
		t.Errorf("endpoint is %q", cfg.Webhook.Endpoint)
	}
	if got := cfg.Sources["a"].Resource["service.name"]; got != "acme" {
		t.Errorf("service.name is %q", got)
	}
}

func TestAMissingFileIsSaid(t *testing.T) {
	t.Parallel()
	_, err := Load(t.Context(), filepath.Join(t.TempDir(), "absent.yaml"))
	if err == nil || !strings.Contains(err.Error(), "absent.yaml") {
		t.Fatalf("error is %v", err)
	}
}

func TestWhatCannotBeDecodedIsNamedByItsKey(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ yaml, want string }{
		"unknown section":         {"metric: {}", "metric: unknown key"},
		"unknown key":             {"webhook: {endpont: x}", "webhook.endpont: unknown key"},
		"unknown key of a source": {"sources: {a: {auth: {none: true}, foo: 1}}", "sources.a.foo: unknown key"},
		"unknown key of jwt":      {"sources: {a: {auth: {jwt: {secrets: [x], alg: HS256}}}}", "sources.a.auth.jwt.alg: unknown key"},
		"unknown key of tls":      {"webhook: {tls: {cert: x}}", "webhook.tls.cert: unknown key"},
		"unknown key of a rule":   {"mapping: {redact: [{pattern: a, by: b}]}", "mapping.redact.0.by: unknown key"},
		"a duration without unit": {"correlation: {grace: 30}", "correlation.grace: "},
		"no duration":             {"correlation: {grace: 5 bananas}", "correlation.grace: not a duration"},
		"no size":                 {"store: {max_size: lots}", `store.max_size: "lots" is not a size`},
		"no number":               {"webhook: {max_in_flight: many}", "webhook.max_in_flight: expected type 'int'"},
		"case matters":            {"Webhook: {}", "Webhook: unknown key"},
		"no mapping":              {"[1, 2]", "config file: "},
		"no YAML":                 {"a: b: c", "config file: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := problemsOf(t, c.yaml)
			if !strings.HasPrefix(got, c.want) || strings.Contains(got, "\n") {
				t.Errorf("problems:\n%s\nwant one, beginning %q", got, c.want)
			}
		})
	}
}

func TestAllProblemsComeAtOnce(t *testing.T) {
	t.Parallel()
	got := problemsOf(t, `
webhook: {endpont: x}
sources: {Live: {}, a: {auth: {jwt: {secrets: [x]}, none: true}}}
correlation: {late: event}
store: {url: "mysql://u:hunter2@db/x"}
health: {endpoint: "0.0.0.0"}
`)
	for _, want := range []string{
		"webhook.endpont: ", "sources.Live: ", "sources.Live.auth: missing", "sources.a.auth: jwt and none are set",
		"correlation.late: ", "store.url: must be sqlite:FILE", "health.endpoint: ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	if strings.Contains(got, "hunter2") {
		t.Errorf("a password left:\n%s", got)
	}
}
