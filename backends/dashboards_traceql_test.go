package backends

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Tempo can't be built here, so its language is parsed by a reader of the part that we
// use, after Tempo's documentation ("Construct a TraceQL query"). It also knows
// the types of our attributes: a double compared with an integer finds nothing.

// traceQL is a query that is read.
type traceQL struct {
	tokens []string
	// types of attributes: scope, then name.
	types map[string]map[string]string
}

var (
	traceQLToken = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|(?:span|resource|event|link)\.[A-Za-z0-9_.]*[A-Za-z0-9_]` +
		`|(?:span|trace|event|link):[A-Za-z]+|[0-9]+(?:\.[0-9]+)?(?:ns|us|ms|s|m|h)?|[A-Za-z]+|&&|\|\||>>|<<|>=|<=|!=|=~|!~|[{}()|,<>=~]|\S`)
	traceQLFloat    = regexp.MustCompile(`^[0-9]+\.[0-9]+$`)
	traceQLInteger  = regexp.MustCompile(`^[0-9]+$`)
	traceQLDuration = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h)$`)
)

// intrinsics and the kind of value they are compared with.
var intrinsics = map[string]string{
	"name": "string", "status": "status", "kind": "kind", "duration": "duration", "event:name": "string",
	"trace:duration": "duration", "trace:id": "string", "trace:rootName": "string", "span:id": "string", "span:name": "string",
}

// checkTraceQL says what is wrong with a query.
func checkTraceQL(query string, types map[string]map[string]string) error {
	q := &traceQL{tokens: traceQLToken.FindAllString(query, -1), types: types}
	if err := q.pipeline(); err != nil {
		return err
	}
	if len(q.tokens) > 0 {
		return fmt.Errorf("%q is too much", strings.Join(q.tokens, " "))
	}
	return nil
}

func (q *traceQL) next() string {
	if len(q.tokens) == 0 {
		return ""
	}
	token := q.tokens[0]
	q.tokens = q.tokens[1:]
	return token
}

func (q *traceQL) at(tokens ...string) bool {
	return len(q.tokens) > 0 && slices.Contains(tokens, q.tokens[0])
}

func (q *traceQL) want(token string) error {
	if got := q.next(); got != token {
		return fmt.Errorf("%q where %q belongs", got, token)
	}
	return nil
}

// pipeline: spansets combined by operators, then stages.
func (q *traceQL) pipeline() error {
	if err := q.spanset(); err != nil {
		return err
	}
	for q.at("&&", "||", ">>", "<<", ">", "<", "~") {
		q.next()
		if err := q.spanset(); err != nil {
			return err
		}
	}
	for q.at("|") {
		q.next()
		if err := q.stage(); err != nil {
			return err
		}
	}
	return nil
}

func (q *traceQL) spanset() error {
	if err := q.want("{"); err != nil {
		return err
	}
	if !q.at("}") {
		if err := q.condition(); err != nil {
			return err
		}
	}
	return q.want("}")
}

func (q *traceQL) condition() error {
	for {
		if err := q.comparison(); err != nil {
			return err
		}
		if !q.at("&&", "||") {
			return nil
		}
		q.next()
	}
}

func (q *traceQL) comparison() error {
	if q.at("(") {
		q.next()
		if err := q.condition(); err != nil {
			return err
		}
		return q.want(")")
	}
	field := q.next()
	kind, err := q.field(field)
	if err != nil {
		return err
	}
	operator, value := q.next(), q.next()
	if value == "nil" && (operator == "=" || operator == "!=") {
		return nil
	}
	fits := false
	switch kind {
	case "string", "array":
		fits = strings.HasPrefix(value, `"`) && slices.Contains([]string{"=", "!=", "=~", "!~"}, operator)
		if strings.HasSuffix(operator, "~") {
			if _, err := regexp.Compile(strings.Trim(value, `"`)); err != nil {
				return err
			}
		}
	case "double":
		fits = traceQLFloat.MatchString(value) && isOrder(operator)
	case "int":
		fits = traceQLInteger.MatchString(value) && isOrder(operator)
	case "duration":
		fits = traceQLDuration.MatchString(value) && isOrder(operator)
	case "bool":
		fits = (value == "true" || value == "false") && (operator == "=" || operator == "!=")
	case "status":
		fits = slices.Contains([]string{"error", "ok", "unset"}, value)
	case "kind":
		fits = slices.Contains([]string{"server", "client", "internal", "producer", "consumer"}, value)
	}
	if !fits {
		return fmt.Errorf("%s is a %s and is compared by %s %s", field, kind, operator, value)
	}
	return nil
}

func isOrder(operator string) bool {
	return slices.Contains([]string{"=", "!=", "<", "<=", ">", ">="}, operator)
}

// field is the type of an attribute or intrinsic.
func (q *traceQL) field(name string) (string, error) {
	if kind, is := intrinsics[name]; is {
		return kind, nil
	}
	scope, key, found := strings.Cut(name, ".")
	kind, known := q.types[scope][key]
	if !found || !known {
		return "", fmt.Errorf("%q is nothing that spans have", name)
	}
	return kind, nil
}

func (q *traceQL) stage() error {
	name := q.next()
	if err := q.want("("); err != nil {
		return err
	}
	switch name {
	case "select", "by":
		for {
			if _, err := q.field(q.next()); err != nil {
				return err
			}
			if !q.at(",") {
				return q.want(")")
			}
			q.next()
		}
	case "count", "avg", "max", "min", "sum":
		if name != "count" {
			if _, err := q.field(q.next()); err != nil {
				return err
			}
		}
		if err := q.want(")"); err != nil {
			return err
		}
		if operator := q.next(); !isOrder(operator) {
			return fmt.Errorf("%q where a comparison belongs", operator)
		}
		if value := q.next(); !traceQLInteger.MatchString(value) {
			return fmt.Errorf("%q where a number belongs", value)
		}
		return nil
	default:
		return fmt.Errorf("%q is no stage", name)
	}
}

func TestTheReaderOfTraceQLRefusesWhatTempoRefuses(t *testing.T) {
	t.Parallel()
	types := map[string]map[string]string{"span": {"a": "double", "b": "string", "c": "bool", "d.e": "int"}, "event": {"b": "string"}}
	for _, query := range []string{
		`{ }`, `{ span.a > 1.5 }`, `{ span.b = "x" && (span.d.e >= 2 || span.c = true) } >> { name =~ "y.*" }`,
		`{ event.b != nil } | select(span.a, event.b)`, `{ status = error } | count() > 1`, `{ trace:duration > 5m }`,
	} {
		if err := checkTraceQL(query, types); err != nil {
			t.Errorf("%s: %v", query, err)
		}
	}
	for _, query := range []string{
		``, `{ span.a > 1 }`, `{ span.a > 1s }`, `{ span.b > "x" }`, `{ span.b = x }`, `{ span.c = "true" }`, `{ span.z = "x" }`, `{ event.a > 1.0 }`,
		`{ b = "x" }`, `{ span.b == "x" }`, `{ span.b = "x" `, `{ span.b = "x" } | count()`, `{ span.b = "x" } | select()`, `{ span.b = "x" } + { }`,
		`{ span.b =~ "[" }`, `{ span.b = "x" } }`, `{ duration > 2 }`, `{ span.d.e > 1.0 }`,
	} {
		if checkTraceQL(query, types) == nil {
			t.Errorf("%s is no TraceQL and passes", query)
		}
	}
}
