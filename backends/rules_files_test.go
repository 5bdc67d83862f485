package backends

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

// rule is one rule of collector-config/rules and the file it stands in.
type rule struct {
	rulefmt.Rule
	file, group string
	expr        parser.Expr
}

// ofCalls says whether an alert is about calls: those are silent while an old
// backlog drains.
func (r rule) ofCalls() bool {
	switch r.file {
	case "calls.yaml", "latency.yaml", "voice.yaml":
		return true
	}
	return r.Alert == "WxaMessagesMissing" || r.Alert == "WxaTurnGaps"
}

// rules are those of every file, in their order, as Prometheus reads them.
func rules(t testing.TB) (recorded, alerts []rule) {
	t.Helper()
	promQL := parser.NewParser(parser.Options{})
	for _, path := range ruleFiles(t) {
		groups, errs := rulefmt.ParseFile(path, false, model.LegacyValidation, promQL, slog.New(slog.DiscardHandler))
		for _, err := range errs {
			t.Error(err)
		}
		if groups == nil {
			t.FailNow()
		}
		for _, group := range groups.Groups {
			for _, r := range group.Rules {
				expr, err := promQL.ParseExpr(r.Expr)
				if err != nil {
					t.Fatalf("%s: %v", path, err)
				}
				one := rule{Rule: r, file: filepath.Base(path), group: group.Name, expr: expr}
				if r.Alert != "" {
					alerts = append(alerts, one)
				} else {
					recorded = append(recorded, one)
				}
			}
		}
	}
	if len(recorded) == 0 || len(alerts) == 0 {
		t.Fatalf("%d recording rules and %d alerts", len(recorded), len(alerts))
	}
	return recorded, alerts
}

func ruleFiles(t testing.TB) []string { t.Helper(); return yamlFiles(t, "rules") }

func ruleTestFiles(t testing.TB) []string { t.Helper(); return yamlFiles(t, "rules", "tests") }

func yamlFiles(t testing.TB, folder ...string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(repoPath("collector-config"), filepath.Join(folder...), "*.yaml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s has no files: %v", filepath.Join(folder...), err)
	}
	return paths
}

// ruleTest is a file of rules/tests, as far as it is looked at here: promtool runs
// it.
type ruleTest struct {
	file           string
	RuleFiles      []string       `yaml:"rule_files"`
	Interval       model.Duration `yaml:"evaluation_interval"`
	GroupEvalOrder []string       `yaml:"group_eval_order"`
	Tests          []ruleCase     `yaml:"tests"`
}

type ruleCase struct {
	Name     string         `yaml:"name"`
	Interval model.Duration `yaml:"interval"`
	Input    []struct {
		Series string `yaml:"series"`
		Values string `yaml:"values"`
	} `yaml:"input_series"`
	Alerts []struct {
		At       model.Duration `yaml:"eval_time"`
		Name     string         `yaml:"alertname"`
		Expected []struct {
			Labels      map[string]string `yaml:"exp_labels"`
			Annotations map[string]string `yaml:"exp_annotations"`
		} `yaml:"exp_alerts"`
	} `yaml:"alert_rule_test"`
}

func ruleTests(t testing.TB) (all []ruleTest) {
	t.Helper()
	for _, path := range ruleTestFiles(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		one := ruleTest{file: filepath.Base(path)}
		decoder := yaml.NewDecoder(strings.NewReader(string(text)))
		decoder.KnownFields(true)
		if err := decoder.Decode(&one); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all = append(all, one)
	}
	return all
}

// runbookBase is what stands before the anchor in each runbook_url, to be replaced
// by who installs the rules.
const runbookBase = "https://runbook.example/docs/runbook.md#"

// atLeast is the shortest "for" of an alert about calls: groups are evaluated side
// by side, and what silences it must have been computed.
const atLeast = model.Duration(2 * time.Minute)
