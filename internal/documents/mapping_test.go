// Package documents compares documents with what the code does.
package documents

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

const root = "../.."

func TestTheMappingDocumentNamesEverythingThatLeaves(t *testing.T) {
	t.Parallel()
	document := read(t, filepath.Join(root, "docs/mapping.md"))
	for _, name := range emitted(t) {
		if strings.HasPrefix(name, "wxa.custom.") {
			name = "wxa.custom."
		}
		if !strings.Contains(document, "`"+name) {
			t.Errorf("docs/mapping.md lacks %s", name)
		}
	}
}

func TestTheMappingDocumentNamesOnlyWhatTheMappingKnows(t *testing.T) {
	t.Parallel()
	sources, err := filepath.Glob(filepath.Join(root, "mapping/*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for _, path := range sources {
		code.WriteString(read(t, path))
	}
	names := regexp.MustCompile("`((?:wxa|gen_ai)\\.[a-z0-9_.]+)")
	for _, match := range names.FindAllStringSubmatch(read(t, filepath.Join(root, "docs/mapping.md")), -1) {
		if known := `"` + strings.TrimPrefix(match[1], "wxa.") + `"`; !strings.Contains(code.String(), known) {
			t.Errorf("docs/mapping.md names %s, which mapping does not know", match[1])
		}
	}
}

// emitted are the names of all attributes, events and spans in the goldens; of a
// span's name, the part that is not data.
func emitted(t *testing.T) []string {
	t.Helper()
	goldens, err := filepath.Glob(filepath.Join(root, "mapping/testdata/*/want.otlp.json"))
	if err != nil || len(goldens) == 0 {
		t.Fatalf("no goldens: %v", err)
	}
	var names []string
	attributes := func(m pcommon.Map) {
		for key := range m.All() {
			names = append(names, key)
		}
	}
	for _, path := range goldens {
		request := ptraceotlp.NewExportRequest()
		if err := request.UnmarshalJSON([]byte(read(t, path))); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, resource := range request.Traces().ResourceSpans().All() {
			for _, scope := range resource.ScopeSpans().All() {
				for _, span := range scope.Spans().All() {
					names = append(names, constantPart(span.Name()))
					attributes(span.Attributes())
					for _, event := range span.Events().All() {
						names = append(names, event.Name())
						attributes(event.Attributes())
					}
					for _, link := range span.Links().All() {
						attributes(link.Attributes())
					}
				}
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func constantPart(name string) string {
	for _, prefix := range []string{"turn ", "invoke_agent "} {
		if strings.HasPrefix(name, prefix) {
			return prefix + "{"
		}
	}
	return name
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
