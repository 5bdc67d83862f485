package receiver

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

func TestAnInsecureOrUselessConfigurationIsRefusedInOneLineThatSaysWhatToDo(t *testing.T) {
	t.Parallel()
	source := func(a Auth) func(*Config) {
		return func(c *Config) { c.Sources = map[string]Source{"live": {Auth: a}} }
	}
	header := HeaderAuth{Name: "X-Key", Values: secrets("v")}
	cases := []struct {
		name   string
		change func(*Config)
		want   string // part of the error
	}{
		{"no auth", source(Auth{}), "sources.live.auth: missing; set one of"},
		{"two kinds of auth", source(Auth{Header: &header, None: true}), "keep one"},
		{"no JWT secret", source(Auth{JWT: &JWTAuth{}}), "sources.live.auth: jwt.secrets: missing"},
		{"an empty JWT secret", source(Auth{JWT: &JWTAuth{Secrets: secrets(secret, "")}}), "number 2 is empty"},
		{"algorithm none", source(Auth{JWT: &JWTAuth{Secrets: secrets("s"), Algorithms: []string{"none"}}}), `"none" is not allowed`},
		{"algorithm RS256", source(Auth{JWT: &JWTAuth{Secrets: secrets("s"), Algorithms: []string{"HS256", "RS256"}}}), "use HS256, HS384 or HS512"},
		{"algorithm ES256", source(Auth{JWT: &JWTAuth{Secrets: secrets("s"), Algorithms: []string{"ES256"}}}), "not allowed"},
		{"algorithm PS256", source(Auth{JWT: &JWTAuth{Secrets: secrets("s"), Algorithms: []string{"PS256"}}}), "not allowed"},
		{"algorithm empty", source(Auth{JWT: &JWTAuth{Secrets: secrets("s"), Algorithms: []string{""}}}), "not allowed"},
		{"negative leeway", source(Auth{JWT: &JWTAuth{Secrets: secrets("s"), Leeway: -1}}), "leeway"},
		{"no header name", source(Auth{Header: &HeaderAuth{Values: secrets("v")}}), "not a header name"},
		{"a header name with a space", source(Auth{Header: &HeaderAuth{Name: "X Key", Values: secrets("v")}}), "not a header name"},
		{"no header value", source(Auth{Header: &HeaderAuth{Name: "X-Key"}}), "header.values: missing"},
		{"a blank header value", source(Auth{Header: &HeaderAuth{Name: "X-Key", Values: secrets(" ")}}), "blank"},
		{"Bearer as the whole value", source(Auth{Header: &HeaderAuth{Name: "authorization", Values: secrets("Bearer ")}}), "blank"},
		{"no user", source(Auth{Basic: &BasicAuth{Passwords: secrets("p")}}), "basic.username"},
		{"a user with a colon", source(Auth{Basic: &BasicAuth{Username: "a:b", Passwords: secrets("p")}}), "without a colon"},
		{"no password", source(Auth{Basic: &BasicAuth{Username: "a"}}), "basic.passwords: missing"},
		{"an empty password", source(Auth{Basic: &BasicAuth{Username: "a", Passwords: secrets("")}}), "is empty"},
		{"no source", func(c *Config) { c.Sources = nil }, "at least one"},
		{"a source named with a slash", func(c *Config) { c.Sources = map[string]Source{"a/b": jwtSource()} }, "path segment"},
		{"the credential's header kept", func(c *Config) {
			c.Sources = map[string]Source{"live": {Auth: Auth{Header: &header}, KeepHeaders: []string{"x-key"}}}
		}, "carries credentials"},
		{"Authorization kept", func(c *Config) {
			c.Sources = map[string]Source{"live": {Auth: Auth{None: true}, KeepHeaders: []string{"Authorization"}}}
		}, "carries credentials"},
		{"a path without a slash", func(c *Config) { c.Path = "webhook" }, "webhook.path"},
		{"a path that ends in a slash", func(c *Config) { c.Path = "/" }, "webhook.path"},
		{"no Accept", func(c *Config) { c.Accept = nil }, "Accept"},
		{"negative limits", func(c *Config) { c.MaxBody = -1 }, "limits"},
	}
	for _, c := range cases {
		cfg := Config{
			Path:    "/webhook",
			Sources: map[string]Source{"live": jwtSource()},
			Accept:  func(context.Context, Event) (Outcome, error) { return OutcomeAccepted, nil },
		}
		c.change(&cfg)
		_, err := New(cfg)
		if err == nil {
			t.Errorf("%s: not refused", c.name)
			continue
		}
		if got := err.Error(); !strings.Contains(got, c.want) || strings.Contains(got, "\n") {
			t.Errorf("%s: error %q, want it to contain %q", c.name, got, c.want)
		}
	}
}

func TestSecretsAreNotPrintedWithTheConfiguration(t *testing.T) {
	t.Parallel()
	auth := Auth{
		JWT:    &JWTAuth{Secrets: secrets(secret)},
		Header: &HeaderAuth{Name: "X-Key", Values: secrets(secret)},
		Basic:  &BasicAuth{Username: "u", Passwords: secrets(secret)},
	}
	printed := fmt.Sprintf("%v %+v %#v %v %+v %#v", *auth.JWT, *auth.Header, *auth.Basic, *auth.Basic, *auth.JWT, *auth.Header)
	if strings.Contains(printed, secret) {
		t.Errorf("a secret was printed: %s", printed)
	}
}
