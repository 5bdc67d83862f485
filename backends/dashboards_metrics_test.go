package backends

import (
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// vocabulary is what docs/metrics.md has.
type vocabulary struct {
	series map[string][]string            // their labels
	values map[string]map[string][]string // of labels with a closed set, by metric
	edges  map[string][]string            // of the buckets of a histogram
}

func readVocabulary(t testing.TB) vocabulary {
	return vocabulary{series: documentedSeries(t), values: closedValues(t), edges: documentedEdges(t)}
}

// check reports what a query names and the document does not: a panel that is empty
// for ever, or, of a value, for as long as nobody looks.
func (v vocabulary) check(t testing.TB, where, query string) {
	t.Helper()
	for _, u := range readsOf(parsePromQL(t, query)) {
		if ofProcess.MatchString(u.metric) {
			continue // of the Go client library; that they exist is seen when they are asked
		}
		if v.series[u.metric] == nil {
			t.Errorf("%s: %s is not in docs/metrics.md", where, u.metric)
			continue
		}
		for _, label := range u.named {
			checkLabel(t, v.series, where, u.metric, label)
		}
		for _, m := range u.matchers {
			v.checkMatcher(t, where, u.metric, m)
		}
	}
}

// reads is what a query wants of a metric.
type reads struct {
	metric   string
	matchers []*labels.Matcher
	named    []string // labels of its matchers, and those that it is grouped and joined by
}

// readsOf finds every metric of a query.
func readsOf(query parser.Expr) (all []reads) {
	parser.Inspect(query, func(node parser.Node, path []parser.Node) error {
		selector, is := node.(*parser.VectorSelector)
		if !is {
			return nil
		}
		r := reads{metric: selector.Name}
		for _, m := range selector.LabelMatchers {
			if m.Name != "__name__" {
				r.matchers, r.named = append(r.matchers, m), append(r.named, m.Name)
			}
		}
		inner := node
		for _, outer := range slices.Backward(path) {
			if a, is := outer.(*parser.AggregateExpr); is {
				r.named = append(r.named, a.Grouping...)
			}
			if b, is := outer.(*parser.BinaryExpr); is && b.VectorMatching != nil {
				if b.VectorMatching.On {
					r.named = append(r.named, b.VectorMatching.MatchingLabels...)
				}
				// Of the right side of "and" and "unless" nothing is left but whether it is there.
				if (b.Op == parser.LAND || b.Op == parser.LUNLESS) && inner == parser.Node(b.RHS) {
					break
				}
			}
			inner = outer
		}
		all = append(all, r)
		return nil
	})
	return all
}

func (v vocabulary) checkMatcher(t testing.TB, where, series string, m *labels.Matcher) {
	t.Helper()
	metric := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(series, "_bucket"), "_sum"), "_count")
	known := v.values[metric][m.Name]
	if m.Name == "le" {
		known = v.edges[metric]
	}
	for _, value := range strings.Split(m.Value, "|") {
		if m.Name == "le" {
			value = strings.TrimSuffix(value, ".0") // as Prometheus writes an edge that it scrapes
		}
		any := value == "" || value == ".*" || value == ".+"
		if known != nil && !any && !slices.Contains(known, value) {
			t.Errorf("%s: %s of %s is never %q, but one of %q", where, m.Name, series, value, known)
		}
	}
}

func TestEveryMetricAndLabelOfADashboardExists(t *testing.T) {
	t.Parallel()
	v := readVocabulary(t)
	queries := dashboardQueries(t)
	for _, q := range queries {
		v.check(t, q.where, q.promql)
	}
	confirmed(t, "%d queries of dashboards name only metrics, labels and values of docs/metrics.md", len(queries))
}

// What is read from the store that replicas share one of them reports, or none while it
// is away: a panel that keeps of other metrics what comes from there would show that one.
func TestNoPanelLeavesOutTheReplicasThatDoNotLead(t *testing.T) {
	t.Parallel()
	ofTheLeader := []string{"wxa_exporter_ledger_", "wxa_exporter_store_", "wxa_exporter_calls_open"}
	joined := 0
	for _, q := range dashboardQueries(t) {
		parser.Inspect(parsePromQL(t, q.promql), func(node parser.Node, _ []parser.Node) error {
			b, is := node.(*parser.BinaryExpr)
			if !is || b.Op != parser.LAND || !slices.Contains(b.VectorMatching.MatchingLabels, "instance") {
				return nil
			}
			joined++
			for _, r := range readsOf(b.RHS) {
				if slices.ContainsFunc(ofTheLeader, func(prefix string) bool { return strings.HasPrefix(r.metric, prefix) }) {
					t.Errorf("%s: keeps what comes from where %s comes from, which is one replica", q.where, r.metric)
				}
			}
			return nil
		})
	}
	if joined == 0 {
		t.Error("no query keeps what comes from cdr2otel")
	}
	confirmed(t, "%d queries keep what comes from cdr2otel, whichever replica it is", joined)
}

// Nothing is measured only to be looked at nowhere.
func TestEveryMetricIsOnADashboard(t *testing.T) {
	t.Parallel()
	shown := map[string]bool{}
	for _, q := range dashboardQueries(t) {
		for _, u := range readsOf(parsePromQL(t, q.promql)) {
			shown[u.metric] = true
		}
	}
	documented := documentedSeries(t)
	for name := range documented {
		histogram := name
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if base, found := strings.CutSuffix(name, suffix); found && documented[base+"_bucket"] != nil {
				histogram = base
			}
		}
		if !shown[histogram] && !shown[histogram+"_bucket"] && !shown[histogram+"_sum"] {
			t.Errorf("no dashboard shows %s", histogram)
		}
	}
}

func TestPromQLOfTheQueriesDocumentNamesMetricsWeHave(t *testing.T) {
	t.Parallel()
	v := readVocabulary(t)
	for _, b := range queryBlocks(t, "promql") {
		for _, query := range b.lines() {
			v.check(t, b.question, query)
		}
	}
}

func TestMetricsOfASpanAreMetricsWeHave(t *testing.T) {
	t.Parallel()
	p := dataSources(t)
	v := readVocabulary(t)
	attributes := attributeTypes(t)["span"]
	var tempo tempoSettings
	var jaeger jaegerSettings
	p.settings(t, "tempo", &tempo)
	p.settings(t, "jaeger", &jaeger)
	for _, s := range []traceSettings{tempo.traceSettings, jaeger.traceSettings} {
		var matchers []string
		for _, tag := range s.TracesToMetrics.Tags {
			if attributes[tag.Key] == "" {
				t.Errorf("no span has the attribute %s", tag.Key)
			}
			matchers = append(matchers, tag.Value+`="x"`)
		}
		for _, q := range s.TracesToMetrics.Queries {
			v.check(t, q.Name, strings.ReplaceAll(q.Query, "$$__tags", strings.Join(matchers, ",")))
		}
	}
}
