package backends

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// goldenAttribute is a key and its value with the type as its only key.
type goldenAttribute struct {
	Key   string                     `json:"key"`
	Value map[string]json.RawMessage `json:"value"`
}

// goldenTraces is OTLP/JSON of mapping/testdata.
type goldenTraces struct {
	ResourceSpans []struct {
		Resource struct {
			Attributes []goldenAttribute `json:"attributes"`
		} `json:"resource"`
		ScopeSpans []struct {
			Spans []struct {
				Attributes []goldenAttribute `json:"attributes"`
				Events     []struct {
					Attributes []goldenAttribute `json:"attributes"`
				} `json:"events"`
				Links []struct {
					Attributes []goldenAttribute `json:"attributes"`
				} `json:"links"`
			} `json:"spans"`
		} `json:"scopeSpans"`
	} `json:"resourceSpans"`
}

// attributeTypes are the types of all attributes that leave, by scope: what the
// mapping's goldens have, and of spans what docs/mapping.md has besides.
func attributeTypes(t testing.TB) map[string]map[string]string {
	t.Helper()
	types := map[string]map[string]string{"resource": {}, "span": documentedBooleans(t), "event": {}, "link": {}}
	add := func(scope string, attributes []goldenAttribute) {
		for _, a := range attributes {
			for kind := range a.Value {
				types[scope][a.Key] = strings.TrimSuffix(kind, "Value")
			}
		}
	}
	paths, err := filepath.Glob(repoPath("mapping", "testdata", "*", "want.otlp.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no goldens: %v", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var golden goldenTraces
		if err := json.Unmarshal(text, &golden); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, r := range golden.ResourceSpans {
			add("resource", r.Resource.Attributes)
			for _, s := range r.ScopeSpans {
				for _, span := range s.Spans {
					add("span", span.Attributes)
					for _, e := range span.Events {
						add("event", e.Attributes)
					}
					for _, l := range span.Links {
						add("link", l.Attributes)
					}
				}
			}
		}
	}
	return types
}

// documentedBooleans are flags that no golden has, because they say that something
// was too large for one.
func documentedBooleans(t testing.TB) map[string]string {
	t.Helper()
	text, err := os.ReadFile(repoPath("docs", "mapping.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "`wxa.truncated`") {
		t.Fatal("docs/mapping.md has no wxa.truncated any more")
	}
	return map[string]string{"wxa.truncated": "bool"}
}
