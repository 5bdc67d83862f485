package config

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/prometheus/exporter-toolkit/web"
	"go.opentelemetry.io/collector/config/configopaque"
)

// ResolvedSource is a source with its secrets in hand.
type ResolvedSource struct {
	Source
	// Secrets are the JWT keys, header values or passwords of Auth, at least one
	// and none empty, unless Auth.None. Any of them authenticates (rotation).
	Secrets [][]byte
}

// ResolveSources reads the secrets of every source, raw: outside the expansion,
// which would eat $ and ${x}, less one final line break. A missing, empty or blank
// one is an error: a JWT signed with the empty key would verify, and a blank is
// what a template leaves that found no secret. The error is Problems.
func (c Config) ResolveSources() (map[string]ResolvedSource, error) {
	var ps Problems
	resolved := make(map[string]ResolvedSource, len(c.Sources))
	for _, name := range slices.Sorted(maps.Keys(c.Sources)) {
		source := c.Sources[name]
		resolved[name] = ResolvedSource{Source: source, Secrets: source.Auth.secrets(&ps, "sources."+name+".auth")}
	}
	if err := ps.Err(); err != nil {
		return nil, err
	}
	return resolved, nil
}

func (a Auth) secrets(ps *Problems, key string) [][]byte {
	switch {
	case a.JWT != nil:
		return ps.read(key+".jwt.secret", a.JWT.SecretEnvs, a.JWT.SecretFiles, a.JWT.Secrets)
	case a.Header != nil:
		return ps.read(key+".header.value", a.Header.ValueEnvs, a.Header.ValueFiles, a.Header.Values)
	case a.Basic != nil:
		return ps.read(key+".basic.password", a.Basic.PasswordEnvs, a.Basic.PasswordFiles, a.Basic.Passwords)
	}
	return nil
}

// customaryName is what names of variables look like and secrets do not.
var customaryName = regexp.MustCompile(`^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$`)

// read collects secrets from the environment, files and the file itself; key is
// the common beginning of the three keys, "….jwt.secret".
func (ps *Problems) read(key string, envs, files []string, inline []configopaque.String) [][]byte {
	var secrets [][]byte
	for i, name := range envs {
		value, ok := os.LookupEnv(name)
		at := fmt.Sprintf("%s_envs[%d]", key, i)
		secret := withoutLineBreak([]byte(value))
		switch {
		case !ok && !customaryName.MatchString(name):
			// Not repeated: it may be the secret itself.
			ps.add(at, "no environment variable of that name is set; write the name here, not the secret")
		case !ok:
			ps.add(at, "environment variable %s is not set; %s", name, setSecret)
		case isBlank(secret):
			ps.add(at, "environment variable %s %s: %s", name, blankSecret, setSecret)
		default:
			secrets = append(secrets, secret)
		}
	}
	for i, path := range files {
		at := fmt.Sprintf("%s_files[%d]", key, i)
		value, err := os.ReadFile(path)
		switch value = withoutLineBreak(value); {
		case err != nil && !filepath.IsAbs(path):
			// Not repeated: it may be the secret itself, written where its file belongs.
			ps.add(at, "the file: %s (a path belongs here, not the secret)", unreadable(err))
		case err != nil:
			ps.add(at, "%s: %s", path, unreadable(err))
		case isBlank(value):
			ps.add(at, "%s %s: write the secret into it", path, blankSecret)
		default:
			secrets = append(secrets, value)
		}
	}
	for i, value := range inline {
		if isBlank([]byte(string(value))) {
			ps.add(fmt.Sprintf("%ss[%d]", key, i), "%s: %s", blankSecret, setSecret)
			continue
		}
		secrets = append(secrets, []byte(string(value)))
	}
	return secrets
}

// blankSecret is what is wrong with a secret of nothing, or of white space only.
const blankSecret = "is empty or blank; such a secret would let anyone in"

// setSecret is what to do about a variable or value that holds none.
const setSecret = "set it to the secret that is configured in watsonx Assistant"

func isBlank(secret []byte) bool { return len(bytes.TrimSpace(secret)) == 0 }

// ReadSecret reads a file that holds a secret as ResolveSources does.
func ReadSecret(path string) ([]byte, error) {
	value, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", path, unreadable(err))
	}
	if value = withoutLineBreak(value); isBlank(value) {
		return nil, fmt.Errorf("%s %s: write the secret into it", path, blankSecret)
	}
	return value, nil
}

// withoutLineBreak removes the one line break that editors and echo append.
func withoutLineBreak(value []byte) []byte {
	value = bytes.TrimSuffix(value, []byte("\n"))
	return bytes.TrimSuffix(value, []byte("\r"))
}

// CallerHashKey reads mapping.caller_hash_key_file. It is nil when none is set;
// the error is Problems.
func (c Config) CallerHashKey() ([]byte, error) {
	if c.Mapping.CallerHashKeyFile == "" {
		return nil, nil
	}
	var ps Problems
	keys := ps.read("mapping.caller_hash_key", nil, []string{c.Mapping.CallerHashKeyFile}, nil)
	if len(ps) > 0 {
		return nil, Problems{{Key: "mapping.caller_hash_key_file", Text: ps[0].Text}}
	}
	return keys[0], nil
}

// CheckFiles reads everything the configuration points at (secrets,
// certificates, keys) and returns what is wrong with it.
func (c Config) CheckFiles(ctx context.Context) Problems {
	var ps Problems
	if w := c.Webhook; w.TLSEnabled() {
		if _, err := w.TLS.LoadTLSConfig(ctx); err != nil {
			ps.add("webhook.tls", "%s", fileOr(err, oneLine(err.Error())))
		}
	}
	if _, err := c.ResolveSources(); err != nil {
		ps = append(ps, err.(Problems)...)
	}
	if _, err := c.CallerHashKey(); err != nil {
		ps = append(ps, err.(Problems)...)
	}
	ps = append(ps, c.CheckStore()...)
	return append(ps, c.CheckWebConfig()...)
}

// CheckWebConfig reads the file of admin.web_config, which the toolkit reads again
// when it serves, and then quotes what is wrong with it.
func (c Config) CheckWebConfig() Problems {
	var ps Problems
	if c.Admin.WebConfig != "" {
		if err := web.Validate(c.Admin.WebConfig); err != nil {
			ps.add("admin.web_config", "%s", fileOr(err, withoutQuotes(err)))
		}
	}
	return ps
}
