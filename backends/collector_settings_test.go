package backends

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// settings reads a YAML file of collector-config/ as path → value: keys joined by
// dots, [] for an element of a list.
func settings(t testing.TB, name string) map[string][]string {
	t.Helper()
	content, err := os.ReadFile(repoPath("collector-config", name))
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := yaml.Unmarshal(content, &tree); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	found := map[string][]string{}
	flatten("", tree, found)
	return found
}

func flatten(path string, node any, into map[string][]string) {
	switch node := node.(type) {
	case map[string]any:
		for key, child := range node {
			flatten(strings.TrimPrefix(path+"."+key, "."), child, into)
		}
	case []any:
		for _, child := range node {
			flatten(path+"[]", child, into)
		}
	default:
		into[path] = append(into[path], fmt.Sprint(node))
	}
}

// documented reads the settings of a manual; * stands for any name.
func documented(t testing.TB, name string) []*regexp.Regexp {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var keys []*regexp.Regexp
	for line := range strings.Lines(string(content)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			keys = append(keys, regexp.MustCompile("^"+strings.ReplaceAll(regexp.QuoteMeta(line), `\*`, `[^.]+`)+"$"))
		}
	}
	return keys
}

func TestEverySettingOfTempoAndLokiIsDocumented(t *testing.T) {
	t.Parallel()
	for file, manual := range map[string]string{"tempo.yaml": "tempo-keys.txt", "loki.yaml": "loki-keys.txt"} {
		keys := documented(t, manual)
		used := settings(t, file)
		for _, key := range slices.Sorted(maps.Keys(used)) {
			if !slices.ContainsFunc(keys, func(k *regexp.Regexp) bool { return k.MatchString(key) }) {
				t.Errorf("%s: %s is not documented (testdata/%s)", file, key, manual)
			}
		}
		confirmed(t, "%s: its %d settings are all in the manual", file, len(used))
	}
}

// row is one of a table in README.md that names a file, a setting and its value.
var row = regexp.MustCompile("(?m)^\\|.*\\| `([a-z-]+\\.ya?ml)` `([^`]+)` \\| `([^`]+)` \\|$")

func TestTheREADMENamesTheSettingsAsTheyAre(t *testing.T) {
	t.Parallel()
	rows := row.FindAllStringSubmatch(readme(t), -1)
	files := map[string]bool{}
	for _, r := range rows {
		file, key, value := r[1], r[2], r[3]
		files[file] = true
		all := settings(t, file)
		got := append(slices.Clone(all[key]), all[key+"[]"]...)
		if !slices.Equal(got, []string{value}) {
			t.Errorf("README.md says that %s of %s is %q, and it is %q", key, file, value, got)
		}
	}
	if len(files) < 6 || len(rows) < 15 {
		t.Errorf("only %d settings of %d files are compared; the table has changed its form", len(rows), len(files))
	}
}

func readme(t testing.TB) string {
	t.Helper()
	content, err := os.ReadFile(repoPath("collector-config", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// variable is one that a file reads, ${env:NAME:-default} or ${NAME:-default}.
var variable = regexp.MustCompile(`\$\{(?:env:)?([A-Z_]+)(?::-([^}]*))?\}`)

// variableRow is one of the table of variables.
var variableRow = regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\| `([^`]*)` \\| ([^|]+) \\|")

func TestTheREADMEListsEveryVariableWithItsDefault(t *testing.T) {
	t.Parallel()
	said, read := map[string]bool{}, map[string]bool{}
	for _, r := range variableRow.FindAllStringSubmatch(readme(t), -1) {
		for _, of := range strings.Split(r[3], ", ") {
			files := []string{strings.Trim(of, "`")}
			if of == "Collector" {
				files = collectorFiles
			}
			for _, file := range files {
				said[file+": "+r[1]+"="+r[2]] = true
			}
		}
	}
	for _, file := range append(slices.Clone(collectorFiles), "logs.yaml", "jaeger.yaml", "tempo.yaml", "loki.yaml", "prometheus.yml") {
		for _, values := range settings(t, file) {
			for _, v := range variable.FindAllStringSubmatch(strings.Join(values, "\n"), -1) {
				read[file+": "+v[1]+"="+v[2]] = true
			}
		}
	}
	if diff := cmp.Diff(read, said); diff != "" || len(read) == 0 {
		t.Errorf("what the files read (-) and README.md says (+):\n%s", diff)
	}
}
