package exporter_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"cdr2otel/examples/webhooks"
)

// plant is one body with one canary in it.
type plant struct {
	path   string // kind of event and JSON path, elements of lists as []
	form   string // "word", "number", …
	canary string
	body   []byte
}

// planted gives every string of a body a canary, one body for each.
func planted(t testing.TB, file string, next func() int) []plant {
	t.Helper()
	raw, err := webhooks.Bodies.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	kind := "message"
	switch {
	case strings.HasPrefix(file, "outbound"):
		kind = "outbound"
	case strings.Contains(file, ".cdr."):
		kind = "cdr"
	}
	var plants []plant
	for _, leaf := range leaves(t, raw) {
		for form, value := range canaries(leaf.value) {
			n := next()
			canary := fmt.Sprintf("canary%06d", n)
			if strings.Contains(value, "#") {
				canary = fmt.Sprintf("555%07d", n)
			}
			body := decodeJSON(t, raw)
			renumber(body, n)
			replace(body, leaf.steps, strings.NewReplacer("*", canary, "#", canary).Replace(value))
			plants = append(plants, plant{path: kind + ":" + leaf.path, form: form, canary: canary, body: []byte(encoded(t, body))})
		}
	}
	return plants
}

// canaries are the forms in which a field is tried: * stands for a word, # for the
// digits of a number.
func canaries(value string) map[string]string {
	switch {
	case strings.HasPrefix(value, "sip:"):
		return map[string]string{"word": "sip:*@pstn.example.net", "number": "sip:+1#@pstn.example.net", "host": "sip:+15550000000@*.example.net"}
	case strings.HasPrefix(value, "CWS"):
		code, _, _ := strings.Cut(value, ":")
		return map[string]string{
			"header":        code + `: it failed, response headers = {"x-customer":"*"}`,
			"body":          code + `: it failed, response body = {"name":"*"}`,
			"number":        code + ": it failed for +1#",
			"address":       code + ": it failed for sip:*@example.net",
			"authorization": code + ": it failed, Authorization: Bearer *",
		}
	}
	return map[string]string{"word": "*", "number": "+1#", "sentence": "my name is * and I live here"}
}

type leaf struct {
	path  string
	steps []any
	value string
}

// leaves are the strings of the payload, but for timestamps.
func leaves(t testing.TB, raw []byte) []leaf {
	t.Helper()
	var found []leaf
	var walk func(v any, path string, steps []any)
	walk = func(v any, path string, steps []any) {
		switch v := v.(type) {
		case map[string]any:
			for _, key := range slices.Sorted(maps.Keys(v)) {
				walk(v[key], strings.TrimPrefix(path+"."+key, "."), append(slices.Clone(steps), key))
			}
		case []any:
			for i := range v {
				walk(v[i], path+"[]", append(slices.Clone(steps), i))
			}
		case string:
			if _, err := time.Parse(time.RFC3339, v); err != nil {
				found = append(found, leaf{path, steps, v})
			}
		}
	}
	walk(decodeJSON(t, raw)["payload"], "", []any{"payload"})
	return found
}

func decodeJSON(t testing.TB, raw []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func replace(v any, steps []any, with string) {
	for _, step := range steps[:len(steps)-1] {
		switch step := step.(type) {
		case string:
			v = v.(map[string]any)[step]
		case int:
			v = v.([]any)[step]
		}
	}
	switch step := steps[len(steps)-1].(type) {
	case string:
		v.(map[string]any)[step] = with
	case int:
		v.([]any)[step] = with
	}
}

// renumber gives the body ids of its own.
func renumber(v any, n int) {
	switch v := v.(type) {
	case map[string]any:
		for key, inner := range v {
			if id, ok := inner.(string); ok && slices.Contains([]string{"global_session_id", "session_id", "log_id", "call_id", "sip_call_id"}, key) {
				v[key] = fmt.Sprintf("%s-v%d", id, n)
				continue
			}
			renumber(inner, n)
		}
	case []any:
		for _, inner := range v {
			renumber(inner, n)
		}
	}
}

// plantsIn are those of the sample bodies that match.
func plantsIn(t testing.TB, pattern string) []plant {
	t.Helper()
	files, err := fs.Glob(webhooks.Bodies, pattern)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	var plants []plant
	for _, file := range files {
		if !strings.HasPrefix(file, "message_") { // those are answered, not kept
			plants = append(plants, planted(t, file, func() int { n++; return n })...)
		}
	}
	return plants
}

// atMost keeps so many of each field and form: a field of a turn is in all turns.
func atMost(n int, plants []plant) []plant {
	tried := map[string]int{}
	return slices.DeleteFunc(plants, func(p plant) bool {
		tried[p.path+p.form]++
		return tried[p.path+p.form] > n
	})
}
