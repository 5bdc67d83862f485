package config

import (
	"strings"
	"testing"
)

func TestASyntaxErrorNamesTheLineOfTheMistake(t *testing.T) {
	t.Parallel()
	const (
		noKey    = "no key where one belongs; correct the indentation"
		colon    = "a colon where none is allowed; correct the indentation"
		openList = "a list is not closed"
		openMap  = "a map is not closed"
	)
	for name, c := range map[string]struct{ yaml, want string }{
		"a key between two levels":        {"sources:\n  live:\n    auth:\n      none: true\n   resource: {}\n    messages: none\n", "line 5: " + noKey},
		"a key too far right":             {"admin:\n  endpoint: 127.0.0.1:9464\n   trace_url: x\n  pprof: true\n", "line 3: " + colon},
		"a key too far left":              {"admin:\n  endpoint: 127.0.0.1:9464\n trace_url: x\n", "line 3: " + noKey},
		"a key too far left, with CR":     {"health: {}\r\nadmin:\r\n  pprof: true\r\n endpoint: x\r\n", "line 4: " + noKey},
		"a key too far left, with a BOM":  {"\ufeffadmin:\n  pprof: true\n endpoint: x\n", "line 3: " + noKey},
		"a tab":                           {"webhook:\n  endpoint: 127.0.0.1:0\n\tpath: /x\n", "line 3: a tab; "},
		"a missing colon":                 {"webhook:\n  endpoint 127.0.0.1:0\n  path: /x\n", "line 2: " + noColon},
		"a missing blank":                 {"webhook:\n  endpoint:127.0.0.1:0\n\n  path: /x\n", "line 2: " + noColon},
		"a section without a colon":       {"health: {}\nwebhook\n  path: /x\n", "line 2: " + noColon},
		"a section and no colon":          {"health: {}\nwebhook\nstore:\n  url: x\n", "line 2: " + noColon},
		"an unclosed quote":               {"webhook:\n  path: \"/x\nadmin:\n  pprof: true\n", "line 2: the file ends within quotes"},
		"an unclosed quote on line 1":     {"webhook: {path: \"/x}\nadmin: {}\nhealth: {}\n", "line 1: the file ends within quotes"},
		"an unclosed quote before quotes": {"webhook:\n  path: \"/x\nadmin:\n  endpoint: \"127.0.0.1:0\"\n", "lines 2 to 4: " + noKey},
		"an unclosed quote on 1, quotes":  {"webhook: {path: \"/x}\nadmin: {}\nhealth: {endpoint: \"x\"}\n", "lines 1 to 3: " + openMap},
		"an unclosed bracket":             {"mapping:\n  pii: [caller_number\n  content: true\nhealth: {}\n", "line 2: " + openList},
		"an unclosed bracket at the end":  {"mapping:\n  content: true\n  pii: [caller_number\n", "line 3: " + openList},
		"an unclosed brace":               {"# comment\n\nadmin: {pprof: true\nhealth: {}\n", "line 3: " + openMap},
		"an unclosed brace on line 1":     {"admin: {pprof: true\nhealth: {}\n", "line 1: " + openMap},
		"an unclosed brace in a list":     {"mapping:\n  redact: [\n    {pattern: a},\n    {pattern: b\n  ]\n", "line 4: " + openMap},
		"a list under a scalar":           {"mapping:\n  pii: caller_number\n  - sip_uris\n", "line 3: " + misplacedElement},
		"a key in a list":                 {"mapping:\n  pii:\n    - sip_uris\n    content: true\n", "line 4: a list is broken off"},
		"two colons":                      {"health: {}\nadmin:\n  endpoint: b: c\n", "line 3: " + colon},
		"an alias":                        {"health: {}\nadmin:\n  endpoint: *x\n  pprof: true\n", "line 3: a value begins with *"},
		"a control character":             {"health: {}\nadmin:\n  endpoint: \x01\n", "line 3: a control character"},
	} {
		got := problemsOf(t, c.yaml)
		if !strings.Contains(got, "/file: not YAML: "+c.want) || strings.Contains(got, "\n") {
			t.Errorf("%s: %s; want %q", name, got, c.want)
		}
	}
}

func TestASyntaxErrorQuotesNothing(t *testing.T) {
	t.Parallel()
	for _, yaml := range []string{
		"sources:\n  a:\n    auth:\n      basic:\n        passwords: [hunter2\n      none: hunter2\n",
		"sources:\n  a:\n   auth: hunter2\n  hunter2\n  b: hunter2\n",
		"sources: {a: {auth: {hunter2: 1, hunter2: 2}}}",
		"sources: {a: {auth: {jwt: {hunter2: {x: 1, x: 2}}}}}",
		"sources: {a: {jwt: {hunter2: 1, hunter2: 2}}}",
		"store: {url: {hunter2: 1, hunter2: 2}}",
	} {
		if got := problemsOf(t, yaml); got == "" || strings.Contains(got, "hunter2") {
			t.Errorf("%q: %s", yaml, got)
		}
	}
}

func TestAKeyThatIsThereTwiceIsNamedWithItsPath(t *testing.T) {
	t.Parallel()
	for yaml, want := range map[string]string{
		"health: {}\nhealth: {}\nadmin: {}\nadmin: {}":                                  "health: is there twice, on lines 1 and 2; remove one\nadmin: is there twice, on lines 3 and 4; remove one",
		"webhook:\n  path: /x\n  # comment\n  path: /y\n":                               "webhook.path: is there twice, on lines 2 and 4; remove one",
		"webhook: {pth: a, pth: b}":                                                     "webhook.pth: is there twice, on line 1; remove one",
		"mapping:\n  redact:\n  - pattern: a\n    pattern: b\n":                         "mapping.redact[0].pattern: is there twice, on lines 3 and 4; remove one",
		"sources:\n  live: {}\n  draft: {}\n  live: {}\n":                               "sources.live: is there twice, on lines 2 and 4; remove one",
		"sources:\n  a:\n    auth:\n      jwt: {secrets: [x],\n        secrets: [x]}\n": "sources.a.auth.jwt.secrets: is there twice, on lines 4 and 5; remove one",
		"health: {[a]: 1, [b]: 2}":                                                      "health: has a key twice, on line 1; remove one",
		"sources: {a: {auth: {jwt: {x: 1, x: 2}}}}":                                     "sources.a.auth.jwt: has a key twice, on line 1; remove one",
	} {
		if got := problemsOf(t, yaml); got != want {
			t.Errorf("%q: %s; want %q", yaml, got, want)
		}
	}
}
