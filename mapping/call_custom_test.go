package mapping_test

import (
	"testing"

	"cdr2otel/mapping"
)

func TestOnlyAValidTraceparentIsLinked(t *testing.T) {
	t.Parallel()
	const trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	for text, links := range map[string]int{
		"00-" + trace + "-" + span + "-01":                    1,
		"00-" + trace + "-" + span + "-00":                    1,
		"01-" + trace + "-" + span + "-01-later":              1,
		"00-" + trace + "-" + span + "-01-later":              0,
		"ff-" + trace + "-" + span + "-01":                    0,
		"00-" + trace + "-0000000000000000-01":                0,
		"00-00000000000000000000000000000000-" + span + "-01": 0,
		"00-0AF7651916CD43DD8448EB211C80319C-" + span + "-01": 0,
		"00-" + trace + "-" + span:                            0,
		"00-" + trace + "-" + span + "-0g":                    0,
		"":                                                    0,
		"---":                                                 0,
	} {
		cdr := &mapping.CDR{CustomData: []byte(`{"traceparent":"` + text + `","traceparent2":1}`)}
		root := spansOf(defaultMapper(t).Call(mapping.CallInput{CDR: cdr}))[0]
		if got := len(root.GetLinks()); got != links {
			t.Errorf("%q: %d links, want %d", text, got, links)
		}
	}
}

func TestCustomDataThatIsNoScalarOrNotThereIsLeftOut(t *testing.T) {
	t.Parallel()
	mapper, err := mapping.New(mapping.Config{Source: "default", CustomData: []mapping.CustomData{
		{Key: "/a", Attribute: "wxa.custom.a"},
		{Key: "/a~1b/m~0n", Attribute: "wxa.custom.escaped"},
		{Key: "/list/1", Attribute: "wxa.custom.element"},
		{Key: "/list/01", Attribute: "wxa.custom.no_index"},
		{Key: "/list/-", Attribute: "wxa.custom.past_the_end"},
		{Key: "/big", Attribute: "wxa.custom.big"},
		{Key: "/huge", Attribute: "wxa.custom.huge"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for custom, want := range map[string]map[string]any{
		`{"a":"x","a":"last"}`:     {"wxa.custom.a": "last"},
		`{"a":null}`:               {},
		`{"a":{"b":1}}`:            {},
		`{"a":""}`:                 {},
		`{"a/b":{"m~n":true}}`:     {"wxa.custom.escaped": true},
		`{"list":[1,2.5]}`:         {"wxa.custom.element": 2.5},
		`{"list":[1]}`:             {},
		`{"big":9007199254740993}`: {"wxa.custom.big": int64(9007199254740993)},
		`{"huge":1e999,"a":-0.0}`:  {"wxa.custom.a": 0.0},
		`{"a":"` + "\xff" + `"}`:   {"wxa.custom.a": "\ufffd"},
		`not JSON`:                 {},
	} {
		root := spansOf(mapper.Call(mapping.CallInput{CDR: &mapping.CDR{CustomData: []byte(custom)}}))[0]
		for _, key := range []string{"a", "escaped", "element", "no_index", "past_the_end", "big", "huge"} {
			if got := attribute(root, "wxa.custom."+key); got != want["wxa.custom."+key] {
				t.Errorf("%s: %s = %v, want %v", custom, key, got, want["wxa.custom."+key])
			}
		}
	}
}
