package backends

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"cdr2otel/internal/testenv"
)

// prometheusOptions say how Prometheus is run.
type prometheusOptions struct {
	// Scrape are host:port of /metrics pages of sidecars; none: nothing is
	// scraped, what comes over OTLP is stored all the same.
	Scrape []string
	// ScrapeCollector are host:port of the Collector's own metrics.
	ScrapeCollector []string
	// Rules are paths of rule files; none: no rules are loaded.
	Rules []string
}

// prometheusServer is a running Prometheus.
type prometheusServer struct {
	*process
	URL string
}

// prometheusFlags are those that collector-config/prometheus.yml asks for.
func prometheusFlags() []string {
	return []string{"--web.enable-otlp-receiver", "--enable-feature=exemplar-storage"}
}

// startPrometheus runs Prometheus with collector-config/prometheus.yml, of which
// only the targets, the rule files and the interval (1 s) are replaced.
func startPrometheus(t testing.TB, o prometheusOptions) *prometheusServer {
	t.Helper()
	binary := toolPath(t, "prometheus")
	dir := scratch(t)
	path := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(path, prometheusConfig(t, o), 0o600); err != nil {
		t.Fatal(err)
	}
	address := testenv.FreeAddress(t)
	args := append(prometheusFlags(), "--config.file="+path, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	p := &prometheusServer{process: startProcess(t, dir, binary, args, nil), URL: "http://" + address}
	p.awaitReady(t, func(ctx context.Context) error {
		_, err := get(ctx, p.URL+"/-/ready")
		return err
	})
	return p
}

// prometheusConfig is the shipped configuration with the options in place.
func prometheusConfig(t testing.TB, o prometheusOptions) []byte {
	t.Helper()
	shipped, err := os.ReadFile(repoPath("collector-config", "prometheus.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	if err := yaml.Unmarshal(shipped, &config); err != nil {
		t.Fatal(err)
	}
	global := config["global"].(map[string]any)
	global["scrape_interval"], global["scrape_timeout"], global["evaluation_interval"] = "1s", "1s", "1s"
	config["rule_files"] = o.Rules
	targets := map[string][]string{"cdr2otel": o.Scrape, "otelcol": o.ScrapeCollector}
	for _, entry := range config["scrape_configs"].([]any) {
		job := entry.(map[string]any)
		name, _ := job["job_name"].(string)
		addresses, known := targets[name]
		if !known {
			t.Fatalf("prometheus.yml has a job %q that the tests don't know", name)
		}
		job["static_configs"] = []any{map[string]any{"targets": addresses}}
	}
	replaced, err := yaml.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	return replaced
}

// series is one element of an instant vector.
type series struct {
	Labels map[string]string `json:"metric"`
	// Value is [time, "number"].
	Value [2]any `json:"value"`
}

// queryNow evaluates PromQL now.
func (p *prometheusServer) queryNow(ctx context.Context, promql string) ([]series, error) {
	var answer struct {
		Data struct {
			Type   string   `json:"resultType"`
			Result []series `json:"result"`
		} `json:"data"`
	}
	err := getJSON(ctx, p.URL, "/api/v1/query", url.Values{"query": {promql}}, &answer)
	if err == nil && answer.Data.Type != "vector" {
		err = fmt.Errorf("%s is a %s, not a vector", promql, answer.Data.Type)
	}
	return answer.Data.Result, err
}

// query evaluates PromQL until it has a result.
func (p *prometheusServer) query(t testing.TB, promql string) (result []series) {
	t.Helper()
	eventually(t, "Prometheus has "+promql, func(ctx context.Context) (err error) {
		result, err = p.queryNow(ctx, promql)
		if err == nil && len(result) == 0 {
			err = fmt.Errorf("no result")
		}
		return err
	})
	return result
}

// exemplar is one of a series.
type exemplar struct {
	Labels map[string]string `json:"labels"`
	Value  string            `json:"value"`
}

// exemplars are those of the last hour of the series that promql selects.
func (p *prometheusServer) exemplars(ctx context.Context, promql string) ([]exemplar, error) {
	var answer struct {
		Data []struct {
			Exemplars []exemplar `json:"exemplars"`
		} `json:"data"`
	}
	now := time.Now()
	err := getJSON(ctx, p.URL, "/api/v1/query_exemplars", url.Values{
		"query": {promql},
		"start": {now.Add(-time.Hour).Format(time.RFC3339)},
		"end":   {now.Add(time.Minute).Format(time.RFC3339)},
	}, &answer)
	var all []exemplar
	for _, of := range answer.Data {
		all = append(all, of.Exemplars...)
	}
	return all, err
}
