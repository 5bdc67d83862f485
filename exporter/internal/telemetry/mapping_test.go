package telemetry

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"

	"cdr2otel/mapping"
)

const mappingDir = "../../../mapping"

// What the mapping says of its scenarios is recorded as it says it: nothing is
// dropped, and nothing known becomes _OTHER.
func TestTheTableKnowsEverythingThatTheMappingMeasures(t *testing.T) {
	t.Parallel()
	recorded := map[string]bool{}
	for _, m := range scenarios(t) {
		for _, v := range m.Values {
			recorded[v.Metric] = true
			recognised(t, v)
		}
	}
	for _, i := range instruments() {
		if i.call && !recorded[i.name] {
			t.Errorf("no scenario measures %s", i.name)
		}
	}
}

// recognised says what of a measurement would not be recorded as it is.
func recognised(t *testing.T, v mapping.Measurement) {
	t.Helper()
	table := instruments()
	at := slices.IndexFunc(table, func(i instrument) bool { return i.call && i.name == v.Metric })
	if at < 0 {
		t.Errorf("%s is not in the table", v.Metric)
		return
	}
	l, of := newLabels(), owner{source: "default"}
	for _, part := range []struct {
		known      []attr
		attributes []attribute.KeyValue
	}{{baseAttributes(), v.Base}, {table[at].attributes, v.Attributes}} {
		for _, a := range part.attributes {
			if strings.HasPrefix(string(a.Key), "wxa.custom.") {
				continue
			}
			n := slices.IndexFunc(part.known, func(k attr) bool { return k.key == a.Key })
			if n < 0 {
				t.Errorf("%s: the attribute %s is not in the table", v.Metric, a.Key)
				continue
			}
			if got := part.known[n].bounded(l, of, a.Value); got != a.Value {
				t.Errorf("%s: %s %q becomes %q", v.Metric, a.Key, a.Value.String(), got.String())
			}
		}
	}
}

// scenarios are the measurements of the mapping's test data: of each call and of each
// message alone.
func scenarios(t *testing.T) []mapping.Measurements {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(mappingDir, "testdata", "*", "want.otlp.json"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	var all []mapping.Measurements
	for _, golden := range dirs {
		m, err := mapping.New(mapping.Config{Source: "default"})
		if err != nil {
			t.Fatal(err)
		}
		var messages []mapping.MessageInput
		for _, path := range files(t, filepath.Dir(golden), "message-*.json") {
			message, err := mapping.DecodeMessage(payload(t, path))
			if err != nil {
				t.Fatal(err)
			}
			in := mapping.MessageInput{Message: message, ReceivedAt: noon}
			messages = append(messages, in)
			all = append(all, m.Message(in, nil))
		}
		for _, path := range files(t, filepath.Dir(golden), "cdr.json") {
			cdr, err := mapping.DecodeCDR(payload(t, path))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, m.Call(mapping.CallInput{CDR: cdr, ReceivedAt: noon, Messages: messages}).Measured)
		}
	}
	return all
}

func files(t *testing.T, dir, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func payload(t *testing.T, path string) []byte {
	t.Helper()
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var envelope struct{ Payload json.RawMessage }
	if err := json.Unmarshal(body, &envelope); err != nil {
		t.Fatal(err)
	}
	return envelope.Payload
}

func TestClosedSetsAreThoseOfTheMapping(t *testing.T) {
	t.Parallel()
	for function, want := range map[string][]string{
		"requestTypeKnown":  requestTypes,
		"responseTypeKnown": responseTypes,
		"endReasonKnown":    endReasons,
	} {
		got := knownIn(t, function)
		slices.Sort(got)
		if diff := cmp.Diff(got, slices.Sorted(slices.Values(want))); diff != "" {
			t.Errorf("%s of the mapping (-), closed set (+):\n%s", function, diff)
		}
	}
}

// knownIn are the texts that a function of the mapping lists in its cases.
func knownIn(t *testing.T, function string) (known []string) {
	t.Helper()
	constants := map[string]string{}
	var body *ast.BlockStmt
	for _, path := range files(t, mappingDir, "*.go") {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Name.Name == function {
					body = n.Body
				}
			case *ast.ValueSpec:
				for i, value := range n.Values {
					if literal, ok := value.(*ast.BasicLit); ok && literal.Kind == token.STRING {
						constants[n.Names[i].Name] = unquoted(t, literal)
					}
				}
			}
			return true
		})
	}
	if body == nil {
		t.Fatalf("the mapping has no %s", function)
	}
	ast.Inspect(body, func(n ast.Node) bool {
		clause, ok := n.(*ast.CaseClause)
		if !ok {
			return true
		}
		for _, e := range clause.List {
			text := ""
			switch e := e.(type) {
			case *ast.BasicLit:
				text = unquoted(t, e)
			case *ast.Ident:
				text = constants[e.Name]
			}
			if text != "" {
				known = append(known, text)
			}
		}
		return true
	})
	return known
}

func unquoted(t *testing.T, literal *ast.BasicLit) string {
	t.Helper()
	text, err := strconv.Unquote(literal.Value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
