package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// hunter2 stands for a secret: what is searched in error texts is its first word,
// since some parsers cut what they quote.
const hunter2 = "hunter2canary"

func TestASecretThatIsExpandedUnderAWrongKeyIsNamedInTheErrorAndNotQuoted(t *testing.T) {
	t.Setenv("CDR2OTEL_TEST_PLAIN", hunter2)
	t.Setenv("CDR2OTEL_TEST_PAIR", "user:"+hunter2)
	t.Setenv("CDR2OTEL_TEST_MAPPING", hunter2+": x")
	t.Setenv("CDR2OTEL_TEST_DURATION", "5"+hunter2)
	t.Setenv("CDR2OTEL_TEST_LINES", hunter2+"\n\t"+hunter2)
	t.Setenv("CDR2OTEL_TEST_ANCHOR", "*"+hunter2)
	file := write(t, hunter2+"\n")
	for _, expression := range []string{
		"${env:CDR2OTEL_TEST_PLAIN}", "${CDR2OTEL_TEST_PLAIN}", "${env:CDR2OTEL_TEST_PAIR}", "${env:CDR2OTEL_TEST_MAPPING}",
		"${env:CDR2OTEL_TEST_DURATION}", "${env:CDR2OTEL_TEST_LINES}", "${env:CDR2OTEL_TEST_ANCHOR}", "${file:" + file + "}",
		"${env:${env:CDR2OTEL_TEST_PLAIN}}", "${file:${env:CDR2OTEL_TEST_PLAIN}}", "${env:CDR2OTEL_TEST_UNSET:-" + hunter2 + "}",
		"x${env:CDR2OTEL_TEST_MAPPING}y",
	} {
		for _, place := range []string{
			"%s", "- %s", "webhook: %s", "webhook: {endpoint: %s}", "webhook: {path: %s}", "webhook: {max_in_flight: %s}",
			"webhook: {max_request_body_size: %s}", "webhook: {trusted_proxies: [%s]}", "webhook: {tls: {min_version: %s, cert_file: x, key_file: x}}",
			"webhook: {tls: {cert_file: %s, key_file: x}}", "sources: %s", "sources: {a: %s}", "sources: {a: {auth: %s}}",
			"sources: {a: {auth: {none: %s}}}", "sources: {a: {auth: {jwt: %s}}}", "sources: {a: {auth: {jwt: {secrets: [[%s]]}}}}",
			"sources: {a: {auth: {jwt: {secrets: [x], algorithms: [%s]}}}}", "sources: {a: {auth: {jwt: {secrets: [x], leeway: %s}}}}",
			"sources: {a: {auth: {jwt: {secret_envs: [%s]}}}}", "sources: {a: {auth: {jwt: {secret_files: [%s]}}}}",
			"sources: {a: {auth: {header: {name: %s, values: [x]}}}}", "sources: {a: {auth: {basic: {username: %s}}}}",
			"sources: {a: {auth: {none: true}, messages: %s}}", "sources: {a: {auth: {none: true}, resource: %s}}",
			"sources: {a: {auth: {none: true}, header_attributes: {x: {attribute: a, values: %s}}}}",
			"correlation: {grace: %s}", "correlation: {late: %s}", "mapping: {pii: [%s]}", "mapping: {custom_data: [{key: %s, attribute: %s}]}",
			"store: {url: %s}", "store: {max_size: %s}", "admin: {endpoint: %s}", "admin: {pprof: %s}", "shutdown_delay: %s",
		} {
			yaml := strings.ReplaceAll(place, "%s", `"`+expression+`"`)
			cfg, err := Load(t.Context(), write(t, yaml))
			if strings.Contains(expression, ":-") {
				continue // it stands in the file, which the operator reads anyway
			}
			if err != nil && strings.Contains(err.Error(), hunter2) {
				t.Errorf("%s is quoted: %v", yaml, err)
			}
			if text := Problems(cfg.CheckFiles(t.Context())).Error(); strings.Contains(text, hunter2) && !strings.Contains(place, "tls") {
				t.Errorf("%s is quoted when files are checked: %s", yaml, text)
			}
		}
	}
}

func TestAFileThatIsNoConfigurationIsNotQuoted(t *testing.T) {
	t.Parallel()
	for _, yaml := range []string{
		hunter2, "- " + hunter2, hunter2 + ": b", "a: b: " + hunter2, "a: *" + hunter2, "a: !!int " + hunter2, "a: !" + hunter2 + " b: c",
		"? [" + hunter2 + "]\n: 1", "1: " + hunter2, "a: b\n" + hunter2 + "\nc: d\n", "a: \"" + hunter2, "a: {" + hunter2,
		"a: [" + hunter2, "a: \t" + hunter2 + "\n\tb: c", "a: @" + hunter2, "a: `" + hunter2, "a: \"\\q" + hunter2 + "\"", "a: %" + hunter2 + "\n%",
		"a: 1\na: " + hunter2, "a: &x [*x, " + hunter2 + "]", "<<: " + hunter2, "a: !!binary " + hunter2, "a: !!float " + hunter2, "a: !!timestamp " + hunter2,
		"sources: {a: {auth: {basic: {username: u, passwords: [*" + hunter2 + "]}}}}",
		"sources: {a: {auth: {jwt: {secrets: " + hunter2 + "}}}}", "sources: {a: {auth: {jwt: {secrets: {x: " + hunter2 + "}}}}}",
		"sources: {a: {auth: {jwt: {secrets: [[" + hunter2 + "]]}}}}", "sources: {a: {auth: {jwt: " + hunter2 + "}}}", "sources: {a: {auth: " + hunter2 + "}}",
		"sources: {a: {auth: {jwt: {secrets: [\"${foo:" + hunter2 + "}\"]}}}}", "sources: {a: {auth: {jwt: {secrets: [\"${env:x " + hunter2 + "}\"]}}}}",
		"sources: {a: {auth: {jwt: {secrets: [\"${env:x$" + hunter2 + "}\"]}}}}", "sources: {a: {auth: {jwt: {secrets: [\"x${1:" + hunter2 + "}\"]}}}}",
		"sources: {a: {auth: {header: {name: \"Authorization: Bearer " + hunter2 + "\"}}}}",
		"webhook: {tls: {key_pem: [" + hunter2 + "]}}", "webhook: {tls: {cert_pem: " + hunter2 + ", key_pem: " + hunter2 + "}}",
	} {
		cfg, err := Load(t.Context(), write(t, yaml))
		// An unknown key is named: a key is no place for a secret.
		if err != nil && strings.Contains(strings.ReplaceAll(err.Error(), hunter2+": unknown key", ""), hunter2) {
			t.Errorf("%q is quoted: %v", yaml, err)
		}
		if text := cfg.CheckFiles(t.Context()).Error(); strings.Contains(text, hunter2) {
			t.Errorf("%q is quoted when files are checked: %s", yaml, text)
		}
	}
}

func TestASecretWrittenWhereItsNameBelongsIsNotQuoted(t *testing.T) {
	t.Parallel()
	cfg := Default()
	cfg.Sources = map[string]Source{"a": {Auth: Auth{JWT: &JWT{
		SecretEnvs: []string{"purple " + hunter2}, SecretFiles: []string{hunter2, filepath.Join(t.TempDir(), "absent")},
	}}}}
	text := cfg.CheckFiles(t.Context()).Error()
	if strings.Contains(text, hunter2) {
		t.Errorf("quoted: %s", text)
	}
	for _, want := range []string{"secret_envs[0]: no environment variable of that name", "secret_files[0]: the file: no such file", "secret_files[1]: /"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in %s", want, text)
		}
	}
}

func TestAWebConfigurationThatIsWrongIsNotQuoted(t *testing.T) {
	t.Parallel()
	for _, web := range []string{"basic_auth_users: hunter2", "basic_auth_users: {u: hunter2}", "basic_auth_users: {u: *hunter2}", "hunter2", "basic_auth_users: [hunter2]"} {
		cfg := Default()
		cfg.Admin.WebConfig = write(t, web)
		text := cfg.CheckFiles(t.Context()).Error()
		if !strings.Contains(text, "admin.web_config: ") || strings.Contains(text, "hunter2") {
			t.Errorf("%q: %s", web, text)
		}
	}
}

// An unset variable would leave a secret that is shorter than it looks, or empty.
func TestAVariableThatIsNotSetIsRefusedUnlessItHasADefault(t *testing.T) {
	t.Setenv("CDR2OTEL_TEST_EMPTY", "")
	if err := os.Unsetenv("CDR2OTEL_TEST_UNSET"); err != nil {
		t.Fatal(err)
	}
	for _, expression := range []string{"${env:CDR2OTEL_TEST_UNSET}", "${CDR2OTEL_TEST_UNSET}", "half ${env:CDR2OTEL_TEST_UNSET}"} {
		got := problemsOf(t, `sources: {a: {auth: {jwt: {secrets: ["`+expression+`"]}}}}`)
		if !strings.Contains(got, "environment variable CDR2OTEL_TEST_UNSET is not set") {
			t.Errorf("%s: %q", expression, got)
		}
	}
	cfg, err := Load(t.Context(), write(t, `sources: {a: {auth: {jwt: {secrets: ["${env:CDR2OTEL_TEST_UNSET:-purple}"]}}}}`))
	if err != nil || cfg.Sources["a"].Auth.JWT.Secrets[0] != "purple" {
		t.Errorf("the default is not taken: %v", err)
	}
	// Set and empty: it is the secret that is refused, by name of its key.
	cfg, err = Load(t.Context(), write(t, `sources: {a: {auth: {jwt: {secrets: ["${env:CDR2OTEL_TEST_EMPTY}"]}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cfg.ResolveSources(); err == nil || !strings.Contains(err.Error(), "sources.a.auth.jwt.secrets[0]: is empty") {
		t.Errorf("an empty variable: %v", err)
	}
}

func TestTLSBelow12IsRefused(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{
		"1.0": "webhook.tls.min_version: 1.0 is not safe", "1.1": "webhook.tls.min_version: 1.1 is not safe", "1.2": "", "1.3": "",
	} {
		got := problemsOf(t, `webhook: {tls: {cert_file: x, key_file: x, min_version: "`+version+`"}}`)
		if !strings.HasPrefix(got, want) || (want == "" && got != "") {
			t.Errorf("%s: %q, want %q", version, got, want)
		}
	}
}
