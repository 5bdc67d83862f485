package exporter_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The dependency rule of docs/architecture.md. Each line says which packages of
// this module a package may import.
var mayImport = map[string][]string{
	"cdr2otel/mapping":                           {},
	"cdr2otel/exporter/config":                   {"cdr2otel/mapping"},
	"cdr2otel/exporter":                          {"cdr2otel/mapping", "cdr2otel/exporter/"},
	"cdr2otel/exporter/internal/otelenv":         {},
	"cdr2otel/exporter/internal/telemetry":       {"cdr2otel/mapping", "cdr2otel/exporter/internal/otelenv"},
	"cdr2otel/exporter/internal/receiver":        {"cdr2otel/mapping", "cdr2otel/exporter/internal/telemetry"},
	"cdr2otel/exporter/internal/store":           {"cdr2otel/exporter/internal/telemetry", "cdr2otel/exporter/internal/store/"},
	"cdr2otel/exporter/internal/store/disktest":  {"cdr2otel/internal/testenv"},
	"cdr2otel/exporter/internal/store/storetest": {"cdr2otel/exporter/internal/store", "cdr2otel/internal/testenv"},
	"cdr2otel/exporter/internal/correlator":      {"cdr2otel/mapping", "cdr2otel/exporter/internal/telemetry"},
	"cdr2otel/exporter/internal/delivery":        {"cdr2otel/mapping", "cdr2otel/exporter/internal/telemetry", "cdr2otel/exporter/internal/otelenv"},
	"cdr2otel/exporter/internal/admin":           {"cdr2otel/mapping", "cdr2otel/exporter/internal/telemetry"},
	"cdr2otel/exporter/doctor":                   {"cdr2otel/mapping", "cdr2otel/exporter", "cdr2otel/exporter/", "cdr2otel/internal/client", "cdr2otel/internal/sample", "cdr2otel/internal/wrap"},
	"cdr2otel/cmd":                               {"cdr2otel/exporter", "cdr2otel/exporter/config", "cdr2otel/exporter/doctor", "cdr2otel/mapping", "cdr2otel/internal/", "cdr2otel/examples/"},
	"cdr2otel/internal":                          {"cdr2otel/internal/", "cdr2otel/examples/"},
	"cdr2otel/examples":                          {},
}

// What mapping may import besides the standard library: a JSON decoder and
// OpenTelemetry data types. No I/O, clock or logger hides behind these.
var mappingLibraries = []string{
	"github.com/go-json-experiment/json", "go.opentelemetry.io/proto/otlp/", "go.opentelemetry.io/otel/semconv/", "go.opentelemetry.io/otel/attribute",
	"google.golang.org/protobuf/",
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func TestPackagesImportOnlyWhatTheDependencyRuleAllows(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		rule := ruleOf(p.ImportPath)
		allowed, ok := mayImport[rule]
		if !ok {
			t.Errorf("%s has no line in the dependency rule", p.ImportPath)
			continue
		}
		for _, imported := range p.Imports {
			if strings.HasPrefix(imported, "cdr2otel/") && ruleOf(imported) != rule && !matches(imported, allowed) {
				t.Errorf("%s imports %s; the rule allows %v", p.ImportPath, imported, allowed)
			}
		}
	}
}

func TestMappingImportsOnlyTheStandardLibraryADecoderAndDataTypes(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		if ruleOf(p.ImportPath) != "cdr2otel/mapping" {
			continue
		}
		for _, imported := range p.Imports {
			standard := !strings.Contains(strings.Split(imported, "/")[0], ".")
			if !standard && !matches(imported, mappingLibraries) {
				t.Errorf("%s imports %s", p.ImportPath, imported)
			}
			if slices.Contains([]string{"os", "net", "net/http", "log", "log/slog", "io/fs"}, imported) {
				t.Errorf("%s imports %s: it is to be pure", p.ImportPath, imported)
			}
		}
	}
}

// ruleOf is the longest line of the rule that covers a package.
func ruleOf(path string) string {
	best := ""
	for rule := range mayImport {
		if (path == rule || strings.HasPrefix(path, rule+"/")) && len(rule) > len(best) {
			best = rule
		}
	}
	return best
}

// matches says whether path is one of the allowed; an entry that ends in a slash
// covers everything below it.
func matches(path string, allowed []string) bool {
	return slices.ContainsFunc(allowed, func(a string) bool {
		return path == a || strings.HasPrefix(path, strings.TrimSuffix(a, "/")+"/") && (strings.HasSuffix(a, "/") || strings.Contains(a, "."))
	})
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "cdr2otel/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []goPackage
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}
