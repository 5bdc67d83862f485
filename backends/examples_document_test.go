package backends

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
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

// What a reader copies from the comments of compose.yaml and the documents is the
// same.
func TestTheDocumentsStartTheComposeExampleAsItSaysItself(t *testing.T) {
	t.Parallel()
	compose := readExample(t, repoPath("examples", "compose.yaml"))
	documents := readExample(t, repoPath("README.md")) + readExample(t, repoPath("docs", "scaling.md"))
	found := 0
	for line := range strings.Lines(compose) {
		command, isCommand := strings.CutPrefix(line, "#   ")
		if !isCommand || strings.HasPrefix(command, "WEBHOOK_HOST=") {
			continue
		}
		command, _, _ = strings.Cut(command, "  ")
		found++
		if !strings.Contains(documents, strings.TrimSpace(command)+"\n") {
			t.Errorf("neither README.md nor scaling.md says %q", command)
		}
	}
	if found != 7 {
		t.Errorf("compose.yaml has %d commands", found)
	}
}
