package backends

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheDeploymentDocumentsNameWhatExists(t *testing.T) {
	t.Parallel()
	text := readExample(t, repoPath("docs", "deployment.md")) + readExample(t, repoPath("docs", "scaling.md"))
	links := regexp.MustCompile(`\]\(([^)#]+)\)`).FindAllStringSubmatch(text, -1)
	for _, link := range links {
		if strings.HasPrefix(link[1], "https://") {
			continue
		}
		if _, err := os.Stat(repoPath("docs", link[1])); err != nil {
			t.Errorf("it links to %s: %v", link[1], err)
		}
	}
	var rules strings.Builder
	files, err := filepath.Glob(repoPath("collector-config", "rules", "*.yaml"))
	if err != nil || len(files) == 0 || len(links) == 0 {
		t.Fatalf("%d files of rules, %d links (%v)", len(files), len(links), err)
	}
	for _, file := range files {
		rules.WriteString(readExample(t, file))
	}
	readme := readExample(t, repoPath("README.md"))
	for _, alert := range regexp.MustCompile("`(Wxa[A-Za-z]+)`").FindAllStringSubmatch(text+readme, -1) {
		if !strings.Contains(rules.String(), "alert: "+alert[1]+"\n") {
			t.Errorf("no rule is called %s", alert[1])
		}
	}
	for _, m := range regexp.MustCompile("`((?:examples|collector-config|docs)/[^`*{ ]+)`").FindAllStringSubmatch(text+readme, -1) {
		if _, err := os.Stat(repoPath(m[1])); err != nil {
			t.Error(err)
		}
	}
}

// shellLines are the commands of a document's sh blocks, below the heading of a section
// or, if that is "", in the whole document.
func shellLines(t testing.TB, document, section string) []string {
	t.Helper()
	text := readExample(t, repoPath(document))
	if section != "" {
		_, below, found := strings.Cut(text, "\n## "+section+"\n")
		if !found {
			t.Fatalf("%s has no section %s", document, section)
		}
		text, _, _ = strings.Cut(below, "\n## ")
	}
	var lines []string
	for _, block := range regexp.MustCompile("(?ms)^```(?:sh)?\n(.*?)^```$").FindAllStringSubmatch(text, -1) {
		lines = append(lines, strings.Split(strings.TrimSpace(block[1]), "\n")...)
	}
	return lines
}

// The commands are in examples/README.md; a document that repeats one repeats it as it
// is there.
func TestTheDocumentsStartTheComposeExampleAsItsREADMEDoes(t *testing.T) {
	t.Parallel()
	known := shellLines(t, "examples/README.md", "")
	for _, document := range []string{"README.md", "docs/deployment.md", "docs/scaling.md", "docs/runbook.md"} {
		for _, line := range shellLines(t, document, "") {
			if strings.HasPrefix(line, "docker compose ") && !slices.Contains(known, line) {
				t.Errorf("%s: examples/README.md has no command %q", document, line)
			}
		}
	}
}

// A variable of compose.yaml is in the table of examples/README.md, or set in
// compose/replicas.env.
func TestTheREADMEOfTheExamplesNamesEveryVariableOfTheComposeExample(t *testing.T) {
	t.Parallel()
	want, got := map[string]string{}, map[string]string{}
	replicas := readExample(t, repoPath("examples", "compose", "replicas.env"))
	for _, m := range regexp.MustCompile(`\$\{([A-Z0-9_]+):-([^}]*)\}`).FindAllStringSubmatch(readExample(t, repoPath("examples", "compose.yaml")), -1) {
		if strings.Contains(replicas, "\n"+m[1]+"=") {
			continue
		}
		if known, there := want[m[1]]; there && known != m[2] {
			t.Errorf("%s has two defaults, %s and %s", m[1], known, m[2])
		}
		want[m[1]] = m[2]
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Z0-9_]+)` \\| `([^`]*)` \\|").FindAllStringSubmatch(readExample(t, repoPath("examples", "README.md")), -1) {
		got[m[1]] = m[2]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("compose.yaml and the table differ (-compose.yaml +README.md):\n%s", diff)
	}
}

// The tag of an image is the same wherever it is named, and cdr2otel's is the version
// that the commands build.
func TestAnImageHasTheSameTagEverywhere(t *testing.T) {
	t.Parallel()
	var files []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md", "collector-config/*.md", "examples/*.md", "examples/*.yaml", "examples/*/*.yaml", "examples/*/*/*.yaml", "Containerfile", "Makefile"} {
		found, err := filepath.Glob(repoPath(filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	project := loadCompose(t)
	tags := map[string]string{}
	for _, s := range project.Services {
		name, tag, _ := strings.Cut(s.Image, ":")
		if known, there := tags[name]; there && known != tag {
			t.Errorf("compose.yaml has %s:%s and %s:%s", name, known, name, tag)
		}
		tags[name] = tag
	}
	version := tags["cdr2otel"]
	if arg := project.Services["cdr2otel"].Build.Args["VERSION"]; arg == nil || *arg != version {
		t.Errorf("the image %s is built with VERSION=%v", version, arg)
	}
	found := map[string]int{}
	for _, file := range files {
		text := readExample(t, file)
		for name, tag := range tags {
			for _, m := range regexp.MustCompile(`(?m)(?:^|[\s"'=/`+"`"+`])`+regexp.QuoteMeta(name)+`:(v?[0-9]+\.[\w.-]*\w)`).FindAllStringSubmatch(text, -1) {
				if found[name]++; m[1] != tag {
					t.Errorf("%s: %s:%s, elsewhere it is %s", file, name, m[1], tag)
				}
			}
		}
		for _, m := range regexp.MustCompile(`(?m)(?:newTag: |\bexport VERSION=)(\w\S+)`).FindAllStringSubmatch(text, -1) {
			if found["cdr2otel"]++; m[1] != version {
				t.Errorf("%s: cdr2otel %s, elsewhere it is %s", file, m[1], version)
			}
		}
	}
	if found["cdr2otel"] < 4 || found["busybox"] < 3 || found["otel/opentelemetry-collector-contrib"] < 2 {
		t.Errorf("too few images were found: %v", found)
	}
	if caddy := "CADDY      := v" + strings.TrimSuffix(tags["caddy"], "-alpine") + "\n"; !strings.Contains(readExample(t, repoPath("Makefile")), caddy) {
		t.Errorf("Caddy of compose.yaml, %s, is not the one that the Makefile builds", tags["caddy"])
	}
}
