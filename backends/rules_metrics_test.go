package backends

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
)

var inBackquotes = regexp.MustCompile("`([^`]+)`")

// rowsOfMetrics are the rows of a table of docs/metrics.md, <!-- metrics NAME -->, by the
// headings of their columns.
func rowsOfMetrics(t testing.TB, name string) (rows []map[string]string) {
	t.Helper()
	text, err := os.ReadFile(repoPath("docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, opened := strings.Cut(string(text), "<!-- metrics "+name+" -->\n")
	table, _, closed := strings.Cut(table, "<!-- /metrics -->")
	if !opened || !closed {
		t.Fatalf("docs/metrics.md has no table %s", name)
	}
	var headings []string
	for i, line := range strings.Split(strings.TrimSpace(table), "\n") {
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch i {
		case 0:
			headings = cells
		case 1: // the line below them
		default:
			if len(cells) != len(headings) {
				t.Fatalf("docs/metrics.md: %d cells, want %d: %s", len(cells), len(headings), line)
			}
			row := map[string]string{}
			for i, heading := range headings {
				row[heading] = cells[i]
			}
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 {
		t.Fatalf("the table %s of docs/metrics.md is empty", name)
	}
	return rows
}

// wordsIn are the words in backquotes of a cell.
func wordsIn(cell string) (words []string) {
	for _, w := range inBackquotes.FindAllStringSubmatch(cell, -1) {
		words = append(words, w[1])
	}
	return words
}

// documentedSeries are the series of docs/metrics.md as Prometheus names them, with
// their labels.
func documentedSeries(t testing.TB) map[string][]string {
	t.Helper()
	var base []string
	for _, row := range rowsOfMetrics(t, "base") {
		base = append(base, wordsIn(row["label"])...)
	}
	series := map[string][]string{}
	for _, row := range append(rowsOfMetrics(t, "calls"), rowsOfMetrics(t, "self")...) {
		name, has := wordsIn(row["prometheus"])[0], wordsIn(row["labels"])
		if first, _, _ := strings.Cut(row["labels"], ","); first == "B" {
			has = append(has, base...)
		}
		if row["kind"] != "histogram" {
			series[name] = append([]string{}, has...)
			continue
		}
		series[name+"_bucket"] = append([]string{"le"}, has...)
		series[name+"_count"], series[name+"_sum"] = append([]string{}, has...), append([]string{}, has...)
	}
	return series
}

// documentedEdges are the edges of the buckets of each histogram.
func documentedEdges(t testing.TB) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(repoPath("docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	voice := regexp.MustCompile(`(?m)^V = ([0-9. ]+)`).FindStringSubmatch(string(text))
	if voice == nil {
		t.Fatal("docs/metrics.md does not say what V is")
	}
	edges := map[string][]string{}
	for _, row := range append(rowsOfMetrics(t, "calls"), rowsOfMetrics(t, "self")...) {
		if row["kind"] == "histogram" {
			edges[wordsIn(row["prometheus"])[0]] = strings.Fields(strings.ReplaceAll(row["buckets"], "V", voice[1]))
		}
	}
	return edges
}

// closedValues are the values of labels with a closed set, by series and label.
func closedValues(t testing.TB) map[string]map[string][]string {
	t.Helper()
	prometheus := map[string]string{}
	for _, row := range append(rowsOfMetrics(t, "calls"), rowsOfMetrics(t, "self")...) {
		prometheus[wordsIn(row["metric"])[0]] = wordsIn(row["prometheus"])[0]
	}
	values := map[string]map[string][]string{}
	for _, row := range rowsOfMetrics(t, "attributes") {
		closed := regexp.MustCompile("^(`[^`]+`(, |$))+(else `_OTHER`)?$").MatchString(row["values"])
		for _, metric := range wordsIn(row["on"]) {
			series := prometheus[metric]
			if series == "" {
				t.Errorf("docs/metrics.md: %s has the attribute %s and no row", metric, row["attribute"])
			}
			if values[series] == nil {
				values[series] = map[string][]string{}
			}
			if closed {
				values[series][wordsIn(row["label"])[0]] = wordsIn(row["values"])
			}
		}
	}
	return values
}

// A value that is never written makes an alert that never fires.
func TestRulesMatchValuesThatAreWritten(t *testing.T) {
	t.Parallel()
	values := closedValues(t)
	recorded, alerts := rules(t)
	checked := 0
	for _, r := range append(slices.Clone(recorded), alerts...) {
		for _, u := range usesIn(r.expr) {
			for _, m := range u.matchers {
				known := values[u.metric][m.Name]
				if m.Name == "le" || m.Type == labels.MatchNotRegexp {
					continue
				}
				if known == nil {
					t.Errorf("%s%s: docs/metrics.md has no closed set of values for %s of %s", r.Record, r.Alert, m.Name, u.metric)
				}
				for _, value := range strings.Split(m.Value, "|") {
					checked++
					if !slices.Contains(known, value) {
						t.Errorf("%s%s: %s of %s is never %q, but %q", r.Record, r.Alert, m.Name, u.metric, value, known)
					}
				}
			}
		}
	}
	if checked == 0 {
		t.Fatal("no rule matches a value")
	}
	confirmed(t, "%d values that rules match are values that docs/metrics.md lists", checked)
}
