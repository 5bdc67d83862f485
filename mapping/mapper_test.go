package mapping_test

import (
	"strings"
	"testing"

	"cdr2otel/mapping"
)

func TestConfigurationsThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config mapping.Config
		want   string
	}{
		"no source":             {mapping.Config{}, "source"},
		"per-process resource":  {mapping.Config{Source: "a", Resource: map[string]string{"host.name": "h"}}, "host.name"},
		"header in upper case":  {mapping.Config{Source: "a", HeaderAttributes: map[string]mapping.HeaderAttribute{"X": {Attribute: "x", Values: []string{"v"}}}}, "lower case"},
		"header without values": {mapping.Config{Source: "a", HeaderAttributes: map[string]mapping.HeaderAttribute{"x": {Attribute: "x"}}}, "values"},
		"classes the wrong way": {mapping.Config{Source: "a", Slow: 3, DeadAir: 2}, "dead_air"},
		"no JSON pointer":       {mapping.Config{Source: "a", CustomData: []mapping.CustomData{{Key: "queue", Attribute: "wxa.custom.queue"}}}, "pointer"},
		"foreign attribute":     {mapping.Config{Source: "a", CustomData: []mapping.CustomData{{Key: "/queue", Attribute: "wxa.call.id"}}}, "wxa.custom."},
		"attribute twice": {mapping.Config{Source: "a", CustomData: []mapping.CustomData{
			{Key: "/a", Attribute: "wxa.custom.a"}, {Key: "/b", Attribute: "wxa.custom.a"},
		}}, "taken"},
	} {
		if _, err := mapping.New(test.config); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v does not mention %s", name, err, test.want)
		}
	}
}
