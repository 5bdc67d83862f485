package config

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// parse reads YAML. The result is nil when that can't be read as keys and values
// at all.
func parse(content []byte) (map[string]any, Problems) {
	var doc, second any
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	err := decoder.Decode(&doc)
	var ps Problems
	switch {
	case errors.Is(err, io.EOF): // nothing but comments
		return map[string]any{}, nil
	case err != nil:
		ps.addYAML(err)
		return nil, ps
	case !errors.Is(decoder.Decode(&second), io.EOF):
		ps.add("", "has a second YAML document after ---; keep one")
		return nil, ps
	}
	doc = withTextKeys(&ps, wholeShape(), "", doc)
	switch doc := doc.(type) {
	case map[string]any:
		return doc, ps
	case nil:
		return map[string]any{}, ps
	}
	ps.add("", "want keys with values, like webhook:, got %s", described(doc))
	return nil, ps
}

// withTextKeys leaves out what has a key that is no text, as in {8080: x}.
func withTextKeys(ps *Problems, at *shape, key string, value any) any {
	switch v := value.(type) {
	case map[any]any:
		texts := map[string]any{}
		for name, each := range v {
			if text, ok := name.(string); ok {
				texts[text] = each
			}
		}
		ps.add(key, "has a key that is no text; put it in quotes, like \"8080\":")
		return withTextKeys(ps, at, key, texts)
	case map[string]any:
		for name, each := range v {
			v[name] = withTextKeys(ps, at.below(name), at.step(key, name), each)
		}
	case []any:
		for i, each := range v {
			index := strconv.Itoa(i)
			v[i] = withTextKeys(ps, at.below(index), at.step(key, index), each)
		}
	}
	return value
}

// lookup returns what doc has at a path, as the file says it, or the nearest
// above it that is no map and no list.
func lookup(doc any, path []string) any {
	for _, step := range path {
		switch v := doc.(type) {
		case map[string]any:
			doc = v[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(v) {
				return nil
			}
			doc = v[i]
		default:
			return doc
		}
	}
	return doc
}

var yamlLine = regexp.MustCompile(`line [0-9]+`)

// addYAML adds what is wrong with a file that is no YAML. The parser quotes the
// text it stumbles over, which may be a secret, so of its words only the known
// ones are passed on.
func (ps *Problems) addYAML(err error) {
	texts := []string{err.Error()}
	var each *yaml.TypeError
	if errors.As(err, &each) {
		texts = each.Errors
	}
	for _, text := range texts {
		ps.add("", "not YAML: %s", yamlWords(oneLine(text)))
	}
}

// yamlPhrases are what the YAML parser says without quoting, and what to do.
var yamlPhrases = []struct{ parser, ours string }{
	{"mapping values are not allowed in this context", "a colon where none is allowed; correct the indentation, or put the value in quotes"},
	{"could not find expected ':'", "a key without a colon; write key: value"},
	{"did not find expected key", "no key where one belongs; correct the indentation or close the quotes and brackets"},
	{"did not find expected '-' indicator", "a list is broken off; begin each element with - at the same indentation"},
	{"did not find expected ',' or ']'", "a list is not closed; add , or ]"},
	{"did not find expected ',' or '}'", "a map is not closed; add , or }"},
	{"did not find expected node content", "a value is missing; write one, or put it in quotes"},
	{"found unexpected end of stream", "the file ends within quotes; close them"},
	{"found character that cannot start any token", "a tab, or one of @ ` %, begins a value; indent with blanks, put such a value in quotes"},
	{"found a tab character that violates indentation", "a tab; indent with blanks"},
	{"found unknown escape character", "an unknown escape in double quotes; use single quotes, or \\\\ for a backslash"},
	{"control characters are not allowed", "a control character; save the file as plain UTF-8 text"},
	{"invalid leading UTF-8 octet", "not UTF-8; save the file as plain UTF-8 text"},
	{"already defined", "a key is there twice; remove one"},
	{"invalid map key", "a key is no text; put it in quotes"},
	{"unknown anchor", "a value begins with *; put it in quotes"},
}

func yamlWords(said string) string {
	words := "put values that hold special characters in quotes"
	for _, phrase := range yamlPhrases {
		if strings.Contains(said, phrase.parser) {
			words = phrase.ours
			break
		}
	}
	if line := yamlLine.FindString(said); line != "" {
		return line + ": " + words
	}
	return words
}
