package config

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
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

func TestAFileThatCannotBeReadIsNamedWithWhatToDo(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "cdr2otel.yaml") // as a mount of a file that is not there
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	absent := filepath.Join(dir, "absent.yaml")
	for path, want := range map[string]string{absent: "no such file", dir: "it is a directory"} {
		_, err := Load(t.Context(), path)
		if err == nil || !strings.HasPrefix(err.Error(), "config file "+path+": "+want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	// As root everything may be read.
	if got := unreadable(&fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}); !strings.Contains(got, "may not read it") {
		t.Errorf("permission: %s", got)
	}
}

func TestAFileThatIsNoYAMLIsToldApartFromOneThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for yaml, want := range map[string]string{
		"[1, 2]":                "want keys with values, like webhook:, got a list",
		"purple":                "want keys with values, like webhook:, got a text",
		"a: b: c":               "not YAML: line 1: a colon where none is allowed",
		"\n\nadmin: {a: 1, b":   "not YAML: line 3: a map is not closed",
		"admin: *x":             "not YAML: line 1: a value begins with *; put it in quotes",
		"health: {}\n---\na: 1": "has a second YAML document",
	} {
		got := problemsOf(t, yaml)
		if !strings.HasPrefix(got, "config file ") || !strings.Contains(got, "/file: "+want) || strings.Contains(got, "\n") {
			t.Errorf("%q: %s; want %q", yaml, got, want)
		}
	}
}

func TestAnUnknownKeyLeadsToTheOneThatWasMeant(t *testing.T) {
	t.Parallel()
	const jwt = "sources: {live: {auth: {jwt: {secrets: [x], %s: x}}}}"
	for _, c := range []struct{ yaml, want string }{
		{"metric: {}", "metric: unknown key; did you mean metrics?"},
		{"Webhook: {}", "Webhook: unknown key; did you mean webhook?"},
		{"webhook: {endpont: x}", "webhook.endpont: unknown key; did you mean endpoint?"},
		{"webhook: {maxInFlight: x}", "webhook.maxInFlight: unknown key; did you mean max_in_flight?"},
		{"store: {keep-bodies: x}", "store.keep-bodies: unknown key; did you mean keep_bodies?"},
		{strings.ReplaceAll(jwt, "%s", "secret"), "sources.live.auth.jwt.secret: unknown key; did you mean secret_envs, secret_files or secrets?"},
		{strings.ReplaceAll(jwt, "%s", "alg"), "sources.live.auth.jwt.alg: unknown key; did you mean algorithms?"},
		{strings.ReplaceAll(jwt, "%s", "none"), "sources.live.auth.jwt.none: unknown key; did you mean sources.live.auth.none?"},
		{"webhook: {tls: {cert: x}}", "webhook.tls.cert: unknown key; did you mean cert_file or cert_pem?"},
		{"mapping: {redact: [{pattern: a, by: b}]}", "mapping.redact[0].by: unknown key; known here are pattern and replace"},
		{"sources: {a: {auth: {none: true}, foo: 1}}", "sources.a.foo: unknown key; known here are auth, resource, header_attributes, agents and messages"},
		{"sources: {live: {jwt: {secrets: [x]}}}", "sources.live.jwt: unknown key; did you mean sources.live.auth.jwt?"},
		{"content: true", "content: unknown key; did you mean mapping.content?"},
		{"trace_url: x", "trace_url: unknown key; did you mean admin.trace_url?"},
		{"secrets: [x]", "secrets: unknown key; did you mean sources.NAME.auth.jwt.secrets?"},
		{"endpoint: x", "endpoint: unknown key; did you mean webhook.endpoint, health.endpoint or admin.endpoint?"},
		{"banana: {}", "banana: unknown key; known here are webhook, sources, "},
	} {
		if got := problemsOf(t, c.yaml); !strings.HasPrefix(got, c.want) || strings.Contains(got, "\n") {
			t.Errorf("%s:\n%s\nwant one, beginning %q", c.yaml, got, c.want)
		}
	}
}

func TestAValueOfAnotherTypeIsNamedWithWhatIsWanted(t *testing.T) {
	t.Setenv("CDR2OTEL_TEST_NUMBER", "many")
	for _, c := range []struct{ yaml, want string }{
		{"mapping: {content: maybe}", `mapping.content: want true or false, got "maybe"`},
		{"mapping: {content: 1}", "mapping.content: want true or false, got 1"},
		{"mapping: {content: }", ""}, // the default
		{"correlation: {grace: 5 bananas}", `correlation.grace: want a duration like 30s, 5m or 168h, got "5 bananas"`},
		{"correlation: {grace: [30s]}", "correlation.grace: want a duration like 30s, 5m or 168h, got a list"},
		{"correlation: {grace: 30}", "correlation.grace: want a duration like 30s, 5m or 168h, got 30"},
		{"store: {max_size: lots}", `store.max_size: want a size like 10GiB, got "lots"`},
		{"store: {max_size: {a: 1}}", "store.max_size: want a size like 10GiB, got a map"},
		{"webhook: {max_in_flight: many}", `webhook.max_in_flight: want a whole number like 1024, got "many"`},
		{"webhook: {max_in_flight: \"${env:CDR2OTEL_TEST_NUMBER}\"}", "webhook.max_in_flight: want a whole number like 1024, got the value of ${env:CDR2OTEL_TEST_NUMBER}"},
		{"correlation: {grace: 0}", ""},
		{"webhook: {max_in_flight: 1.5}", "webhook.max_in_flight: want a whole number like 1024, got 1.5"},
		{"sources: {a: {auth: {none: true}, resource: {service.name: 8080}}}", "sources.a.resource.service.name: want a text, got 8080; put it in quotes"},
		{"sources: {a: {auth: {none: true}, resource: {service.name: 2026-01-02}}}", "sources.a.resource.service.name: want a text, got a date; put it in quotes"},
		{"sources: {a: {auth: {none: true}, header_attributes: {x: {attribute: y, values: {a: b}}}}}", "sources.a.header_attributes.x.values: want a list like [a, b], got a map"},
		{"webhook: {tls: {min_version: 1.2}}", "webhook.tls.min_version: want a text, got a number; put it in quotes"},
		{"webhook: 8080", "webhook: want a map like {endpoint: …}, got a number"},
		{"mapping: {redact: [pattern]}", "mapping.redact[0]: want a map like {pattern: …}, got a text"},
		{"mapping: {redact: {pattern: x}}", "mapping.redact: want a list of maps like [{pattern: …}], got a map"},
		{"sources: [live]", "sources: want a map like {name: …}, got a list"},
		{"sources: {live: x}", "sources.live: want a map like {auth: …}, got a text"},
		{"sources: {live: {auth: {jwt: {secrets: [12345]}}}}", "sources.live.auth.jwt.secrets[0]: want a text, got a number; put it in quotes"},
		{"sources: {live: {auth: {jwt: hunter2}}}", "sources.live.auth.jwt: want a map like {secret_envs: …}, got a text"},
		{"sources: {live: {auth: {jwt: {secrets: [x], leeway: hunter2}}}}", "sources.live.auth.jwt.leeway: want a duration like 30s, 5m or 168h, got a text"},
		{"sources: {live: {auth: {none: true}, agents: {1: x}}}", "sources.live.agents: has a key that is no text; put it in quotes"},
	} {
		if got := problemsOf(t, c.yaml); !strings.HasPrefix(got, c.want) || strings.Contains(got, "\n") || c.want == "" && got != "" {
			t.Errorf("%s:\n%s\nwant one, beginning %q", c.yaml, got, c.want)
		}
	}
}

func TestATextOfAFormOfItsOwnIsAskedForInThatForm(t *testing.T) {
	t.Parallel()
	for yaml, want := range map[string]string{
		"sources: {a: {auth: {none: true}, messages: 7}}":                "sources.a.messages: want expected or none, got 7",
		"sources: {a: {auth: {jwt: {secrets: [x], algorithms: [256]}}}}": "sources.a.auth.jwt.algorithms[0]: want HS256, HS384 or HS512, got a number",
		"correlation: {late: true}":                                      "correlation.late: want span, log or drop, got true",
		"mapping: {events: [log]}":                                       "mapping.events: want span, log or both, got a list",
		"mapping: {pii: [7]}":                                            "mapping.pii[0]: want caller_number, callee_number or sip_uris, got 7",
		"mapping: {pii: {caller_number: true}}":                          "mapping.pii: want a list like [caller_number], got a map",
		"mapping: {custom_data: [{key: 1, attribute: wxa.custom.a}]}":    "mapping.custom_data[0].key: want a JSON pointer like /queue, got 1",
		"mapping: {custom_data: [{key: /a, attribute: 1}]}":              "mapping.custom_data[0].attribute: want a name like wxa.custom.queue, got 1",
		"webhook: {endpoint: 8080}":                                      "webhook.endpoint: want host:port like 0.0.0.0:8080, got 8080",
		"health: {endpoint: 8080}":                                       "health.endpoint: want host:port like 0.0.0.0:13134, got 8080",
		"admin: {endpoint: 9464}":                                        "admin.endpoint: want host:port like 127.0.0.1:9464, got 9464",
		"admin: {trace_url: 16686}":                                      "admin.trace_url: want a URL like http://localhost:16686/trace/{trace_id}, got 16686",
		"webhook: {path: 8080}":                                          "webhook.path: want a path like /webhook, got 8080",
		"webhook: {trusted_proxies: [10.0]}":                             "webhook.trusted_proxies[0]: want an IP address or a network like 10.0.0.0/8, got 10",
		"webhook: {trusted_proxies: {a: b}}":                             "webhook.trusted_proxies: want a list like [10.0.0.0/8], got a map",
		"store: {url: 5}":                                                "store.url: want sqlite:FILE or postgres://USER@HOST/DATABASE, got a number",
	} {
		if got := problemsOf(t, yaml); got != want {
			t.Errorf("%s:\n%s\nwant %q", yaml, got, want)
		}
	}
}

func TestAllProblemsComeAtOnce(t *testing.T) {
	t.Parallel()
	got := problemsOf(t, `
webhook: {endpont: x, max_in_flight: many, path: nowhere}
sources: {Live: {}, a: {auth: {jwt: {secrets: [x]}, none: true}}, b: {auth: {jwt: {secret: x}}}, c: {auht: {none: true}}}
correlation: {late: event, grace: "${env:CDR2OTEL_TEST_UNSET_1}", window: "${env:CDR2OTEL_TEST_UNSET_2}"}
mapping: {content: maybe, events: logs}
store: {url: "mysql://u:hunter2@db/x"}
health: {endpoint: "0.0.0.0"}
`)
	want := []string{
		"correlation.grace: environment variable CDR2OTEL_TEST_UNSET_1 is not set", "correlation.window: environment variable CDR2OTEL_TEST_UNSET_2 is not set",
		"sources.b.auth.jwt.secret: unknown key", "sources.c.auht: unknown key; did you mean auth?", "webhook.endpont: unknown key",
		"webhook.max_in_flight: want", "mapping.content: want", `webhook.path: "nowhere" must`,
		"sources.Live: ", "sources.Live.auth: missing", "sources.a.auth: jwt and none are set",
		`correlation.late: "event" is unknown`, `mapping.events: "logs" is unknown`, "store.url: must be sqlite:FILE", "health.endpoint: ",
	}
	for _, problem := range want {
		if !strings.Contains(got, problem) {
			t.Errorf("%q is missing in\n%s", problem, got)
		}
	}
	// What only follows from another problem is not said on top.
	if n := strings.Count(got, "\n") + 1; n != len(want) {
		t.Errorf("%d problems, want %d:\n%s", n, len(want), got)
	}
	if strings.Contains(got, "hunter2") {
		t.Errorf("a password left:\n%s", got)
	}
}
