package documents

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A promise in these documents stands beside the tests that prove it.
var promising = []string{"docs/threat-model.md", "docs/durability.md"}

var (
	isTest    = regexp.MustCompile("^(?:Test|Fuzz|Benchmark)[A-Z]")
	namesTest = regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z][A-Za-z0-9_]*)`")
)

func TestEveryTestThatADocumentNamesExists(t *testing.T) {
	t.Parallel()
	tests := declaredTests(t)
	for _, document := range promising {
		for _, match := range namesTest.FindAllStringSubmatch(read(t, filepath.Join(root, document)), -1) {
			if _, ok := tests[match[1]]; !ok {
				t.Errorf("%s names %s, which no test file has", document, match[1])
			}
		}
	}
}

func TestTheThreatModelNamesEverySecurityTest(t *testing.T) {
	t.Parallel()
	document := read(t, filepath.Join(root, promising[0]))
	named := 0
	for name, file := range declaredTests(t) {
		if !strings.HasPrefix(filepath.Base(file), "security_") {
			continue
		}
		named++
		if !strings.Contains(document, "`"+name+"`") {
			t.Errorf("%s of %s stands beside no promise of %s", name, file, promising[0])
		}
	}
	if named == 0 {
		t.Error("there are no security tests")
	}
}

// declaredTests are the test functions of all modules, each with its file.
func declaredTests(t *testing.T) map[string]string {
	t.Helper()
	tests := map[string]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, declared := range file.Decls {
			if f, ok := declared.(*ast.FuncDecl); ok && f.Recv == nil && isTest.MatchString(f.Name.Name) {
				tests[f.Name.Name] = path
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tests
}
