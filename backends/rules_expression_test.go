package backends

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// metricOf is the name in the notation of a series.
func metricOf(series string) string { name, _, _ := strings.Cut(series, "{"); return name }

// labelsOf are the names of the labels in the notation of a series.
func labelsOf(t testing.TB, series string) (names []string) {
	t.Helper()
	parsed, err := parser.NewParser(parser.Options{}).ParseMetric(series)
	if err != nil {
		t.Fatalf("%s: %v", series, err)
	}
	parsed.Range(func(l labels.Label) {
		if l.Name != model.MetricNameLabel {
			names = append(names, l.Name)
		}
	})
	return names
}

// use is a series that an expression reads, with the labels that its matchers and
// the aggregations around it name.
type use struct {
	metric   string
	matchers []*labels.Matcher
	named    []string
}

// usesIn finds what an expression reads.
func usesIn(e parser.Expr) (all []use) {
	parser.Inspect(e, func(node parser.Node, path []parser.Node) error {
		selector, is := node.(*parser.VectorSelector)
		if !is {
			return nil
		}
		u := use{metric: selector.Name}
		for _, m := range selector.LabelMatchers {
			if m.Name != model.MetricNameLabel {
				u.matchers = append(u.matchers, m)
				u.named = append(u.named, m.Name)
			}
		}
		inner := parser.Node(selector)
		for _, outer := range slices.Backward(path) {
			switch outer := outer.(type) {
			case *parser.AggregateExpr:
				u.named = append(u.named, outer.Grouping...)
			case *parser.BinaryExpr:
				if outer.Op.IsSetOperator() && outer.Op != parser.LOR && outer.RHS == inner {
					all = append(all, u) // it selects, and gives no labels
					return nil
				}
			}
			inner = outer
		}
		all = append(all, u)
		return nil
	})
	return all
}

// labelsLeft are the labels of what an expression yields, if it aggregates: those of
// the last "by" of its left side.
func labelsLeft(e parser.Expr, recorded map[string][]string) []string {
	switch e := e.(type) {
	case *parser.AggregateExpr:
		return e.Grouping
	case *parser.ParenExpr:
		return labelsLeft(e.Expr, recorded)
	case *parser.Call:
		for _, arg := range e.Args {
			if left := labelsLeft(arg, recorded); left != nil {
				return left
			}
		}
	case *parser.MatrixSelector:
		return labelsLeft(e.VectorSelector, recorded)
	case *parser.VectorSelector:
		return recorded[e.Name]
	case *parser.BinaryExpr:
		if left := labelsLeft(e.LHS, recorded); left != nil {
			return left
		}
		return labelsLeft(e.RHS, recorded)
	}
	return nil
}

// recordedLabels are the labels of each recorded series. One that has none, such as
// the plan's limit, has an empty list.
func recordedLabels(recorded []rule) map[string][]string {
	known := map[string][]string{}
	for _, r := range recorded {
		known[r.Record] = append([]string{}, labelsLeft(r.expr, known)...)
	}
	return known
}

func TestEveryMetricAndLabelOfARuleExists(t *testing.T) {
	t.Parallel()
	recorded, alerts := rules(t)
	documented := documentedSeries(t)
	known := recordedLabels(recorded)
	for _, r := range append(slices.Clone(recorded), alerts...) {
		where := r.Record + r.Alert
		for _, u := range usesIn(r.expr) {
			if strings.Contains(u.metric, ":") {
				checkRecorded(t, known, where, u)
				continue
			}
			for _, label := range u.named {
				checkLabel(t, documented, where, u.metric, label)
			}
		}
	}
	for _, r := range append(slices.Clone(recorded), alerts...) {
		parser.Inspect(r.expr, func(node parser.Node, _ []parser.Node) error {
			if b, is := node.(*parser.BinaryExpr); is && b.VectorMatching != nil && b.VectorMatching.On {
				checkJoin(t, documented, known, r.Record+r.Alert, b)
			}
			return nil
		})
	}
	confirmed(t, "%d rules name only metrics and labels of docs/metrics.md", len(recorded)+len(alerts))
}

// checkJoin reports a label of on (…) that a side doesn't have: it would be empty on
// both, and join what doesn't belong together.
func checkJoin(t testing.TB, documented, known map[string][]string, where string, b *parser.BinaryExpr) {
	t.Helper()
	for _, side := range []parser.Expr{b.LHS, b.RHS} {
		has := labelsLeft(side, known)
		for _, label := range b.VectorMatching.MatchingLabels {
			if has != nil {
				if !slices.Contains(has, label) {
					t.Errorf("%s: on (%s), and %s has only %v", where, label, side, has)
				}
				continue
			}
			for _, u := range usesIn(side) {
				checkLabel(t, documented, where, u.metric, label)
			}
		}
	}
}

func checkRecorded(t testing.TB, known map[string][]string, where string, u use) {
	t.Helper()
	has, exists := known[u.metric]
	if !exists {
		t.Errorf("%s: nothing records %s", where, u.metric)
	}
	for _, m := range u.matchers {
		if !slices.Contains(has, m.Name) {
			t.Errorf("%s: %s has no label %s, but %v", where, u.metric, m.Name, has)
		}
	}
}

// ofTarget are the labels that Prometheus itself gives to what it takes in.
var ofTarget = []string{"job", "instance"}

// checkLabel reports a label that a metric doesn't have in docs/metrics.md.
func checkLabel(t testing.TB, documented map[string][]string, where, metric, label string) {
	t.Helper()
	has, known := documented[metric]
	switch {
	case !known:
		t.Errorf("%s: %s is not in docs/metrics.md", where, metric)
	case !slices.Contains(has, label) && !slices.Contains(ofTarget, label):
		t.Errorf("%s: %s has no label %s in docs/metrics.md, but %v", where, metric, label, has)
	}
}

// The labels in texts are those of the alert's vector: another one is an empty place
// in the page that somebody reads at night.
func TestAlertsSpeakOfLabelsTheyHave(t *testing.T) {
	t.Parallel()
	spoken := regexp.MustCompile(`\$labels\.(\w+)`)
	recorded, alerts := rules(t)
	known := recordedLabels(recorded)
	for _, r := range alerts {
		has := labelsLeft(r.expr, known)
		for key, text := range r.Annotations {
			for _, label := range spoken.FindAllStringSubmatch(text, -1) {
				if !slices.Contains(has, label[1]) {
					t.Errorf("%s: %s speaks of %s, which it doesn't have: %v", r.Alert, key, label[1], has)
				}
			}
			for _, name := range regexp.MustCompile(`wxa:\w+:\w+`).FindAllString(text, -1) {
				if _, exists := known[name]; !exists {
					t.Errorf("%s: %s names %s, which nothing records", r.Alert, key, name)
				}
			}
		}
	}
}

func TestEveryRecordingRuleIsOfUse(t *testing.T) {
	t.Parallel()
	recorded, alerts := rules(t)
	var text strings.Builder
	for _, r := range append(slices.Clone(recorded), alerts...) {
		text.WriteString(r.Expr + "\n" + r.Annotations["description"] + "\n")
	}
	for _, r := range recorded {
		if !regexp.MustCompile(regexp.QuoteMeta(r.Record) + `\b`).MatchString(text.String()) {
			t.Errorf("%s is recorded and never read", r.Record)
		}
	}
}

// A bucket is matched by an edge the histogram has, in both ways it is written.
func TestRulesMatchEdgesThatHistogramsHave(t *testing.T) {
	t.Parallel()
	edges := documentedEdges(t)
	both := regexp.MustCompile(`^\d+\(\\\.0\)\?$`)
	recorded, alerts := rules(t)
	for _, r := range append(slices.Clone(recorded), alerts...) {
		for _, u := range usesIn(r.expr) {
			base, isBucket := strings.CutSuffix(u.metric, "_bucket")
			if !isBucket {
				continue
			}
			at := slices.IndexFunc(u.matchers, func(m *labels.Matcher) bool { return m.Name == "le" })
			if at < 0 {
				t.Errorf("%s%s: %s without an edge", r.Record, r.Alert, u.metric)
				continue
			}
			le := u.matchers[at]
			edge := strings.TrimSuffix(le.Value, `(\.0)?`)
			if !slices.Contains(edges[base], edge) {
				t.Errorf("%s%s: %s has no edge at %s, but %v", r.Record, r.Alert, base, edge, edges[base])
			}
			switch {
			case strings.Contains(edge, "."): // written one way only
				if le.Type != labels.MatchEqual {
					t.Errorf("%s%s: %s is no plain match", r.Record, r.Alert, le)
				}
			case le.Type != labels.MatchRegexp || !both.MatchString(le.Value):
				t.Errorf("%s%s: %s matches one of 4 (over OTLP) and 4.0 (scraped)", r.Record, r.Alert, le)
			}
		}
	}
}
