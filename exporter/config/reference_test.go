package config

import (
	"flag"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the tables in the documents")

func TestTheReferenceHasEveryKey(t *testing.T) {
	t.Parallel()
	var documented []string
	for _, row := range Reference {
		documented = append(documented, row.Key)
		if row.Doc == "" || row.Breaks == "" {
			t.Errorf("%s: says too little", row.Key)
		}
	}
	slices.Sort(documented)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(Defaults())), documented); diff != "" {
		t.Errorf("keys of the code (-) and of Reference (+):\n%s", diff)
	}
}

func TestTheReferenceHasTheTrueDefaults(t *testing.T) {
	t.Parallel()
	got := Defaults()
	for key, want := range map[string]string{
		"webhook.endpoint":                "0.0.0.0:8080",
		"webhook.max_request_body_size":   "8MiB",
		"webhook.tls.reload_interval":     "1m",
		"sources.*.auth.jwt.secret_envs":  "[CDR2OTEL_WEBHOOK_SECRET]",
		"sources.*.auth.jwt.leeway":       "1m",
		"sources.*.auth.none":             "false",
		"sources.*.resource":              "{}",
		"correlation.chat_idle":           "1h5m",
		"correlation.late":                "span",
		"mapping.pii":                     "[]",
		"store.max_size":                  "10GiB",
		"store.keep_bodies":               "0s",
		"admin.pprof":                     "false",
		"shutdown_timeout":                "20s",
		"mapping.custom_data[].attribute": "",
	} {
		if got[key] != want {
			t.Errorf("%s is %q, want %q", key, got[key], want)
		}
	}
}

func TestTheDocumentsHaveTheTablesOfTheCode(t *testing.T) {
	t.Parallel()
	const path = "../../docs/configuration.md"
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := withTables(t, path, string(content))
	for _, row := range Reference {
		if !strings.Contains(want, "\n| `"+row.Key+"` |") {
			t.Errorf("%s has no table with %s", path, row.Key)
		}
	}
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(content)); diff != "" {
		t.Errorf("%s differs from the code; make docs-update rewrites it:\n%s", path, diff)
	}
}

// withTables replaces what stands between <!-- config SECTION --> and
// <!-- /config --> by the table of that section.
func withTables(t *testing.T, path, content string) string {
	t.Helper()
	const begin, end, closing = "<!-- config ", "<!-- /config -->", " -->\n"
	parts := strings.Split(content, begin)
	if len(parts) == 1 {
		t.Fatalf("%s has no table", path)
	}
	for i, part := range parts[1:] {
		section, rest, found := strings.Cut(part, closing)
		_, after, ended := strings.Cut(rest, end)
		if !found || !ended {
			t.Fatalf("%s: the marker %q is not closed", path, begin+section)
		}
		table := Markdown(section)
		parts[i+1] = section + closing + table + end + after
	}
	return strings.Join(parts, begin)
}
