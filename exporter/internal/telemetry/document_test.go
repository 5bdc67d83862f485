package telemetry

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the tables in the documents")

const document = "../../../docs/metrics.md"

func TestTheDocumentsHaveTheMetricsOfTheCode(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	want := withTables(t, string(content))
	if *update {
		if err := os.WriteFile(document, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(content)); diff != "" {
		t.Errorf("%s differs from the code; make docs-update rewrites it:\n%s", document, diff)
	}
}

// withTables replaces what stands between <!-- metrics NAME --> and <!-- /metrics -->
// by the table of that name.
func withTables(t *testing.T, content string) string {
	t.Helper()
	const begin, end, closing = "<!-- metrics ", "<!-- /metrics -->", " -->\n"
	parts := strings.Split(content, begin)
	written := map[string]bool{}
	for i, part := range parts[1:] {
		name, rest, found := strings.Cut(part, closing)
		_, after, ended := strings.Cut(rest, end)
		table := tables[name]
		if !found || !ended || table == nil {
			t.Fatalf("%s: the marker %q is not closed, or there is no such table", document, begin+name)
		}
		written[name] = true
		parts[i+1] = name + closing + table() + end + after
	}
	for name := range tables {
		if !written[name] {
			t.Errorf("%s has no table %q", document, name)
		}
	}
	return strings.Join(parts, begin)
}

var tables = map[string]func() string{
	"calls":      func() string { return metricTable(callInstruments()) },
	"self":       func() string { return metricTable(selfInstruments()) },
	"base":       baseTable,
	"attributes": attributeTable,
}

func metricTable(table []instrument) string {
	var b strings.Builder
	b.WriteString("| metric | prometheus | kind | unit | buckets | labels | from |\n|---|---|---|---|---|---|---|\n")
	for _, i := range table {
		fmt.Fprintf(&b, "| `%s`<br>%s | `%s` | %s | %s | %s | %s | %s |\n", i.name, i.description, i.prometheus,
			[]string{"counter", "histogram", "counter", "gauge"}[i.kind], i.unit, bucketCell(i.buckets), labelCell(i), i.from)
	}
	return b.String()
}

func bucketCell(buckets []float64) string {
	if slices.Equal(buckets, voiceBuckets) {
		return "V"
	}
	words := make([]string, len(buckets))
	for i, edge := range buckets {
		words[i] = strconv.FormatFloat(edge, 'g', -1, 64)
		if edge >= 1e6 {
			words[i] = strconv.FormatFloat(edge, 'f', 0, 64)
		}
	}
	return strings.Join(words, " ")
}

// labelCell names the labels as Prometheus has them; B are the base ones.
func labelCell(i instrument) string {
	var words []string
	if i.call {
		words = append(words, "B")
	}
	for _, a := range i.attributes {
		words = append(words, "`"+label(a)+"`")
	}
	return strings.Join(words, ", ")
}

func label(a attr) string { return strings.ReplaceAll(string(a.key), ".", "_") }

// values says how an attribute is bounded.
func (a *attr) words() string {
	switch {
	case a.bound != "":
		return a.bound
	case len(a.values) == 0:
		return "`_OTHER`"
	}
	words := "`" + strings.Join(a.values, "`, `") + "`"
	// A direction or a boolean has no third value, and what this program itself
	// counts is one of the set.
	if a.typ == 0 && len(a.values) > 1 {
		words += ", else `_OTHER`"
	}
	return words
}

func baseTable() string {
	var b strings.Builder
	b.WriteString("| attribute | label | values |\n|---|---|---|\n")
	for _, a := range baseAttributes() {
		fmt.Fprintf(&b, "| `%s` | `%s` | %s |\n", a.key, label(a), a.words())
	}
	fmt.Fprintf(&b, "| `wxa.custom.…` | `wxa_custom_…` | those of `mapping.custom_data` with `metric: true`; at most %d values each per source |\n", maxCustom)
	return b.String()
}

// attributeTable has a row for each attribute, and for each set of values it has.
func attributeTable() string {
	type row struct {
		a  attr
		on []string
	}
	var rows []row
	for _, i := range instruments() {
		for _, a := range i.attributes {
			if a.key == keySource {
				continue // in the other table
			}
			at := slices.IndexFunc(rows, func(r row) bool { return r.a.key == a.key && r.a.words() == a.words() })
			if at < 0 {
				at, rows = len(rows), append(rows, row{a: a})
			}
			rows[at].on = append(rows[at].on, "`"+i.name+"`")
		}
	}
	slices.SortStableFunc(rows, func(x, y row) int { return strings.Compare(string(x.a.key), string(y.a.key)) })
	var b strings.Builder
	b.WriteString("| attribute | label | values | on |\n|---|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s |\n", r.a.key, label(r.a), r.a.words(), strings.Join(r.on, ", "))
	}
	return b.String()
}
