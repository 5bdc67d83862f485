package config

import (
	"fmt"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

// algorithms are the JWT algorithms that sign with a shared secret. "none" and
// every asymmetric one are refused: with a public key as HMAC key, who knows the
// public key could sign.
var algorithms = []string{"HS256", "HS384", "HS512"}

// maxLeeway bounds how long an expired token is still believed.
const maxLeeway = time.Hour

func (a Auth) validate(ps *Problems, key string) {
	switch modes := a.modes(); len(modes) {
	case 0:
		ps.add(key, "missing; set one of jwt, header or basic, or say none: true if anyone may post here")
	case 1:
	default:
		ps.add(key, "%s are set; keep exactly one", strings.Join(modes, " and "))
	}
	if a.JWT != nil {
		a.JWT.validate(ps, key+".jwt")
	}
	if a.Header != nil {
		a.Header.validate(ps, key+".header")
	}
	if a.Basic != nil {
		a.Basic.validate(ps, key+".basic")
	}
}

func (a Auth) modes() []string {
	var modes []string
	for _, mode := range []struct {
		name string
		set  bool
	}{{"jwt", a.JWT != nil}, {"header", a.Header != nil}, {"basic", a.Basic != nil}, {"none", a.None}} {
		if mode.set {
			modes = append(modes, mode.name)
		}
	}
	return modes
}

func (j JWT) validate(ps *Problems, key string) {
	if len(j.SecretEnvs)+len(j.SecretFiles)+len(j.Secrets) == 0 {
		ps.add(key, "names no secret; set secret_envs, secret_files or secrets")
	}
	if len(j.Algorithms) == 0 {
		ps.add(key+".algorithms", "empty; the platform signs with HS256")
	}
	for i, algorithm := range j.Algorithms {
		if !slices.Contains(algorithms, algorithm) {
			ps.add(fmt.Sprintf("%s.algorithms[%d]", key, i), "%q can't be used with a shared secret; use HS256, HS384 or HS512", algorithm)
		}
	}
	if j.Leeway < 0 || j.Leeway > maxLeeway {
		ps.add(key+".leeway", "%v is not between 0s and %v", j.Leeway, maxLeeway)
	}
	ps.unit(key+".leeway", j.Leeway)
}

func (h Header) validate(ps *Problems, key string) {
	if !httpguts.ValidHeaderFieldName(h.Name) {
		// Not repeated: who writes the whole header line here writes the secret.
		ps.add(key+".name", "is not a header name; write the name alone, and the secret in a file or variable")
	}
	if textproto.CanonicalMIMEHeaderKey(h.Name) == "Host" {
		ps.add(key+".name", "Host can't carry a secret; use Authorization or a name of your own")
	}
	if len(h.ValueEnvs)+len(h.ValueFiles)+len(h.Values) == 0 {
		ps.add(key, "names no value; set value_envs, value_files or values")
	}
}

func (b Basic) validate(ps *Problems, key string) {
	if b.Username == "" || strings.Contains(b.Username, ":") {
		ps.add(key+".username", "must not be empty or hold a colon (RFC 7617)")
	}
	if len(b.PasswordEnvs)+len(b.PasswordFiles)+len(b.Passwords) == 0 {
		ps.add(key, "names no password; set password_envs, password_files or passwords")
	}
}
