package config

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/confmap"
	"go.yaml.in/yaml/v3"
)

const redacted = "[REDACTED]"

// Redacted is the effective configuration as YAML, in the order of the
// reference, without secrets (I5).
func (c Config) Redacted() ([]byte, error) {
	conf := confmap.New()
	if err := conf.Marshal(c); err != nil {
		return nil, err
	}
	node, err := ordered("", conf.ToStringMap())
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(node); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// below is the key of Reference for name in parent: a name the user chose is *.
func below(parent, name string) string {
	if parent == "sources" || strings.HasSuffix(parent, ".header_attributes") {
		name = "*"
	}
	return join(parent, name)
}

// ordered is value as YAML, the keys of its maps in the order of Reference.
func ordered(key string, value any) (*yaml.Node, error) {
	node := &yaml.Node{}
	switch v := value.(type) {
	case map[string]any:
		node.Kind = yaml.MappingNode
		for _, name := range slices.SortedFunc(maps.Keys(v), byRank(key)) {
			if v[name] == nil {
				continue // an auth that is not set
			}
			child, err := ordered(below(key, name), v[name])
			if err != nil {
				return nil, err
			}
			node.Content = append(node.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, child)
		}
		return node, nil
	case time.Duration:
		return node, node.Encode(shortDuration(v))
	}
	// Secrets of plain strings: the Collector's TPM settings, and part of a URL.
	switch text, _ := value.(string); {
	case strings.HasSuffix(key, "tls.tpm.auth"), strings.HasSuffix(key, "tls.tpm.owner_auth"):
		value = redacted
	case key == "store.url":
		value = Store{URL: text}.ShownURL()
	}
	return node, node.Encode(value)
}

// byRank compares two keys below parent by their place in Reference.
func byRank(parent string) func(a, b string) int {
	return func(a, b string) int {
		if d := rank(below(parent, a)) - rank(below(parent, b)); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	}
}

func rank(key string) int {
	for i, row := range Reference {
		if row.Key == key || strings.HasPrefix(row.Key, key+".") || strings.HasPrefix(row.Key, key+"[") {
			return i
		}
	}
	return len(Reference)
}

// shortDuration writes 4h0m0s as 4h.
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
