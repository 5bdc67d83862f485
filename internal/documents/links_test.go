package documents

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)|(?:src|srcset)="([^"]+)"`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	markup  = regexp.MustCompile("[`*]|\\]\\([^)]*\\)|\\[")
	dropped = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// Every link of a document to a file or heading of this repository leads there.
func TestEveryLinkOfADocumentLeadsSomewhere(t *testing.T) {
	t.Parallel()
	var documents []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/decisions/*.md", "examples/*.md", "examples/*/*.md", "collector-config/*.md", "collector-config/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, found...)
	}
	links := 0
	for _, document := range documents {
		for _, m := range link.FindAllStringSubmatch(withoutCode(read(t, document)), -1) {
			to := m[1] + m[2]
			if strings.Contains(to, "://") {
				continue
			}
			links++
			file, anchor, _ := strings.Cut(to, "#")
			if target := filepath.Join(filepath.Dir(document), file); file == "" {
				file = document
			} else {
				file = target
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s links to %s, which is not there", document, to)
			} else if anchor != "" && strings.HasSuffix(file, ".md") && !slices.Contains(anchors(read(t, file)), anchor) {
				t.Errorf("%s links to %s, and there is no such heading", document, to)
			}
		}
	}
	if links < 100 {
		t.Errorf("the documents have %d links: are they still found?", links)
	}
}

// anchors are the headings of a document as links name them.
func anchors(text string) []string {
	var names []string
	for _, m := range heading.FindAllStringSubmatch(withoutCode(text), -1) {
		name := strings.ToLower(strings.TrimSpace(markup.ReplaceAllString(m[1], "")))
		names = append(names, strings.ReplaceAll(dropped.ReplaceAllString(name, ""), " ", "-"))
	}
	return names
}

func withoutCode(text string) string { return codeBlock.ReplaceAllString(text, "") }
