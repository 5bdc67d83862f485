package backends

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"cdr2otel/internal/testenv"
)

// What "docker compose run demo" does, with the Collector as compose.yaml runs it,
// Jaeger, and another Jaeger where Tempo is: both show the same calls.
func TestTheComposeExampleShowsTheDemoInJaegerAndTempo(t *testing.T) {
	t.Parallel()
	project := loadCompose(t)
	jaeger, tempo := startJaeger(t, jaegerOptions{}), startJaeger(t, jaegerOptions{})
	otlp := startComposeCollector(t, jaeger, tempo)

	binary, err := buildExporter()
	if err != nil {
		t.Fatal(err)
	}
	service := project.Services["demo"]
	demo := exec.CommandContext(t.Context(), binary, service.Command...)
	demo.Env = cleanEnvironment()
	for name, value := range composeEnvironment(service) {
		demo.Env = append(demo.Env, name+"="+strings.Replace(value, "http://collector:4318", otlp, 1))
	}
	printed, err := demo.CombinedOutput()
	if err != nil || !strings.Contains(string(printed), otlp) {
		t.Fatalf("demo: %v\n%s", err, printed)
	}
	var first, second []string
	eventually(t, "both back ends have all three traces", func(ctx context.Context) (err error) {
		first, err = jaeger.spanIDs(ctx)
		if err == nil {
			second, err = tempo.spanIDs(ctx)
		}
		if err == nil && (!slices.Equal(first, second) || !strings.Contains(string(printed), fmt.Sprintf("3 traces, %d spans delivered", len(first)))) {
			err = fmt.Errorf("they have %d and %d spans", len(first), len(second))
		}
		return err
	})
	confirmed(t, "the demo's %d spans reach Jaeger and Tempo as compose.yaml connects them", len(first))
}

// spanIDs are the spans of all traces of the demo, in order.
func (j *jaegerServer) spanIDs(ctx context.Context) ([]string, error) {
	var answer struct {
		Data []jaegerTrace `json:"data"`
	}
	err := getJSON(ctx, j.Query, "/api/traces?service=watsonx-assistant", nil, &answer)
	var ids []string
	for _, trace := range answer.Data {
		for _, id := range trace.ids() {
			ids = append(ids, trace.ID+" "+id)
		}
	}
	slices.Sort(ids)
	return ids, err
}

// startComposeCollector runs the Collector with the files and variables of
// compose.yaml, of which only the addresses are replaced, and returns its OTLP URL.
func startComposeCollector(t testing.TB, jaeger, tempo *jaegerServer) string {
	t.Helper()
	binary := toolPath(t, "otelcol")
	service := loadCompose(t).Services["collector"]
	dir, http, health := scratch(t), testenv.FreeAddress(t), testenv.FreeAddress(t)
	second := filepath.Join(dir, "collector.yaml")
	text := readExample(t, mountedAt(t, service, service.Command[3]))
	if err := os.WriteFile(second, []byte(strings.Replace(text, "http://tempo:14318", tempo.HTTP, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	env := composeEnvironment(service)
	env["COLLECTOR_OTLP_HTTP_ENDPOINT"], env["COLLECTOR_OTLP_GRPC_ENDPOINT"] = http, testenv.FreeAddress(t)
	env["COLLECTOR_HEALTH_ENDPOINT"] = health
	env["COLLECTOR_METRICS_HOST"], env["COLLECTOR_METRICS_PORT"] = "127.0.0.1", fmt.Sprint(portOf(t, testenv.FreeAddress(t)))
	env["COLLECTOR_QUEUE_DIRECTORY"] = filepath.Join(dir, "queue")
	env["TRACES_ENDPOINT"], env["METRICS_ENDPOINT"] = jaeger.HTTP, "http://"+testenv.FreeAddress(t)
	var variables []string
	for name, value := range env {
		variables = append(variables, name+"="+value)
	}
	args := []string{"--config", mountedAt(t, service, service.Command[1]), "--config", second}
	startProcess(t, dir, binary, args, variables).awaitReady(t, func(ctx context.Context) error {
		_, err := get(ctx, "http://"+health+"/")
		return err
	})
	return "http://" + http
}

func TestTheComposeExampleSendsEveryCallToTempoAsToJaeger(t *testing.T) {
	t.Parallel()
	type collectorFile struct {
		Exporters map[string]map[string]any `yaml:"exporters"`
		Service   struct {
			Pipelines map[string]struct {
				Exporters []string `yaml:"exporters"`
			} `yaml:"pipelines"`
		} `yaml:"service"`
	}
	var shipped, added collectorFile
	for file, into := range map[string]*collectorFile{"collector-config/sidecar.yaml": &shipped, "examples/compose/collector.yaml": &added} {
		if err := yaml.Unmarshal([]byte(readExample(t, repoPath(file))), into); err != nil {
			t.Fatal(err)
		}
	}
	toJaeger := shipped.Service.Pipelines["traces"].Exporters[0]
	kind, _, _ := strings.Cut(toJaeger, "/")
	toTempo := kind + "/tempo"
	if got := added.Service.Pipelines["traces"].Exporters; !slices.Equal(got, []string{toJaeger, toTempo}) {
		t.Errorf("calls go to %v", got)
	}
	delete(added.Exporters[toTempo], "endpoint")
	delete(shipped.Exporters[toJaeger], "endpoint")
	if diff := cmp.Diff(shipped.Exporters[toJaeger], added.Exporters[toTempo]); diff != "" {
		t.Errorf("Tempo's queue is not Jaeger's (-jaeger +tempo):\n%s", diff)
	}
	s := loadCompose(t).Services["collector"]
	args := []string{"validate"}
	for i, arg := range s.Command {
		if arg == "--config" {
			args = append(args, arg, mountedAt(t, s, s.Command[i+1]))
		}
	}
	t.Run("otelcol accepts it", func(t *testing.T) {
		check := exec.CommandContext(t.Context(), toolPath(t, "otelcol"), args...)
		check.Dir, check.Env = scratch(t), cleanEnvironment()
		for name, value := range composeEnvironment(s) {
			check.Env = append(check.Env, name+"="+value)
		}
		if printed, err := check.CombinedOutput(); err != nil {
			t.Errorf("otelcol validate: %v\n%s", err, printed)
		}
	})
}
