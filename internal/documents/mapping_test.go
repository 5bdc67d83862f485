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
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
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
	var names nameList
	for _, path := range goldens(t, "want.otlp.json") {
		request := ptraceotlp.NewExportRequest()
		if err := request.UnmarshalJSON([]byte(read(t, path))); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		names.ofSpans(request.Traces())
	}
	for _, path := range goldens(t, "want.logs.json") {
		request := plogotlp.NewExportRequest()
		if err := request.UnmarshalJSON([]byte(read(t, path))); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		names.ofRecords(request.Logs())
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func goldens(t *testing.T, name string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, "mapping/testdata/*", name))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no %s: %v", name, err)
	}
	return paths
}

type nameList []string

func (l *nameList) attributes(m pcommon.Map) {
	for key := range m.All() {
		*l = append(*l, key)
	}
}

func (l *nameList) ofSpans(traces ptrace.Traces) {
	for _, resource := range traces.ResourceSpans().All() {
		for _, scope := range resource.ScopeSpans().All() {
			for _, span := range scope.Spans().All() {
				*l = append(*l, constantPart(span.Name()))
				l.attributes(span.Attributes())
				for _, event := range span.Events().All() {
					*l = append(*l, event.Name())
					l.attributes(event.Attributes())
				}
				for _, link := range span.Links().All() {
					l.attributes(link.Attributes())
				}
			}
		}
	}
}

func (l *nameList) ofRecords(logs plog.Logs) {
	for _, resource := range logs.ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			for _, record := range scope.LogRecords().All() {
				*l = append(*l, record.EventName())
				l.attributes(record.Attributes())
			}
		}
	}
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
