package admin

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// constants are the values of the string constants of a file whose names begin alike.
func constants(t *testing.T, file, prefix string) (values []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if ok && strings.HasPrefix(spec.Names[0].Name, prefix) {
			literal, isLiteral := spec.Values[0].(*ast.BasicLit)
			if !isLiteral {
				t.Fatalf("%s is no literal", spec.Names[0].Name)
			}
			value, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, value)
		}
		return true
	})
	return values
}

// What the stages name, the pages explain: they don't import each other.
func TestThePagesHaveWordsForEveryReason(t *testing.T) {
	t.Parallel()
	refused, holding := constants(t, "../receiver/status.go", "Reason"), constants(t, "../delivery/outcome.go", "Held")
	if len(refused) < 20 || len(holding) < 5 {
		t.Fatalf("found %d reasons of refusals, %d of holding", len(refused), len(holding))
	}
	for _, reason := range refused {
		if e := refusals[reason]; e.Text == "" || e.Advice == "" {
			t.Errorf("refused for %s: the pages have no words", reason)
		}
	}
	for _, reason := range holding {
		if e := held[reason]; e.Text == "" || e.Advice == "" {
			t.Errorf("held for %s: the pages have no words", reason)
		}
	}
	dead := constants(t, "../delivery/outcome.go", "Dead")
	if len(dead) < 4 {
		t.Fatalf("found %d reasons of dead letters", len(dead))
	}
	for _, reason := range dead {
		if e := deadLetters[reason]; e.Text == "" || e.Advice == "" || !e.Together {
			t.Errorf("dead for %s: the pages have no words, or can't retry all of them", reason)
		}
	}
	for _, name := range append(constants(t, "../receiver/status.go", "Outcome"), OutcomeAnswered, OutcomeMisdirected) {
		if !slices.ContainsFunc(outcomes, func(o outcome) bool { return o.Name == name }) {
			t.Errorf("outcome %s: the overview has no series", name)
		}
	}
}

func TestTheWordsClaimNoMoreThanIsKnown(t *testing.T) {
	t.Parallel()
	if got := outcomeOf("refused").Words; got != "authentic, could not be stored: lost" {
		t.Errorf("what a database that is away did not take is %q", got)
	}
	if got := dead(Delivery{Reason: "unmappable"}).Advice; strings.Contains(got, "refused") {
		t.Errorf("a dead letter, which was answered 200, is said to be: %q", got)
	}
	if one, two := plural("1", "key"), plural("2", "key"); one != "1 key" || two != "2 keys" {
		t.Errorf("keys are counted as %q and %q", one, two)
	}
	if got := refusedFor("unknown_source").Text; got != "no such path or source" {
		t.Errorf("a path that is no webhook's is refused for %q", got)
	}
}
