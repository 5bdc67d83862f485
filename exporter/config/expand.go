package config

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/envprovider"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"
)

// minConcealed is the length, in bytes, from which an expanded value is kept out
// of error texts. A shorter one is no secret, and common in other words.
const minConcealed = 4

// expansions remembers what ${env:NAME} and ${file:PATH} stood for. Any of it may
// be a secret, also under a key that is not meant for one, so error texts name the
// expression instead of its value (I5). It belongs to one Load.
type expansions struct {
	values []string
	names  []string // "${env:NAME}" for the value of the same index
}

// expand replaces the expressions in doc by what they stand for.
func (x *expansions) expand(ctx context.Context, doc map[string]any) (*confmap.Conf, error) {
	resolver, err := confmap.NewResolver(confmap.ResolverSettings{
		URIs:              []string{docScheme + ":"},
		ProviderFactories: []confmap.ProviderFactory{docProvider(doc), x.remembering(fileprovider.NewFactory()), x.remembering(envprovider.NewFactory())},
		DefaultScheme:     "env",
	})
	if err != nil {
		return nil, err
	}
	conf, err := resolver.Resolve(ctx)
	return conf, errors.Join(err, resolver.Shutdown(ctx))
}

// leaveOut returns doc without the values that can't be expanded, which become
// problems.
func (x *expansions) leaveOut(ctx context.Context, ps *Problems, doc map[string]any) map[string]any {
	kept, _ := x.expandable(ctx, ps, wholeShape(), "", doc)
	return kept.(map[string]any)
}

func (x *expansions) expandable(ctx context.Context, ps *Problems, at *shape, key string, value any) (kept any, ok bool) {
	switch v := value.(type) {
	case string:
		if _, err := x.expand(ctx, map[string]any{"value": v}); err != nil {
			ps.add(key, "%s", inExpansion(err))
			return nil, false
		}
	case map[string]any:
		all := map[string]any{}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if each, ok := x.expandable(ctx, ps, at.below(name), at.step(key, name), v[name]); ok {
				all[name] = each
			}
		}
		return all, true
	case []any:
		all := make([]any, len(v)) // what is left out stays nil: the others keep their index
		for i := range v {
			index := strconv.Itoa(i)
			all[i], _ = x.expandable(ctx, ps, at.below(index), at.step(key, index), v[i])
		}
		return all, true
	}
	return value, true
}

// docScheme is that of the file itself, which is parsed already.
const docScheme = "doc"

func docProvider(doc map[string]any) confmap.ProviderFactory {
	return confmap.NewProviderFactory(func(confmap.ProviderSettings) confmap.Provider { return &onceProvider{doc: doc} })
}

// onceProvider gives the file to the resolver, once: ${doc:} is no expansion.
type onceProvider struct {
	doc  map[string]any
	gave bool
}

func (p *onceProvider) Retrieve(context.Context, string, confmap.WatcherFunc) (*confmap.Retrieved, error) {
	if p.gave {
		return nil, errNoExpansion
	}
	p.gave = true
	return confmap.NewRetrieved(p.doc)
}

func (p *onceProvider) Scheme() string                 { return docScheme }
func (p *onceProvider) Shutdown(context.Context) error { return nil }

func (x *expansions) remembering(f confmap.ProviderFactory) confmap.ProviderFactory {
	return confmap.NewProviderFactory(func(s confmap.ProviderSettings) confmap.Provider {
		return &rememberingProvider{Provider: f.Create(s), expansions: x}
	})
}

type rememberingProvider struct {
	confmap.Provider
	expansions *expansions
}

func (p *rememberingProvider) Retrieve(ctx context.Context, uri string, watch confmap.WatcherFunc) (*confmap.Retrieved, error) {
	expression := "${" + uri + "}"
	if name, ok := strings.CutPrefix(uri, "env:"); ok {
		if err := checkVariable(name); err != nil {
			return nil, err
		}
	}
	retrieved, err := p.Provider.Retrieve(ctx, uri, watch)
	if err != nil {
		return nil, &expansionError{expression + ": " + unreadable(err)}
	}
	p.expansions.remember(expression, retrieved)
	return retrieved, nil
}

// expansionError is what is wrong with an expansion, in words for the operator.
type expansionError struct{ text string }

func (e *expansionError) Error() string { return e.text }

var errNoExpansion = &expansionError{"an expansion ${…} is neither ${env:NAME} nor ${file:PATH}; " + escapeHint}

// inExpansion says what is wrong with an expansion. The resolver quotes the text it
// stumbles over, which may be a secret with an unescaped $, so its own words are
// not passed on.
func inExpansion(err error) string {
	var known *expansionError
	if !errors.As(err, &known) {
		known = errNoExpansion
	}
	return known.text
}

var variableName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// checkVariable refuses what would silently become the empty string, half a secret
// or an endpoint on every interface. Text that is no name is not repeated: it may
// be part of a secret with an unescaped $.
func checkVariable(expression string) error {
	name, _, hasDefault := strings.Cut(expression, ":-")
	if !variableName.MatchString(name) {
		return &expansionError{"an expansion ${…} holds no name of an environment variable; " + escapeHint}
	}
	if _, set := os.LookupEnv(name); !set && !hasDefault {
		return &expansionError{fmt.Sprintf("environment variable %s is not set; set it, or give a default: ${env:%s:-default}", name, name)}
	}
	return nil
}

const escapeHint = "write $ as $$ where it stands for itself"

// remember notes a value, and the parts of one that YAML takes for a mapping or a
// list, as a secret with a colon in it may be. A file of keys is configuration
// like the one that names it.
func (x *expansions) remember(name string, r *confmap.Retrieved) {
	if text, err := r.AsString(); err == nil {
		x.add(name, text)
	}
	raw, err := r.AsRaw()
	if err == nil && strings.HasPrefix(name, "${env:") {
		x.addParts(name, raw)
	}
}

func (x *expansions) addParts(name string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for key, element := range v {
			x.add(name, key)
			x.addParts(name, element)
		}
	case []any:
		for _, element := range v {
			x.addParts(name, element)
		}
	case string:
		x.add(name, v)
	}
}

// add notes a value as it is and as it may be spelled in an error.
func (x *expansions) add(name, value string) {
	quoted := strconv.Quote(value)
	for _, spelling := range []string{quoted[1 : len(quoted)-1], value, oneLine(value)} {
		if len(spelling) >= minConcealed {
			x.values, x.names = append(x.values, spelling), append(x.names, name)
		}
	}
}

// conceal puts the expression in place of its value wherever a problem repeats it.
func (x *expansions) conceal(ps Problems) Problems {
	for i := range ps {
		for n, value := range x.values {
			ps[i].Key = strings.ReplaceAll(ps[i].Key, value, x.names[n])
			ps[i].Text = strings.ReplaceAll(ps[i].Text, value, x.names[n])
		}
	}
	return ps
}

// withoutQuotes is an error of another YAML decoder in one line, without the
// values it quotes.
func withoutQuotes(err error) string {
	return quotedYAML.ReplaceAllString(oneLine(err.Error()), "a value$1")
}

var quotedYAML = regexp.MustCompile("(?:!![a-z]+ `.*?`|unknown anchor '.*?')( into| as| referenced|$)")
