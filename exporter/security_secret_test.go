package exporter_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cdr2otel/exporter"
	"cdr2otel/exporter/config"
)

// loaded is the configuration of a file with these sources, on loopback ports of
// the system's choice.
func loaded(t testing.TB, sources string) (config.Config, error) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "cdr2otel.yaml")
	text := "webhook: {endpoint: \"127.0.0.1:0\"}\nhealth: {endpoint: \"127.0.0.1:0\"}\nadmin: {endpoint: \"127.0.0.1:0\"}\n" +
		"store: {url: \"sqlite:" + filepath.Join(dir, "store.db") + "\"}\nsources:\n" + sources
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Load(t.Context(), file)
}

// secretFile is a file of its own that holds the secret.
func secretFile(t testing.TB, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// Not parallel: it sets the environment.
func TestASecretIsTheBytesThatTheConfigurationNames(t *testing.T) {
	kilobyte := strings.Repeat("s", 1024)
	// Each secret is opened by its bytes, and by nothing that a shell, YAML or the
	// expansion would make of them.
	secrets := []struct {
		name      string
		variable  string // content of the environment variable VARIABLE
		auth      string // %s is the secret's file
		file      string // its content
		opens     string
		doesNot   []string
		inAHeader bool // in X-Key rather than as the key of a token
	}{
		{name: "dollars in a variable", variable: "a$$b", auth: "jwt: {secret_envs: [VARIABLE]}", opens: "a$$b", doesNot: []string{"a$b", "ab", "a"}},
		{name: "an expression in a variable", variable: "a${HOME}b", auth: "jwt: {secret_envs: [VARIABLE]}", opens: "a${HOME}b", doesNot: []string{"ab", "a" + os.Getenv("HOME") + "b"}},
		{name: "a line break in a variable", variable: "orange\n", auth: "jwt: {secret_envs: [VARIABLE]}", opens: "orange", doesNot: []string{"orange\n"}},
		{name: "a number in a variable", variable: "0123", auth: "jwt: {secret_envs: [VARIABLE]}", opens: "0123", doesNot: []string{"123", "83"}},
		{name: "dollars in a file", file: "a$$b", auth: "jwt: {secret_files: [%s]}", opens: "a$$b", doesNot: []string{"a$b"}},
		{name: "an expression in a file", file: "${env:HOME}", auth: "jwt: {secret_files: [%s]}", opens: "${env:HOME}", doesNot: []string{os.Getenv("HOME"), ""}},
		{name: "a line break in a file", file: "orange\n", auth: "jwt: {secret_files: [%s]}", opens: "orange", doesNot: []string{"orange\n", "orang"}},
		{name: "a Windows line break in a file", file: "orange\r\n", auth: "jwt: {secret_files: [%s]}", opens: "orange", doesNot: []string{"orange\r", "orange\r\n"}},
		{name: "two line breaks in a file", file: "orange\n\n", auth: "jwt: {secret_files: [%s]}", opens: "orange\n", doesNot: []string{"orange", "orange\n\n"}},
		{name: "blanks in a file", file: " purple unicorn ", auth: "jwt: {secret_files: [%s]}", opens: " purple unicorn ", doesNot: []string{"purple unicorn"}},
		{name: "two lines in a file", file: "one\ntwo\n", auth: "jwt: {secret_files: [%s]}", opens: "one\ntwo", doesNot: []string{"one", "two"}},
		{name: "1024 characters in a file", file: kilobyte, auth: "jwt: {secret_files: [%s]}", opens: kilobyte, doesNot: []string{kilobyte[1:]}},
		{name: "bytes that are no text in a file", file: "\xff\x00\xfe", auth: "jwt: {secret_files: [%s]}", opens: "\xff\x00\xfe", doesNot: []string{"\uFFFD\x00\uFFFD", ""}},
		{name: "a byte order mark in a file", file: "\xef\xbb\xbforange", auth: "jwt: {secret_files: [%s]}", opens: "\xef\xbb\xbforange", doesNot: []string{"orange"}},
		{name: "escaped dollars in the configuration", auth: `jwt: {secrets: ["a$$b"]}`, opens: "a$b", doesNot: []string{"a$$b", "ab"}},
		{name: "an escaped expression in the configuration", auth: `jwt: {secrets: ["$${HOME}"]}`, opens: "${HOME}", doesNot: []string{os.Getenv("HOME"), "$${HOME}", ""}},
		{name: "an expression in the configuration", variable: "orange", auth: `jwt: {secrets: ["${env:VARIABLE}"]}`, opens: "orange", doesNot: []string{"${env:CDR2OTEL_TEST_SECRET_16}", ""}},
		{name: "a number by an expression", variable: "0123", auth: `jwt: {secrets: ["${env:VARIABLE}"]}`, opens: "0123", doesNot: []string{"123", "83"}},
		{name: "a line break in a header value's file", file: "open sesame\n", auth: "header: {name: X-Key, value_files: [%s]}", opens: "open sesame", doesNot: []string{"open", ""}, inAHeader: true},
		{name: "dollars in a header value's variable", variable: "$${x}", auth: "header: {name: X-Key, value_envs: [VARIABLE]}", opens: "$${x}", doesNot: []string{"${x}", "$", ""}, inAHeader: true},
	}
	var sources strings.Builder
	for i, tt := range secrets {
		variable := fmt.Sprint("CDR2OTEL_TEST_SECRET_", i)
		t.Setenv(variable, tt.variable)
		auth := strings.NewReplacer("%s", secretFile(t, tt.file), "VARIABLE", variable).Replace(tt.auth)
		fmt.Fprintf(&sources, "  s%d: {auth: {%s}}\n", i, auth)
	}
	cfg, err := loaded(t, sources.String())
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, cfg, off())
	for i, tt := range secrets {
		status := func(key string) int {
			lines := authorized(sign(hs256, `{}`, key))
			if tt.inAHeader {
				lines = line("X-Key", key)
			}
			return say(t, s.address(t), post(fmt.Sprint("/webhook/s", i), lines, hook(fmt.Sprint("secret-", i)))).status
		}
		if got := status(tt.opens); got != got200 {
			t.Errorf("%s: %q gets status %d", tt.name, tt.opens, got)
		}
		for _, key := range append(tt.doesNot, fmt.Sprint("CDR2OTEL_TEST_SECRET_", i), "undefined") {
			if got := status(key); got != got401 {
				t.Errorf("%s: %q gets status %d, want 401", tt.name, key, got)
			}
		}
		if n := s.taken(t); n != int64(i+1) {
			t.Errorf("%s: %d events were stored so far, want %d", tt.name, n, i+1)
		}
	}
}

// Not parallel: it sets the environment.
func TestItDoesNotStartOpenWhenASecretIsMissingOrEmpty(t *testing.T) {
	t.Setenv("CDR2OTEL_TEST_EMPTY", "")
	t.Setenv("CDR2OTEL_TEST_BREAK", "\n")
	if err := os.Unsetenv("CDR2OTEL_TEST_UNSET"); err != nil {
		t.Fatal(err)
	}
	empty, lineBreak := secretFile(t, ""), secretFile(t, "\r\n")
	for _, auth := range []string{
		"{}", "{none: false}", "{jwt: {}}", "{jwt: {secrets: []}}", `{jwt: {secrets: [""]}}`, `{jwt: {secrets: [good, ""]}}`,
		"{jwt: {secret_envs: [CDR2OTEL_TEST_UNSET]}}", "{jwt: {secret_envs: [CDR2OTEL_TEST_EMPTY]}}", "{jwt: {secret_envs: [CDR2OTEL_TEST_BREAK]}}",
		`{jwt: {secrets: [good], secret_envs: [""]}}`, "{jwt: {secrets: [good], secret_envs: [CDR2OTEL_TEST_EMPTY]}}",
		`{jwt: {secrets: ["${env:CDR2OTEL_TEST_UNSET}"]}}`, `{jwt: {secrets: ["${env:CDR2OTEL_TEST_EMPTY}"]}}`, `{jwt: {secrets: ["half${env:CDR2OTEL_TEST_UNSET}"]}}`,
		"{jwt: {secret_files: [" + empty + "]}}", "{jwt: {secret_files: [" + lineBreak + "]}}", "{jwt: {secret_files: [" + filepath.Join(t.TempDir(), "absent") + "]}}",
		"{jwt: {secret_files: [" + t.TempDir() + "]}}", "{jwt: {secrets: [good], secret_files: [" + empty + "]}}",
		"{jwt: {secrets: [good], algorithms: []}}", "{jwt: {secrets: [good], algorithms: [none]}}", "{jwt: {secrets: [good], algorithms: [RS256]}}",
		"{jwt: {secrets: [good], algorithms: [HS256, ES256]}}", "{jwt: {secrets: [good], algorithms: [hs256]}}",
		"{jwt: {secrets: [good], leeway: 61m}}", "{jwt: {secrets: [good], leeway: -1s}}",
		"{jwt: {secrets: [good]}, none: true}", "{jwt: {secrets: [good]}, header: {values: [good]}}", "{basic: {username: u, passwords: [good]}, none: true}",
		"{header: {}}", `{header: {values: [""]}}`, `{header: {values: [" "]}}`, `{header: {name: "", values: [good]}}`, `{header: {name: Host, values: [good]}}`,
		"{header: {value_envs: [CDR2OTEL_TEST_EMPTY]}}", "{header: {value_files: [" + lineBreak + "]}}",
		"{basic: {username: u}}", `{basic: {username: u, passwords: [""]}}`, `{basic: {username: "", passwords: [good]}}`, `{basic: {username: "a:b", passwords: [good]}}`,
		"{basic: {username: u, password_envs: [CDR2OTEL_TEST_UNSET]}}", "{basic: {username: u, password_files: [" + empty + "]}}",
	} {
		cfg, err := loaded(t, "  s: {auth: "+auth+"}\n")
		if err == nil {
			var e *exporter.Exporter
			if e, err = exporter.New(t.Context(), cfg, off()); err == nil {
				t.Errorf("%s: it starts: %v", auth, e.WebhookURL("s"))
			}
		}
		if err != nil && (!strings.Contains(err.Error(), "sources.s.auth") && !strings.Contains(err.Error(), "CDR2OTEL_TEST_UNSET") || strings.Contains(err.Error(), "good") || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s: the error must name the key in one line, and no secret: %v", auth, err)
		}
	}
}

func TestARotatedSecretFileIsReadAtTheReload(t *testing.T) {
	t.Parallel()
	file := secretFile(t, "first\n")
	sources := "  s: {auth: {jwt: {secret_files: [" + file + "]}}}\n"
	cfg, err := loaded(t, sources)
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, cfg, off())
	status := func(key string) int {
		return say(t, s.address(t), post("/webhook/s", authorized(sign(hs256, `{}`, key)), hook("rotation"))).status
	}
	if first, second := status("first"), status("second"); first != got200 || second != got401 {
		t.Errorf("before: %d and %d, want 200 and 401", first, second)
	}
	write(t, file, []byte("second"))
	if first := status("first"); first != got200 {
		t.Errorf("it is read without a reload: %d", first)
	}
	if err := s.Reload(as(cfg)); err != nil {
		t.Fatal(err)
	}
	if first, second := status("first"), status("second"); first != got401 || second != got200 {
		t.Errorf("after: %d and %d, want 401 and 200", first, second)
	}
	write(t, file, nil)
	if err := s.Reload(as(cfg)); err == nil {
		t.Error("an empty file was taken")
	}
	if empty, second := status(""), status("second"); empty != got401 || second != got200 {
		t.Errorf("after an empty file: %d with no secret and %d, want 401 and 200", empty, second)
	}
}
