package config

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSecretsAreReadRaw(t *testing.T) {
	t.Setenv("CDR2OTEL_TEST_SECRET", "pur${x}ple $unicorn")
	cfg := Default()
	cfg.Sources = map[string]Source{
		"jwt": {Auth: Auth{JWT: &JWT{
			SecretEnvs:  []string{"CDR2OTEL_TEST_SECRET"},
			SecretFiles: []string{write(t, "one\n"), write(t, "two\r\n"), write(t, "three\n\n"), write(t, "  four ")},
			Secrets:     secrets("five"),
		}}},
		"header": {Auth: Auth{Header: &Header{ValueFiles: []string{write(t, "value\n")}}}},
		"basic":  {Auth: Auth{Basic: &Basic{Passwords: secrets("password")}}},
		"open":   {Auth: Auth{None: true}},
	}
	sources, err := cfg.ResolveSources()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for name, source := range sources {
		for _, secret := range source.Secrets {
			got[name] = append(got[name], string(secret))
		}
	}
	want := map[string][]string{
		"jwt":    {"pur${x}ple $unicorn", "one", "two", "three\n", "  four ", "five"},
		"header": {"value"},
		"basic":  {"password"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestASecretThatIsMissingEmptyOrBlankIsRefusedWhereverItComesFrom(t *testing.T) {
	t.Setenv("CDR2OTEL_TEST_EMPTY", "")
	t.Setenv("CDR2OTEL_TEST_BLANK", " ")
	absent, dir := filepath.Join(t.TempDir(), "absent"), t.TempDir()
	envs := []string{"CDR2OTEL_TEST_EMPTY", "CDR2OTEL_TEST_BLANK", "CDR2OTEL_TEST_UNSET"}
	files := []string{write(t, "\n"), write(t, " \n"), write(t, "\t\u00a0\r\n"), absent, dir}
	inline := secrets("", " ", "\n\n")
	cfg := Default()
	cfg.Sources = map[string]Source{
		"jwt":    {Auth: Auth{JWT: &JWT{SecretEnvs: envs, SecretFiles: files, Secrets: inline}}},
		"header": {Auth: Auth{Header: &Header{ValueEnvs: envs, ValueFiles: files, Values: inline}}},
		"basic":  {Auth: Auth{Basic: &Basic{PasswordEnvs: envs, PasswordFiles: files, Passwords: inline}}},
	}
	_, err := cfg.ResolveSources()
	if err == nil {
		t.Fatal("accepted")
	}
	for source, name := range map[string]string{"jwt": "secret", "header": "value", "basic": "password"} {
		key := "sources." + source + ".auth." + source + "." + name
		for _, want := range []string{
			"_envs[0]: environment variable CDR2OTEL_TEST_EMPTY is empty or blank",
			"_envs[1]: environment variable CDR2OTEL_TEST_BLANK is empty or blank",
			"_envs[2]: environment variable CDR2OTEL_TEST_UNSET is not set",
			"_files[0]: " + files[0] + " is empty or blank", "_files[1]: " + files[1] + " is empty or blank", "_files[2]: " + files[2] + " is empty or blank",
			"_files[3]: " + absent + ": no such file", "_files[4]: " + dir + ": it is a directory",
			"s[0]: is empty or blank", "s[1]: is empty or blank", "s[2]: is empty or blank",
		} {
			if !strings.Contains(err.Error(), key+want) {
				t.Errorf("%q is missing in %v", key+want, err)
			}
		}
	}
}

func TestTheCallerHashKeyIsReadAndMayNotBeEmpty(t *testing.T) {
	t.Parallel()
	cfg := Default()
	if key, err := cfg.CallerHashKey(); key != nil || err != nil {
		t.Errorf("without a file: %q, %v", key, err)
	}
	cfg.Mapping.CallerHashKeyFile = write(t, "key\n")
	if key, err := cfg.CallerHashKey(); string(key) != "key" || err != nil {
		t.Errorf("key is %q, %v", key, err)
	}
	cfg.Mapping.CallerHashKeyFile = write(t, "")
	if _, err := cfg.CallerHashKey(); err == nil || !strings.HasPrefix(err.Error(), "mapping.caller_hash_key_file: ") {
		t.Errorf("error is %v", err)
	}
}

func TestCheckFilesReadsEverythingThatIsPointedAt(t *testing.T) {
	t.Parallel()
	cfg, err := Load(t.Context(), "testdata/everything.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got := cfg.CheckFiles(t.Context()).Error()
	for _, want := range []string{
		"webhook.tls: tls.crt: no such file", "sources.default.auth.jwt.secret_files[0]: the file: no such file", "sources.header.auth.header.value_files[0]: ",
		"sources.basic.auth.basic.password_files[0]: ", "mapping.caller_hash_key_file: the file: no such file", "admin.web_config: web.yml: no such file",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, strings.ReplaceAll(got, "; ", "\n"))
		}
	}
}
