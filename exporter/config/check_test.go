package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cdr2otel/exporter/config"
)

func TestWhatIsWrongWithTypesNamesAndFilesIsAllSaidAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "cdr2otel.yaml")
	blank := filepath.Join(dir, "blank")
	for file, content := range map[string]string{blank: " \n", path: `
webhook: {max_in_flight: many, bogus: 1}
sources:
  Bad Name:
    auth: {jwt: {secret_files: [` + blank + `, ` + dir + `/none]}}
  live:
    auth: {jwt: {secrets: ["x"], leeway: soon}}
    messages: maybe
mapping: {caller_hash_key_file: ` + dir + `/none}
admin: {web_config: ` + dir + `/none}
`} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, problems := config.Check(t.Context(), path)
	var keys []string
	for _, p := range problems {
		keys = append(keys, p.Key)
	}
	slices.Sort(keys)
	want := []string{
		"admin.web_config", "mapping.caller_hash_key_file", "sources.Bad Name", "sources.Bad Name.auth.jwt.secret_files[0]",
		"sources.Bad Name.auth.jwt.secret_files[1]", "sources.live.auth.jwt.leeway", "sources.live.messages",
		"webhook.bogus", "webhook.max_in_flight",
	}
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Errorf("(-want +got):\n%s\n%s", diff, problems)
	}
}
