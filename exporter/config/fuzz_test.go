package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzLoad: no panic, and no error repeats a secret that the file names but does
// not hold, wherever it names it (I5).
func FuzzLoad(f *testing.F) {
	const secret = "Zq7canaryWv3"
	f.Setenv("S", secret)
	f.Setenv("P", "user:"+secret)
	f.Setenv("M", secret+": {a: 1}")
	f.Setenv("L", "["+secret+", 2]")
	f.Setenv("D", "5"+secret)
	f.Setenv("A", "*"+secret+" ${")
	everything, err := os.ReadFile(filepath.Join("testdata", "everything.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(everything))
	f.Add(strings.NewReplacer("hunter2", `"${env:S}"`, "purple unicorn", `"${env:P}"`, "VALUE", "S", "PASSWORD", "P").Replace(string(everything)))
	for _, seed := range []string{
		"", "a", "[1]", "{}", "a: b: c", "a: *b", "? [a]\n: b", "1: a", "a: ${env:S}", "${env:S}", "webhook: ${env:M}", "sources: ${env:L}",
		"webhook: {endpoint: \"${env:S}\", path: \"${env:P}\", tls: {min_version: \"${env:D}\"}}", "correlation: {grace: \"${env:D}\", late: \"${env:A}\"}",
		"sources: {a: {auth: {jwt: {secrets: [\"${env:S}\"], secret_envs: [S, \"${env:S}\"], secret_files: [\"${env:S}\"]}}}}",
		"sources: {\"${env:S}\": {auth: {basic: {username: \"${env:P}\", passwords: \"${env:L}\"}}}}", "${env:${env:S}}: 1", "a: \"${S:-b}\"", "a: \"$$${env:S}$\"",
		"store: {url: \"postgres://${env:P}@h/d\", max_size: \"${env:D}\"}", "a: ${yaml:b}", "a: ${foo:b}", "a: ${1:b}", "a: \"${file:absent}\"",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, yaml string) {
		if strings.Contains(yaml, "/dev") || strings.Contains(yaml, "/proc") {
			t.Skip("files without end are not under test")
		}
		cfg, problems := load(t.Context(), []byte(yaml))
		err := problems.Err()
		if err == nil {
			_, err = cfg.ResolveSources()
		}
		if err == nil {
			err = cfg.CheckStore().Err()
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v", yaml, err)
		}
		if _, err := cfg.Redacted(); err != nil {
			t.Errorf("%q can't be printed: %v", yaml, err)
		}
	})
}
