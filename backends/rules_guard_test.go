package backends

import (
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

// unwrapped is an expression without the parentheses around it.
func unwrapped(e parser.Expr) parser.Expr {
	for {
		p, is := e.(*parser.ParenExpr)
		if !is {
			return e
		}
		e = p.Expr
	}
}

func TestEveryAlertAboutCallsIsSilentWhileABacklogDrains(t *testing.T) {
	t.Parallel()
	_, alerts := rules(t)
	n := 0
	for _, r := range alerts {
		if !r.ofCalls() {
			continue
		}
		n++
		// "unless": a draining that nobody recorded silences nothing.
		last, is := r.expr.(*parser.BinaryExpr)
		if !is || last.Op != parser.LUNLESS || last.RHS.String() != "wxa:exporter_draining == 1" ||
			!last.VectorMatching.On || !slices.Equal(last.VectorMatching.MatchingLabels, []string{"wxa_source"}) {
			t.Errorf("%s does not end in: unless on (wxa_source) wxa:exporter_draining == 1", r.Alert)
		}
		if r.For < atLeast {
			t.Errorf("%s fires after %v: what silences it may not be computed yet", r.Alert, r.For)
		}
	}
	confirmed(t, "%d alerts about calls are silent while an old backlog drains", n)
}

// A share of few calls says nothing: each ratio of an alert stands beside a number.
func TestEveryRatioOfAnAlertNeedsANumberOfCalls(t *testing.T) {
	t.Parallel()
	_, alerts := rules(t)
	guarded := 0
	for _, r := range alerts {
		if !r.ofCalls() && r.Alert != "WxaWebhooksUnauthorized" {
			continue
		}
		for _, way := range alternatives(r.expr) {
			ratio := slices.ContainsFunc(way, func(e parser.Expr) bool {
				text := e.String()
				return strings.Contains(text, ":ratio") || strings.Contains(text, ":mean") || strings.Contains(text, " / ") || strings.Contains(text, " * ")
			})
			number := slices.ContainsFunc(way, func(e parser.Expr) bool {
				cmp, is := e.(*parser.BinaryExpr)
				if !is || cmp.Op != parser.GTE {
					return false
				}
				limit, isNumber := unwrapped(cmp.RHS).(*parser.NumberLiteral)
				return isNumber && limit.Val >= 5
			})
			if ratio && !number {
				t.Errorf("%s: %v\ncompares a ratio without asking for a number (>= 5 or more)", r.Alert, way)
			}
			if ratio && number {
				guarded++
			}
		}
	}
	if guarded == 0 {
		t.Fatal("no alert compares a ratio")
	}
	confirmed(t, "%d ratios of alerts need a number of calls", guarded)
}

// alternatives are the ways in which an expression can be true: between "or" and "or",
// what "and" joins. What "unless" takes away is not among them.
func alternatives(e parser.Expr) [][]parser.Expr {
	e = unwrapped(e)
	b, is := e.(*parser.BinaryExpr)
	if !is {
		return [][]parser.Expr{{e}}
	}
	switch b.Op {
	case parser.LOR:
		return append(alternatives(b.LHS), alternatives(b.RHS)...)
	case parser.LUNLESS:
		return alternatives(b.LHS)
	case parser.LAND:
		var all [][]parser.Expr
		for _, left := range alternatives(b.LHS) {
			for _, right := range alternatives(b.RHS) {
				all = append(all, append(slices.Clone(left), right...))
			}
		}
		return all
	}
	return [][]parser.Expr{{e}}
}

// Two vectors are joined by labels that are named. By all labels they meet by chance.
func TestRulesNameTheLabelsThatJoin(t *testing.T) {
	t.Parallel()
	_, alerts := rules(t)
	for _, r := range alerts {
		parser.Inspect(r.expr, func(node parser.Node, _ []parser.Node) error {
			b, is := node.(*parser.BinaryExpr)
			if is && (b.Op == parser.LAND || b.Op == parser.LUNLESS) && !b.VectorMatching.On {
				t.Errorf("%s: %s without on (…)", r.Alert, b.Op)
			}
			return nil
		})
	}
}

// A gauge or the ledger is the store's: of replicas that share it one reports, and for
// some minutes the one before it may still be there, so a sum would be too much. What a
// process counted by itself is added.
func TestRulesAddCountersAndNotGauges(t *testing.T) {
	t.Parallel()
	shared := []string{
		"wxa_exporter_ledger_", "wxa_exporter_store_", "wxa_exporter_calls_open", "wxa_exporter_certificate_", "wxa_exporter_gate",
		"wxa_exporter_ready",
	}
	recorded, alerts := rules(t)
	seen := 0
	for _, r := range append(slices.Clone(recorded), alerts...) {
		parser.Inspect(r.expr, func(node parser.Node, path []parser.Node) error {
			s, is := node.(*parser.VectorSelector)
			if !is || !slices.ContainsFunc(shared, func(p string) bool { return strings.HasPrefix(s.Name, p) }) {
				return nil
			}
			seen++
			for _, outer := range path {
				if a, is := outer.(*parser.AggregateExpr); is && a.Op != parser.MAX && a.Op != parser.MIN {
					t.Errorf("%s%s: %s of %s", r.Record, r.Alert, a.Op, s.Name)
				}
			}
			return nil
		})
	}
	if seen == 0 {
		t.Fatal("no rule reads a gauge of the store")
	}
}

func TestEveryAlertSaysWhatAPersonNeeds(t *testing.T) {
	t.Parallel()
	_, alerts := rules(t)
	boards := dashboardPanels(t)
	for _, r := range alerts {
		if s := r.Labels["severity"]; !slices.Contains([]string{"page", "ticket", "info"}, s) || len(r.Labels) != 1 {
			t.Errorf("%s: labels %v, want a severity of page, ticket or info", r.Alert, r.Labels)
		}
		for _, key := range []string{"summary", "description"} {
			if r.Annotations[key] == "" {
				t.Errorf("%s has no %s", r.Alert, key)
			}
		}
		if boards[r.Annotations["dashboard"]] == nil {
			t.Errorf("%s: %q is no dashboard of collector-config/grafana", r.Alert, r.Annotations["dashboard"])
		}
	}
}
