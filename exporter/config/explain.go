package config

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
)

// explain turns the decoder's tree of errors into problems. Of an error only the
// place counts: what is wanted there is known from the shape, what is there from
// the file.
func (x *examination) explain(path []string, err error) {
	switch e := err.(type) {
	case *mapstructure.DecodeError:
		x.explain(append(path[:len(path):len(path)], steps(e.Name())...), e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, each := range e.Unwrap() {
			x.explain(path, each)
		}
	case interface{ Unwrap() error }:
		x.explain(path, e.Unwrap())
	default:
		x.addType(path)
	}
}

// pathStep is one of "sources[live].auth.jwt": the decoder writes what is in a map
// or a list in brackets.
var pathStep = regexp.MustCompile(`\[([^\]]*)\]|[^.\[\]]+`)

func steps(name string) []string {
	var path []string
	for _, m := range pathStep.FindAllStringSubmatch(name, -1) {
		if step, ok := strings.CutSuffix(m[0], "]"); ok {
			path = append(path, step[1:])
		} else {
			path = append(path, m[0])
		}
	}
	return path
}

// addType says that the value at path is not of the type that is wanted there.
func (x *examination) addType(path []string) {
	at := wholeShape()
	for _, step := range path {
		at = at.below(step)
	}
	if at == nil { // a name that the decoder writes another way
		x.problems.add(keyOf(path), "can't be read; see docs/configuration.md for what is wanted")
		return
	}
	x.problems.add(keyOf(path), "want %s%s", at.wanted(), at.got(lookup(x.doc, path)))
}

// wanted is what a value must be, with an example.
func (s *shape) wanted() string {
	switch s.kind {
	case boolean:
		return "true or false"
	case number:
		return "a whole number like " + s.example("1024")
	case size:
		return "a size like " + s.example("8MiB")
	case duration:
		return "a duration like 30s, 5m or 168h"
	case list:
		switch values := s.each.values(); {
		case s.each.kind == section:
			return "a list of maps like [{" + s.each.firstField() + ": …}]"
		case values != nil:
			return "a list like [" + values[0] + "]"
		case s.key == "webhook.trusted_proxies":
			return "a list like [10.0.0.0/8]"
		}
		return "a list like [a, b]"
	case named:
		return "a map like {name: …}"
	case section:
		return "a map like {" + s.firstField() + ": …}"
	}
	if form := s.form(); form != "" {
		return form
	}
	return "a text"
}

// forms are what texts must look like that are neither an enum nor an endpoint.
var forms = map[string]string{
	"webhook.path":                    "a path like /webhook",
	"webhook.trusted_proxies[]":       "an IP address or a network like 10.0.0.0/8",
	"mapping.custom_data[].key":       "a JSON pointer like /queue",
	"mapping.custom_data[].attribute": "a name like " + customPrefix + "queue",
	"store.url":                       "sqlite:FILE or postgres://USER@HOST/DATABASE",
	"admin.trace_url":                 "a URL like http://localhost:16686/trace/{trace_id}",
}

// form is what a text must look like, empty if any will do.
func (s *shape) form() string {
	if values := s.values(); values != nil {
		return enumerate(values, "or")
	}
	if patterns[s.key] == endpointPattern {
		return "host:port like " + s.defaultText()
	}
	return forms[s.key]
}

func (s *shape) firstField() string { return s.fields[0].name }

func (s *shape) example(unset string) string {
	if s.value.IsZero() {
		return unset
	}
	return s.defaultText()
}

// expression finds the first ${env:NAME} or ${file:PATH}.
var expression = regexp.MustCompile(`(\$\{[^{}]*?)(?::-[^{}]*)?\}`)

// got describes what the file has instead. A scalar is quoted where one is wanted;
// elsewhere it may be a secret that slipped to another line.
func (s *shape) got(value any) string {
	written, _ := value.(string)
	expanded := expression.FindStringSubmatch(written)
	switch {
	case s.mayHoldSecret():
		return ", got " + described(value) + s.remedy(value)
	case expanded != nil:
		return ", got the value of " + expanded[1] + "}"
	case s.isScalar():
		return ", got " + quoted(value) + s.remedy(value)
	}
	return ", got " + described(value)
}

func (s *shape) isScalar() bool { return s.kind != section && s.kind != named && s.kind != list }

// remedy for a number, a date, true or false where any text will do.
func (s *shape) remedy(value any) string {
	switch value.(type) {
	case bool, int, int64, uint64, float64, time.Time:
		if s.kind == text && s.form() == "" {
			return "; put it in quotes"
		}
	}
	return ""
}

func quoted(value any) string {
	switch v := value.(type) {
	case string:
		return fmt.Sprintf("%q", v)
	case bool, int, int64, uint64, float64:
		return fmt.Sprint(v)
	}
	return described(value)
}

// described is what a value is, without it.
func described(value any) string {
	switch value.(type) {
	case nil:
		return "nothing"
	case map[string]any:
		return "a map"
	case []any:
		return "a list"
	case bool:
		return "true or false"
	case int, int64, uint64, float64:
		return "a number"
	case time.Time:
		return "a date"
	}
	return "a text"
}
