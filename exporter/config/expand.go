package config

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/envprovider"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"
	"go.opentelemetry.io/collector/confmap/provider/yamlprovider"
)

// minConcealed is the length, in bytes, from which an expanded value is kept out
// of error texts. A shorter one is no secret, and common in other words.
const minConcealed = 4

// expansions remembers what ${env:NAME} and ${file:PATH} stood for. Any of it may
// be a secret, also under a key that is not meant for one, so error texts name the
// expression instead of its value (I5). It belongs to one Load.
type expansions struct {
	main   string // URI of the configuration file itself, which is no expansion
	values []string
	names  []string // "${env:NAME}" for the value of the same index
}

func (x *expansions) providers() []confmap.ProviderFactory {
	return []confmap.ProviderFactory{
		x.remembering(fileprovider.NewFactory()),
		x.remembering(envprovider.NewFactory()),
		yamlprovider.NewFactory(),
	}
}

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
	if name, ok := strings.CutPrefix(uri, "env:"); ok {
		if err := checkVariable(name); err != nil {
			return nil, err
		}
	}
	retrieved, err := p.Provider.Retrieve(ctx, uri, watch)
	if err == nil && uri != p.expansions.main {
		p.expansions.remember("${"+uri+"}", retrieved)
	}
	return retrieved, err
}

var variableName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// checkVariable refuses what would silently become the empty string, half a secret
// or an endpoint on every interface. Text that is no name is not repeated: it may
// be part of a secret with an unescaped $.
func checkVariable(expression string) error {
	name, _, hasDefault := strings.Cut(expression, ":-")
	if !variableName.MatchString(name) {
		return fmt.Errorf("an expansion ${…} holds no name of an environment variable; %s", escapeHint)
	}
	if _, set := os.LookupEnv(name); !set && !hasDefault {
		return fmt.Errorf("environment variable %s is not set; set it, or give a default: ${env:%s:-default}", name, name)
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

var (
	notYAML    = regexp.MustCompile(`yaml: .*`)
	quotedURI  = regexp.MustCompile(`(?:scheme "[^"]*" is not supported for|invalid|the) uri:? "(?:[^"\\]|\\.)*"(?: contains unsupported characters \('\$'\))?`)
	yamlLine   = regexp.MustCompile(`line [0-9]+`)
	yamlAnchor = regexp.MustCompile(`unknown anchor`)
)

// unreadable is what is wrong with a file that can't be taken for a configuration.
// The parsers quote the text they stumble over, which may be a secret, so of their
// words only the known ones are passed on.
func unreadable(err error) string {
	text := oneLine(err.Error())
	if syntax := notYAML.FindString(text); syntax != "" {
		return "config file: not YAML: " + yamlWords(syntax)
	}
	if quotedURI.MatchString(text) {
		return "config file: " + quotedURI.ReplaceAllString(text, "an expansion ${…} is neither ${env:NAME} nor ${file:PATH}") + "; " + escapeHint
	}
	return "config file: " + text
}

// yamlPhrases are what the YAML parser says without quoting.
var yamlPhrases = []string{
	"mapping values are not allowed in this context",
	"could not find expected ':'",
	"did not find expected key",
	"did not find expected '-' indicator",
	"did not find expected ',' or ']'",
	"did not find expected ',' or '}'",
	"did not find expected node content",
	"found unexpected end of stream",
	"found character that cannot start any token",
	"found a tab character that violates indentation",
	"found unknown escape character",
	"control characters are not allowed",
	"invalid leading UTF-8 octet",
	"already defined",
	"invalid map key",
}

func yamlWords(syntax string) string {
	words := "quote values that hold special characters"
	for _, phrase := range yamlPhrases {
		if strings.Contains(syntax, phrase) {
			words = strings.Replace(phrase, "already defined", "a key is there twice", 1)
			break
		}
	}
	if yamlAnchor.MatchString(syntax) {
		words = "quote the value that begins with *"
	}
	if line := yamlLine.FindString(syntax); line != "" {
		return line + ": " + words
	}
	return words
}

// withoutQuotes is an error of somebody else's YAML decoder in one line, without the
// values it quotes.
func withoutQuotes(err error) string {
	return quotedYAML.ReplaceAllString(oneLine(err.Error()), "a value$1")
}

var quotedYAML = regexp.MustCompile("(?:!![a-z]+ `.*?`|unknown anchor '.*?')( into| as| referenced|$)")
