package config

import (
	"bytes"
	"encoding/json"
	"strings"
)

// schema is a JSON Schema, as far as the configuration needs one.
type schema struct {
	Dialect       string             `json:"$schema,omitempty"`
	Title         string             `json:"title,omitempty"`
	Description   string             `json:"description,omitempty"`
	Ref           string             `json:"$ref,omitempty"`
	Type          any                `json:"type,omitempty"` // a name, or several
	Enum          []string           `json:"enum,omitempty"`
	Const         any                `json:"const,omitempty"`
	Pattern       string             `json:"pattern,omitempty"`
	Minimum       *int               `json:"minimum,omitempty"`
	Items         *schema            `json:"items,omitempty"`
	Properties    map[string]*schema `json:"properties,omitempty"`
	PropertyNames *schema            `json:"propertyNames,omitempty"`
	Additional    any                `json:"additionalProperties,omitempty"` // a schema, or false
	Required      []string           `json:"required,omitempty"`
	MinProperties int                `json:"minProperties,omitempty"`
	AnyOf         []*schema          `json:"anyOf,omitempty"`
	Default       any                `json:"default,omitempty"`
	Defs          map[string]*schema `json:"$defs,omitempty"`
}

// Schema is the JSON Schema (2020-12) of the configuration file, for editors and
// other checks before a start. What it refuses Load refuses as well, except a key
// without a value and a list that is one text with commas; Load refuses more.
func Schema() ([]byte, error) {
	root := wholeShape().schema()
	root.Dialect = "https://json-schema.org/draft/2020-12/schema"
	root.Title = "Configuration of cdr2otel"
	root.Defs = definitions()
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(root)
	return out.Bytes(), err
}

// definitions are the plain types of values.
func definitions() map[string]*schema {
	var none int
	return map[string]*schema{
		"expression": {Type: "string", Pattern: `\$\{.+\}`, Title: "${env:NAME} or ${file:PATH}"},
		"boolean":    orExpression(&schema{Type: "boolean"}),
		"number":     orExpression(&schema{Type: "integer", Minimum: &none}),
		"size":       orExpression(&schema{Type: "string", Pattern: sizePattern, Title: "a size like 8MiB"}, &schema{Type: "integer", Minimum: &none}),
		"duration":   orExpression(&schema{Type: "string", Pattern: durationPattern, Title: "a duration like 30s, 5m or 168h"}, &schema{Const: 0}),
	}
}

// orExpression is a schema or an expression, which may stand anywhere.
func orExpression(alternatives ...*schema) *schema {
	return &schema{AnyOf: append(alternatives, defined("expression"))}
}

func defined(name string) *schema { return &schema{Ref: "#/$defs/" + name} }

func (s *shape) schema() *schema {
	made := s.bare()
	made.Description = s.description()
	if s.isLeaf() && !s.value.IsZero() {
		made.Default = s.defaultJSON()
	}
	return made
}

// Patterns of values that begin with digits.
const (
	durationPattern = `^[+-]?(0|([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))*)$`
	sizePattern     = `^[0-9.][0-9.,]* *([kKmMgGtTpPeE][iI]?[bB]?|[bB])?$`
	endpointPattern = `:[0-9]{1,5}$`
)

// patterns of keys, of what Validate asks as far as a pattern can say it.
var patterns = map[string]string{
	"webhook.endpoint": endpointPattern,
	"health.endpoint":  endpointPattern,
	"admin.endpoint":   endpointPattern,
	"webhook.path":     `^/[^{}?# ]*[^{}?# /]$`,
	"store.url":        `^(sqlite:.|postgres(ql)?://)`,
	"admin.trace_url":  `^(https?://.*\{trace_id\}.*)?$`,

	"mapping.custom_data[].key":       `^/`,
	"mapping.custom_data[].attribute": `^wxa\.custom\..`,
}

// required are the keys that Validate misses.
var required = map[string][]string{
	"sources.*":                     {"auth"},
	"sources.*.auth.basic":          {"username"},
	"sources.*.header_attributes.*": {"attribute", "values"},
	"mapping.redact[]":              {"pattern"},
	"mapping.custom_data[]":         {"key", "attribute"},
}

// bare is what may stand here, without what it means.
func (s *shape) bare() *schema {
	switch s.kind {
	case boolean:
		return defined("boolean")
	case number:
		return defined("number")
	case size:
		return defined("size")
	case duration:
		return defined("duration")
	case list:
		return orExpression(&schema{Type: "array", Items: s.each.schema()})
	case named:
		return orExpression(s.namedSchema())
	case section:
		return s.sectionSchema()
	}
	return s.textSchema()
}

func (s *shape) textSchema() *schema {
	if values := s.values(); values != nil {
		return orExpression(&schema{Enum: values})
	}
	if pattern := patterns[s.key]; pattern != "" {
		return orExpression(&schema{Type: "string", Pattern: pattern})
	}
	return &schema{Type: "string"}
}

func (s *shape) namedSchema() *schema {
	if s.key == "sources" {
		return &schema{Type: "object", Additional: s.each.schema(), PropertyNames: &schema{Pattern: sourceName.String()}, MinProperties: 1}
	}
	return &schema{Type: []string{"object", "null"}, Additional: s.each.schema()}
}

func (s *shape) sectionSchema() *schema {
	object := &schema{Type: []string{"object", "null"}, Properties: map[string]*schema{}, Additional: false, Required: required[s.key]}
	for _, f := range s.fields {
		object.Properties[f.name] = f.schema()
	}
	if len(object.Required) > 0 {
		object.Type = "object"
	}
	if strings.HasSuffix(s.key, ".auth") {
		object.Type, object.MinProperties = "object", 1
	}
	if s.key == "" {
		return object
	}
	return orExpression(object)
}

// values are those of an enum, nil if it is none.
func (s *shape) values() []string {
	if strings.HasSuffix(s.key, ".algorithms[]") {
		return algorithms
	}
	return enums[s.value.Type()]
}

// description is the meaning of a key as Reference has it, in one paragraph.
func (s *shape) description() string {
	row, found := rowOf(s.key)
	if !found && strings.HasPrefix(s.key, keyTLS) && s.isScalar() {
		row, found = rowOf(keyTLSRest)
	}
	if !found {
		return ""
	}
	return row.Doc + ". When it is wrong: " + row.Breaks + "."
}

func (s *shape) defaultJSON() any {
	switch s.kind {
	case boolean, number:
		return s.value.Interface()
	case list:
		return s.value.Interface()
	}
	return s.defaultText()
}
