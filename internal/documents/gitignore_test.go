package documents

import (
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	codeBlock = regexp.MustCompile("(?ms)^```[a-z]*\n.*?^```")
	// writes is a redirection of a shell into a file here. (In queries > is followed by a
	// number.)
	writes = regexp.MustCompile(` > ([A-Za-z][A-Za-z0-9_./$-]*)`)
)

// Who follows the documents in a checkout commits no secret and no store.
func TestGitIgnoresWhatTheCommandsOfTheDocumentsWrite(t *testing.T) {
	t.Parallel()
	files := []string{"bin/cdr2otel", ".tools/bin/otelcol", "cdr2otel-replay.state"}
	for _, suffix := range []string{"", "-wal", "-shm", "-journal", ".lock", ".reserve", ".new", ".new-wal"} {
		files = append(files, "cdr2otel.db"+suffix)
	}
	documents, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	written := 0
	for _, document := range append(documents, filepath.Join(root, "README.md"), filepath.Join(root, "examples", "README.md")) {
		for _, block := range codeBlock.FindAllString(read(t, document), -1) {
			for _, match := range writes.FindAllStringSubmatch(block, -1) {
				files = append(files, match[1])
				written++
			}
		}
	}
	if written < 4 {
		t.Errorf("the documents write %d files: are they still found? %v", written, files)
	}
	patterns := strings.Fields(regexp.MustCompile(`(?m)^#.*`).ReplaceAllString(read(t, filepath.Join(root, ".gitignore")), ""))
	for _, file := range files {
		if !slices.ContainsFunc(patterns, func(pattern string) bool { return ignored(t, pattern, file) }) {
			t.Errorf("git does not ignore %s", file)
		}
	}
}

// ignored tells whether a pattern of .gitignore means a file of the repository, of the
// forms that ours has: *.name in any folder, /name, /folder/.
func ignored(t *testing.T, pattern, file string) bool {
	t.Helper()
	if folder, ok := strings.CutSuffix(pattern, "/"); ok {
		return strings.HasPrefix("/"+file, folder+"/")
	}
	if !strings.Contains(pattern, "/") {
		pattern, file = "/"+pattern, path.Base(file)
	}
	match, err := path.Match(pattern, "/"+file)
	if err != nil {
		t.Errorf("%s: %v", pattern, err)
	}
	return match
}
