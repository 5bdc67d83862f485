package backends

import (
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

// variableUse is a variable in a query or an address: $name, ${name}, ${name:format}.
var variableUse = regexp.MustCompile(`\$\{?([A-Za-z_]+)(?::[a-z]+)?\}?`)

// promQL is a query as Grafana sends it with every filter at "All".
func promQL(t testing.TB, d dashboardFile, query, rateInterval, shown string) string {
	t.Helper()
	values := map[string]string{"__rate_interval": rateInterval, "__range": shown}
	for _, v := range d.Templating.List {
		switch v.Type {
		case "query":
			values[v.Name] = v.AllValue
		case "custom":
			values[v.Name], _, _ = strings.Cut(strings.Trim(string(v.Query), `"`), ",")
		}
	}
	return variableUse.ReplaceAllStringFunc(query, func(use string) string {
		name := variableUse.FindStringSubmatch(use)[1]
		value, known := values[name]
		if !known {
			t.Errorf("%s has no value for $%s", d.UID, name)
		}
		return value
	})
}

// dashboardQuery is one query of a dashboard and where it is.
type dashboardQuery struct{ where, promql string }

// dashboardQueries are those of panels, annotations and variables.
func dashboardQueries(t testing.TB) (all []dashboardQuery) {
	t.Helper()
	for _, d := range dashboardFiles(t) {
		add := func(where, query string) {
			all = append(all, dashboardQuery{d.UID + ": " + where, promQL(t, d, query, "1m", "1h")})
		}
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				add(p.Title, q.Expr)
			}
		}
		for _, a := range d.Annotations.List {
			if a.BuiltIn == 0 {
				add(a.Name, a.Expr)
			}
		}
		for _, v := range d.Templating.List {
			if v.Type == "query" {
				selector, _ := variableQuery(t, v.Definition)
				add("variable "+v.Name, selector)
			}
		}
	}
	return all
}

// variableQuery takes label_values(selector, label) and query_result(query) apart.
func variableQuery(t testing.TB, definition string) (selector, label string) {
	t.Helper()
	inner, found := strings.CutPrefix(definition, "query_result(")
	if found {
		return strings.TrimSuffix(inner, ")"), ""
	}
	inner, found = strings.CutPrefix(definition, "label_values(")
	comma := strings.LastIndex(inner, ", ")
	if !found || comma < 0 {
		t.Fatalf("variable %q is neither label_values(selector, label) nor query_result(query)", definition)
	}
	return inner[:comma], strings.TrimSuffix(inner[comma+2:], ")")
}

// parsePromQL parses as Prometheus does.
func parsePromQL(t testing.TB, query string) parser.Expr {
	t.Helper()
	e, err := parser.NewParser(parser.Options{}).ParseExpr(query)
	if err != nil {
		t.Fatalf("%s\n%v", query, err)
	}
	return e
}

func TestEveryDashboardQueryIsPromQL(t *testing.T) {
	t.Parallel()
	queries := dashboardQueries(t)
	for _, q := range queries {
		parsePromQL(t, q.promql)
	}
	confirmed(t, "%d queries of dashboards are PromQL", len(queries))
}
