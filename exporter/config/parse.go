package config

import (
	"bytes"
	"errors"
	"io"
	"strconv"

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
		ps.addYAML(content, err)
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
