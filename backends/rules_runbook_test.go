package backends

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

func runbook(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(repoPath("docs", "runbook.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// runbookSections are the texts under headings that name an alert.
func runbookSections(t testing.TB) map[string]string {
	t.Helper()
	heading := regexp.MustCompile(`(?m)^#{2,3} .*$`)
	text, sections := runbook(t), map[string]string{}
	at := heading.FindAllStringIndex(text, -1)
	for i, h := range at {
		end := len(text)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		name, isAlert := strings.CutPrefix(text[h[0]:h[1]], "### ")
		if !isAlert {
			continue
		}
		if sections[name] != "" {
			t.Errorf("two sections are called %s: the second has another anchor", name)
		}
		sections[name] = text[h[1]:end]
	}
	return sections
}

func TestEveryAlertHasItsSectionInTheRunbook(t *testing.T) {
	t.Parallel()
	sections := runbookSections(t)
	_, alerts := rules(t)
	for _, r := range alerts {
		section, has := sections[r.Alert]
		if !has {
			t.Errorf("docs/runbook.md has no section ### %s", r.Alert)
			continue
		}
		delete(sections, r.Alert)
		// A heading's anchor is its text in small letters.
		if want := runbookBase + strings.ToLower(r.Alert); r.Annotations["runbook_url"] != want {
			t.Errorf("%s: runbook_url is %q, want %q", r.Alert, r.Annotations["runbook_url"], want)
		}
		kind := map[string]string{"page": "*Page:", "ticket": "*Ticket:", "info": "*Info:"}[r.Labels["severity"]]
		if !strings.HasPrefix(strings.TrimSpace(section), kind) {
			t.Errorf("the section of %s does not begin with %q", r.Alert, kind)
		}
		for _, part := range []string{"**Look", "do**", "**false positive"} {
			if !strings.Contains(strings.ToLower(section), strings.ToLower(part)) {
				t.Errorf("the section of %s does not have %s", r.Alert, part)
			}
		}
	}
	for name := range sections {
		t.Errorf("docs/runbook.md has a section ### %s, which is no alert", name)
	}
	confirmed(t, "%d alerts have a section in docs/runbook.md that their runbook_url leads to", len(alerts))
}

func TestTheRunbookNamesWhatExists(t *testing.T) {
	t.Parallel()
	text := runbook(t)
	recorded, alerts := rules(t)
	known := recordedLabels(recorded)
	for _, r := range alerts {
		known[r.Alert] = nil
	}
	for _, name := range regexp.MustCompile(`\bWxa[A-Z]\w+|\bwxa:[\w:]+`).FindAllString(text, -1) {
		if _, exists := known[name]; !exists {
			t.Errorf("docs/runbook.md speaks of %s, which is no rule", name)
		}
	}
	headings := map[string]bool{}
	for _, h := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		headings[strings.ReplaceAll(strings.ToLower(h[1]), " ", "-")] = true
	}
	for _, link := range regexp.MustCompile(`\]\(#([^)]*)\)`).FindAllStringSubmatch(text, -1) {
		if !headings[link[1]] {
			t.Errorf("docs/runbook.md links to #%s, which is no heading", link[1])
		}
	}
}

// Queries stand in backquotes: what has a parenthesis and parses.
func TestTheRunbooksQueriesAreAnswerable(t *testing.T) {
	t.Parallel()
	documented := documentedSeries(t)
	recorded, _ := rules(t)
	known := recordedLabels(recorded)
	n := 0
	for _, code := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(runbook(t), -1) {
		if !strings.Contains(code[1], "wxa_") && !strings.Contains(code[1], "wxa:") && !strings.Contains(code[1], "gen_ai_") {
			continue
		}
		if regexp.MustCompile(`^(wxa_|gen_ai_)\w+(=".*")?$`).MatchString(code[1]) {
			if !isNameOf(documented, strings.SplitN(code[1], "=", 2)[0]) {
				t.Errorf("docs/runbook.md speaks of %s, which is not in docs/metrics.md", code[1])
			}
			continue
		}
		expr, err := parser.NewParser(parser.Options{}).ParseExpr(code[1])
		if err != nil {
			t.Errorf("docs/runbook.md: %s: %v", code[1], err)
			continue
		}
		n++
		for _, u := range usesIn(expr) {
			if strings.Contains(u.metric, ":") {
				checkRecorded(t, known, "docs/runbook.md", u)
				continue
			}
			for _, label := range u.named {
				checkLabel(t, documented, "docs/runbook.md", u.metric, label)
			}
		}
	}
	confirmed(t, "%d queries of docs/runbook.md name only metrics and labels that exist", n)
}

// isNameOf says whether a word is a metric, a histogram or a label.
func isNameOf(documented map[string][]string, word string) bool {
	if documented[word] != nil || documented[word+"_count"] != nil {
		return true
	}
	for _, has := range documented {
		if slices.Contains(has, word) {
			return true
		}
	}
	return false
}

// dashboardPanels are the titles of the panels of the shipped dashboards by uid.
func dashboardPanels(t testing.TB) map[string][]string {
	t.Helper()
	panels := map[string][]string{}
	paths, err := filepath.Glob(repoPath("collector-config", "grafana", "dashboards", "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var d struct {
			UID    string
			Panels []struct{ Title string }
		}
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, p := range d.Panels {
			panels[d.UID] = append(panels[d.UID], p.Title)
		}
	}
	return panels
}

func TestTheRunbookNamesPanelsThatExist(t *testing.T) {
	t.Parallel()
	panels := dashboardPanels(t)
	named := regexp.MustCompile("\"([^\"]+)\" on `(cdr2otel-[a-z-]+)`").FindAllStringSubmatch(runbook(t), -1)
	if len(named) == 0 {
		t.Fatal("docs/runbook.md names no panel")
	}
	for _, p := range named {
		if !slices.Contains(panels[p[2]], p[1]) {
			t.Errorf("docs/runbook.md names the panel %q of %s, which has %q", p[1], p[2], panels[p[2]])
		}
	}
}

// What inhibits must exist, as must the labels that both sides share.
func TestTheRunbooksInhibitionsHold(t *testing.T) {
	t.Parallel()
	_, block, found := strings.Cut(runbook(t), "```yaml\ninhibit_rules:")
	block, _, closed := strings.Cut(block, "```")
	if !found || !closed {
		t.Fatal("docs/runbook.md has no inhibit_rules")
	}
	var config struct {
		Inhibit []struct {
			Source []string `yaml:"source_matchers"`
			Target []string `yaml:"target_matchers"`
			Equal  []string `yaml:"equal"`
		} `yaml:"inhibit_rules"`
	}
	if err := yaml.Unmarshal([]byte("inhibit_rules:"+block), &config); err != nil {
		t.Fatal(err)
	}
	recorded, alerts := rules(t)
	known, has := recordedLabels(recorded), map[string][]string{}
	for _, r := range alerts {
		has[r.Alert] = labelsLeft(r.expr, known)
	}
	names := regexp.MustCompile(`Wxa\w+`)
	for _, inhibition := range config.Inhibit {
		matched := names.FindAllString(strings.Join(append(inhibition.Source, inhibition.Target...), " "), -1)
		if len(matched) < 2 {
			t.Errorf("%v inhibits %v", inhibition.Source, inhibition.Target)
		}
		for _, name := range matched {
			for _, label := range inhibition.Equal {
				if !slices.Contains(has[name], label) {
					t.Errorf("%s has no label %s: the inhibition would compare nothing", name, label)
				}
			}
		}
	}
}
