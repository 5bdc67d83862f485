package backends

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What Loki has of a record besides its attributes and the labels of its stream.
var lokiFields = []string{"service_name", "trace_id", "span_id", "severity_text", "event_name"}

var (
	logQL      = regexp.MustCompile(`^\{\w+="[^"]+"\}( \| (\w+!?="[^"]*"|line_format "[^"]+"))+$`)
	recordKey  = regexp.MustCompile(`"key": "([^"]+)"`)
	logQLNames = regexp.MustCompile(`(\w+)!?="|\{\{\.(\w+)\}\}`)
)

func TestLogQLOfTheDocumentIsWellFormedAndNamesAttributesThatRecordsHave(t *testing.T) {
	t.Parallel()
	known := append(recordAttributes(t), lokiFields...)
	n := 0
	for _, b := range queryBlocks(t, "logql") {
		for _, query := range b.lines() {
			n++
			if !logQL.MatchString(query) {
				t.Errorf("%s: %s is no query of the form {stream} | name=\"value\" | line_format", b.question, query)
			}
			for _, name := range logQLNames.FindAllStringSubmatch(query, -1) {
				if !slices.Contains(known, name[1]+name[2]) {
					t.Errorf("%s: %s names %s, which no record has", b.question, query, name[1]+name[2])
				}
			}
		}
	}
	confirmed(t, "%d LogQL queries of docs/queries.md name attributes that log records have", n)
}

// recordAttributes are those of all golden log records, as Loki writes them.
func recordAttributes(t *testing.T) (names []string) {
	t.Helper()
	goldens, err := filepath.Glob(repoPath("mapping", "testdata", "*", "want.logs.json"))
	if err != nil || len(goldens) == 0 {
		t.Fatalf("no goldens: %v", err)
	}
	for _, path := range goldens {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range recordKey.FindAllStringSubmatch(string(text), -1) {
			names = append(names, strings.ReplaceAll(key[1], ".", "_"))
		}
	}
	return names
}
