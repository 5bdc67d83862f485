package backends

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// collectorFiles are the configurations of an OpenTelemetry Collector.
var collectorFiles = []string{"sidecar.yaml", "gateway-tail-sampling.yaml"}

// moduleOf is the Go module of each component and configuration provider that the
// files may use, by its kind and its name there.
var moduleOf = map[string]string{
	"receivers/otlp":            "go.opentelemetry.io/collector/receiver/otlpreceiver",
	"processors/memory_limiter": "go.opentelemetry.io/collector/processor/memorylimiterprocessor",
	"processors/tail_sampling":  "github.com/open-telemetry/opentelemetry-collector-contrib/processor/tailsamplingprocessor",
	"exporters/otlp_grpc":       "go.opentelemetry.io/collector/exporter/otlpexporter",
	"exporters/otlp_http":       "go.opentelemetry.io/collector/exporter/otlphttpexporter",
	"connectors/span_metrics":   "github.com/open-telemetry/opentelemetry-collector-contrib/connector/spanmetricsconnector",
	"extensions/file_storage":   "github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/filestorage",
	"extensions/health_check":   "github.com/open-telemetry/opentelemetry-collector-contrib/extension/healthcheckextension",
}

// providers of the manifest: files, ${env:…}, and --set.
var providers = []string{
	"go.opentelemetry.io/collector/confmap/provider/envprovider",
	"go.opentelemetry.io/collector/confmap/provider/fileprovider",
	"go.opentelemetry.io/collector/confmap/provider/yamlprovider",
}

// collectorConfig is what matters here of a Collector's configuration.
type collectorConfig struct {
	Receivers  map[string]any `yaml:"receivers"`
	Processors map[string]any `yaml:"processors"`
	Exporters  map[string]any `yaml:"exporters"`
	Connectors map[string]any `yaml:"connectors"`
	Extensions map[string]any `yaml:"extensions"`
	Service    struct {
		Extensions []string `yaml:"extensions"`
		Pipelines  map[string]struct {
			Receivers  []string `yaml:"receivers"`
			Processors []string `yaml:"processors"`
			Exporters  []string `yaml:"exporters"`
		} `yaml:"pipelines"`
	} `yaml:"service"`
}

func readCollectorConfig(t testing.TB, name string) (c collectorConfig) {
	t.Helper()
	content, err := os.ReadFile(repoPath("collector-config", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(content, &c); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return c
}

// defined are the components of a file by kind, without the name behind the slash.
func (c collectorConfig) defined() []string {
	var all []string
	for kind, components := range map[string]map[string]any{
		"receivers": c.Receivers, "processors": c.Processors, "exporters": c.Exporters,
		"connectors": c.Connectors, "extensions": c.Extensions,
	} {
		for id := range components {
			component, _, _ := strings.Cut(id, "/")
			all = append(all, kind+"/"+component)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// manifest are the modules of builder.yaml with their versions.
func manifest(t testing.TB) map[string]string {
	t.Helper()
	content, err := os.ReadFile(repoPath("collector-config", "builder.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var kinds map[string]yaml.Node
	if err := yaml.Unmarshal(content, &kinds); err != nil {
		t.Fatal(err)
	}
	modules := map[string]string{}
	for kind, node := range kinds {
		if kind == "dist" {
			continue
		}
		var entries []struct {
			Gomod string `yaml:"gomod"`
		}
		if err := node.Decode(&entries); err != nil {
			t.Fatalf("builder.yaml: %s: %v", kind, err)
		}
		for _, entry := range entries {
			module, version, _ := strings.Cut(entry.Gomod, " ")
			modules[module] = version
		}
	}
	return modules
}

func TestTheManifestNamesExactlyTheComponentsInUse(t *testing.T) {
	t.Parallel()
	inUse := map[string]bool{}
	for _, provider := range providers {
		inUse[provider] = true
	}
	for _, file := range collectorFiles {
		for _, component := range readCollectorConfig(t, file).defined() {
			module, known := moduleOf[component]
			if !known {
				t.Errorf("%s: %s: which module has it?", file, component)
			}
			inUse[module] = true
		}
	}
	named := map[string]bool{}
	for module := range manifest(t) {
		named[module] = true
	}
	if diff := cmp.Diff(inUse, named); diff != "" {
		t.Errorf("in use (-) and in builder.yaml (+):\n%s", diff)
	}
}

func TestEveryDefinedComponentIsInAPipeline(t *testing.T) {
	t.Parallel()
	for _, file := range collectorFiles {
		c := readCollectorConfig(t, file)
		used := slices.Clone(c.Service.Extensions)
		for _, p := range c.Service.Pipelines {
			used = slices.Concat(used, p.Receivers, p.Processors, p.Exporters)
		}
		for _, components := range []map[string]any{c.Receivers, c.Processors, c.Exporters, c.Connectors, c.Extensions} {
			for id := range components {
				if !slices.Contains(used, id) {
					t.Errorf("%s: %s is in no pipeline", file, id)
				}
			}
		}
	}
}

// moduleLine is a module with its version, as components.go and main.go hold them.
var moduleLine = regexp.MustCompile(`:\s+"([a-z0-9./-]+) (v[0-9.]+)"`)

func TestTheSourcesOfTheCollectorAreThoseOfTheManifest(t *testing.T) {
	t.Parallel()
	generated := map[string]string{}
	for _, name := range []string{"components.go", "main.go"} {
		content, err := os.ReadFile(repoPath("tools", "otelcol", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range moduleLine.FindAllSubmatch(content, -1) {
			generated[string(m[1])] = string(m[2])
		}
	}
	if diff := cmp.Diff(manifest(t), generated); diff != "" {
		t.Errorf("builder.yaml (-) and tools/otelcol (+), which the builder makes of it:\n%s", diff)
	}
}

func TestTheRealProgramsAcceptTheirFiles(t *testing.T) {
	t.Parallel()
	for _, check := range [][]string{
		{"otelcol", "validate", "--config", "sidecar.yaml"},
		{"otelcol", "validate", "--config", "gateway-tail-sampling.yaml"},
		{"otelcol", "validate", "--config", repoPath("collector-config", "sidecar.yaml"), "--config", "logs.yaml"},
		{"otelcol", "validate", "--config", repoPath("collector-config", "gateway-tail-sampling.yaml"), "--config", "logs.yaml"},
		{"jaeger", "validate", "--config", "jaeger.yaml"},
		{"promtool", "check", "config", "prometheus.yml"},
	} {
		file := check[len(check)-1]
		if len(check) > 5 {
			file = filepath.Base(check[3]) + " with " + file
		}
		t.Run(check[0]+" accepts "+file, func(t *testing.T) {
			args := append(slices.Clone(check[1:len(check)-1]), repoPath("collector-config", check[len(check)-1]))
			cmd := exec.CommandContext(t.Context(), toolPath(t, check[0]), args...)
			cmd.Dir, cmd.Env = scratch(t), cleanEnvironment() // as on a machine where nothing is set
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if strings.Contains(string(out), "deprecated") {
				t.Errorf("it warns:\n%s", out)
			}
			confirmed(t, "%s accepts %s", check[0], file)
		})
	}
}
