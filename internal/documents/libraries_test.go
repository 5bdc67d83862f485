package documents

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The record of libraries has a line for each direct dependency, and no others.
func TestTheRecordOfLibrariesIsThatOfGoMod(t *testing.T) {
	t.Parallel()
	record, err := os.ReadFile(filepath.Join("..", "..", "docs", "decisions", "0001-libraries.md"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "list", "-m", "-f", "{{if not (or .Indirect .Main)}}{{.Path}}{{end}}", "all").Output()
	if err != nil {
		t.Fatal(err)
	}
	direct := strings.Fields(string(out))
	for _, module := range direct {
		if !strings.Contains(string(record), "`"+module+"`") {
			t.Errorf("docs/decisions/0001-libraries.md has no line for %s", module)
		}
	}
	for _, m := range regexp.MustCompile("`([a-z.]+\\.[a-z]+/[^` ]+)`").FindAllStringSubmatch(string(record), -1) {
		if !strings.Contains(" "+strings.Join(direct, " ")+" ", " "+m[1]+" ") {
			t.Errorf("docs/decisions/0001-libraries.md names %s, which go.mod doesn't", m[1])
		}
	}
}
