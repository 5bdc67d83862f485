package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"

	"go.yaml.in/yaml/v3"
)

// addYAML adds what is wrong with a file that is no YAML. The parser quotes the
// text it stumbles over, which may be a secret, so of its words only the known
// ones are passed on.
func (ps *Problems) addYAML(content []byte, err error) {
	var each *yaml.TypeError
	if !errors.As(err, &each) {
		line, words := locateSyntaxError(content, err)
		ps.add("", "not YAML: %s", line+words)
		return
	}
	var root yaml.Node
	if yaml.Unmarshal(content, &root) == nil {
		ps.addDoubleKeys(wholeShape(), "", &root)
	}
	namesDoubleKeys := len(*ps) > 0
	for _, text := range each.Errors {
		if namesDoubleKeys && strings.Contains(text, doubleKey) {
			continue
		}
		line := ""
		if found := yamlLine.FindString(text); found != "" {
			line = found + ": "
		}
		ps.add("", "not YAML: %s", line+yamlWords(oneLine(text)))
	}
}

var yamlLine = regexp.MustCompile(`line [0-9]+`)

// Errors of the YAML parser, and words of ours, that need a closer look.
const (
	misplacedColon   = "mapping values are not allowed in this context"
	expectedKey      = "did not find expected key"
	insideQuotes     = "found unexpected end of stream"
	doubleKey        = "already defined"
	misplacedElement = "a list element where none is allowed; correct the indentation, or move the value above it into the list"
	noColon          = "a key without a colon; write key: value, with a blank after the colon"
)

// yamlPhrases are what the YAML parser says without quoting, and what to do.
var yamlPhrases = []struct{ parser, ours string }{
	{misplacedColon, "a colon where none is allowed; correct the indentation, or put the value in quotes"},
	{"could not find expected ':'", noColon},
	{expectedKey, "no key where one belongs; correct the indentation or close the quotes and brackets"},
	{"did not find expected '-' indicator", "a list is broken off; begin each element with - at the same indentation"},
	{"block sequence entries are not allowed in this context", misplacedElement},
	{"did not find expected ',' or ']'", "a list is not closed; add , or ]"},
	{"did not find expected ',' or '}'", "a map is not closed; add , or }"},
	{"did not find expected node content", "a value is missing; write one, or put it in quotes"},
	{insideQuotes, "the file ends within quotes; close them"},
	{"found character that cannot start any token", "a tab, or one of @ ` %, begins a value; indent with blanks, put such a value in quotes"},
	{"found a tab character that violates indentation", "a tab; indent with blanks"},
	{"found unknown escape character", "an unknown escape in double quotes; use single quotes, or \\\\ for a backslash"},
	{"control characters are not allowed", "a control character; save the file as plain UTF-8 text"},
	{"invalid leading UTF-8 octet", "not UTF-8; save the file as plain UTF-8 text"},
	{doubleKey, "a key is there twice; remove one"},
	{"invalid map key", "a key is no text; put it in quotes"},
	{"unknown anchor", "a value begins with *; put it in quotes"},
}

func yamlWords(said string) string {
	for _, phrase := range yamlPhrases {
		if strings.Contains(said, phrase.parser) {
			return phrase.ours
		}
	}
	return "put values that hold special characters in quotes"
}

// locateSyntaxError returns the line of a syntax error, as "line 5: ", and what is
// wrong there. The parser's own line is often where the enclosing block begins, so
// the line is the first with which the file, read up to there, fails in the same
// way.
func locateSyntaxError(content []byte, err error) (line, words string) {
	lines := strings.SplitAfter(strings.TrimPrefix(string(content), "\ufeff"), "\n")
	failure := func(n int) string {
		// A blank line first: the parser's errors take its first line for none.
		err := yaml.Unmarshal([]byte("\n"+strings.Join(lines[:n], "")), new(yaml.Node))
		if err == nil {
			return ""
		}
		return err.Error()
	}
	words = yamlWords(err.Error())
	said := failure(len(lines))
	if said == "" {
		if near := yamlLine.FindString(err.Error()); near != "" {
			return "near " + near + ": ", words
		}
		return "", words
	}
	n := sort.Search(len(lines), func(i int) bool { return failure(i) == said })
	if before := failure(n - 1); strings.Contains(before, insideQuotes) {
		// Quotes that are not closed swallow lines up to the next quotes.
		opened := sort.Search(n-1, func(i int) bool { return failure(i) == before })
		return fmt.Sprintf("lines %d to %d: ", opened, n), words
	}
	switch {
	case strings.Contains(said, expectedKey) && strings.HasPrefix(strings.TrimSpace(lines[n-1]), "- "):
		words = misplacedElement
	case strings.Contains(said, misplacedColon):
		if key := withoutColon(lines[:n]); key > 0 {
			return fmt.Sprintf("line %d: ", key), noColon
		}
	}
	return fmt.Sprintf("line %d: ", n), words
}

// withoutColon returns the number of the line above the last one if the parser read
// both as one text, because the one above is a key without a colon; else 0.
func withoutColon(lines []string) int {
	last := len(lines) - 1
	if yaml.Unmarshal([]byte(strings.TrimSpace(lines[last])), new(yaml.Node)) != nil {
		return 0 // it is wrong by itself, like a: b: c
	}
	for i, text := range slices.Backward(lines[:last]) {
		text = strings.TrimSpace(text)
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		if strings.HasSuffix(text, ":") || strings.Contains(text, ": ") || strings.HasPrefix(text, "- ") {
			return 0
		}
		return i + 1
	}
	return 0
}

// addDoubleKeys adds the keys that a map has twice. A key that is unknown in a place
// where it may be a secret is not named, nor is one in a place that is unknown.
func (ps *Problems) addDoubleKeys(at *shape, key string, node *yaml.Node) {
	switch node.Kind {
	case yaml.DocumentNode:
		for _, child := range node.Content {
			ps.addDoubleKeys(at, key, child)
		}
	case yaml.SequenceNode:
		for i, child := range node.Content {
			index := fmt.Sprint(i)
			ps.addDoubleKeys(at.below(index), at.step(key, index), child)
		}
	case yaml.MappingNode:
		type keyOfMap struct { // as the parser compares them
			kind  yaml.Kind
			value string
		}
		first := map[keyOfMap]int{}
		for i := 0; i+1 < len(node.Content); i += 2 {
			name, child := node.Content[i], node.Content[i+1]
			below := at.below(name.Value)
			isNamed := name.Kind == yaml.ScalarNode && (below != nil || at != nil && !at.mayHoldSecret())
			inside := key
			if isNamed {
				inside = at.step(key, name.Value)
			}
			own := keyOfMap{name.Kind, name.Value}
			if line, twice := first[own]; twice {
				what, where := "is there", fmt.Sprintf("lines %d and %d", line, name.Line)
				if !isNamed {
					what = "has a key"
				}
				if line == name.Line {
					where = fmt.Sprintf("line %d", line)
				}
				ps.add(inside, "%s twice, on %s; remove one", what, where)
			} else {
				first[own] = name.Line
			}
			ps.addDoubleKeys(below, inside, child)
		}
	}
}
