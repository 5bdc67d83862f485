package receiver

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"strings"
	"time"

	"go.opentelemetry.io/collector/config/configopaque"
)

// Auth says how the requests of a source prove who sent them: exactly one.
type Auth struct {
	JWT    *JWTAuth
	Header *HeaderAuth
	Basic  *BasicAuth
	// None takes requests from anyone.
	None bool
}

// HeaderAuth expects one header to have one of the values, as it is when the
// webhook is given an Authorization header of its own.
type HeaderAuth struct {
	// Name of the header. For Authorization, "Bearer " and the header
	// Authentication are treated as in JWTAuth.
	Name string
	// Values that are live, at least one, none empty.
	Values []configopaque.String
}

// BasicAuth is HTTP basic authentication (RFC 7617).
type BasicAuth struct {
	Username string
	// Passwords that are live, at least one, none empty.
	Passwords []configopaque.String
}

// authenticator decides on a request by its header alone.
type authenticator interface {
	// authenticate returns nil or a *problem that is answered 401.
	authenticate(http.Header) error
	// reads says whether the header carries credentials.
	reads(header string) bool
	// challenge is the value of WWW-Authenticate.
	challenge() string
}

func (a Auth) prepare(now func() time.Time) (authenticator, error) {
	var chosen []authenticator
	var problems []error
	choose := func(ready authenticator, err error) {
		chosen, problems = append(chosen, ready), append(problems, err)
	}
	if a.JWT != nil {
		choose(a.JWT.prepare(now))
	}
	if a.Header != nil {
		choose(a.Header.prepare())
	}
	if a.Basic != nil {
		choose(a.Basic.prepare())
	}
	if a.None {
		choose(anyone{}, nil)
	}
	switch len(chosen) {
	case 0:
		return nil, errors.New("missing; set one of jwt, header, basic, or none: true to take events from anyone")
	case 1:
		return chosen[0], problems[0]
	default:
		return nil, errors.New("more than one of jwt, header, basic, none is set; keep one")
	}
}

// checkSecrets refuses empty ones: a JWT signed with the empty key would verify.
func checkSecrets(key string, secrets []configopaque.String) error {
	if len(secrets) == 0 {
		return fmt.Errorf("%s: missing; set at least one", key)
	}
	for i, secret := range secrets {
		if secret == "" {
			return fmt.Errorf("%s: number %d is empty; set it or remove it", key, i+1)
		}
	}
	return nil
}

type anyone struct{}

func (anyone) authenticate(http.Header) error { return nil }
func (anyone) reads(header string) bool       { return isCredentialHeader(header) }
func (anyone) challenge() string              { return "" }

// digests are the SHA-256 of what is accepted. Comparing digests takes the same
// time whatever the length of what came.
type digests [][sha256.Size]byte

func (d digests) match(s string) bool {
	sum := sha256.Sum256([]byte(s))
	found := 0
	for i := range d {
		found |= subtle.ConstantTimeCompare(d[i][:], sum[:])
	}
	return found == 1
}

type headerAuthenticator struct {
	name   string
	values digests
}

func (h *HeaderAuth) prepare() (authenticator, error) {
	if !isFieldName(h.Name) {
		return nil, fmt.Errorf("header.name: %q is not a header name", h.Name)
	}
	if err := checkSecrets("header.values", h.Values); err != nil {
		return nil, err
	}
	a := headerAuthenticator{name: textproto.CanonicalMIMEHeaderKey(h.Name)}
	for i, value := range h.Values {
		// HTTP drops white space around a field value, so the configured value
		// could never match with it.
		expected := a.normalize(strings.TrimSpace(string(value)))
		if expected == "" {
			return nil, fmt.Errorf("header.values: number %d is blank; set it or remove it", i+1)
		}
		a.values = append(a.values, sha256.Sum256([]byte(expected)))
	}
	return a, nil
}

func (a headerAuthenticator) authenticate(h http.Header) error {
	value, err := a.credential(h)
	if err != nil {
		return err
	}
	if !a.values.match(value) {
		return &problem{reason: ReasonBadCredentials}
	}
	return nil
}

func (a headerAuthenticator) credential(h http.Header) (string, error) {
	if a.name == authorization {
		return authorizationCredential(h)
	}
	return singleValue(h, a.name)
}

func (a headerAuthenticator) normalize(value string) string {
	if a.name == authorization {
		return withoutBearer(value)
	}
	return value
}

func (a headerAuthenticator) reads(header string) bool {
	return strings.EqualFold(header, a.name) || isCredentialHeader(header)
}

func (headerAuthenticator) challenge() string { return bearerChallenge }

// basicAuthenticator holds digests of "username:password".
type basicAuthenticator struct{ pairs digests }

func (b *BasicAuth) prepare() (authenticator, error) {
	if b.Username == "" || strings.Contains(b.Username, ":") {
		return nil, errors.New("basic.username: set one, without a colon (RFC 7617)")
	}
	if err := checkSecrets("basic.passwords", b.Passwords); err != nil {
		return nil, err
	}
	var a basicAuthenticator
	for _, password := range b.Passwords {
		a.pairs = append(a.pairs, sha256.Sum256([]byte(b.Username+":"+string(password))))
	}
	return a, nil
}

func (a basicAuthenticator) authenticate(h http.Header) error {
	credential, err := authorizationCredential(h)
	if err != nil {
		return err
	}
	scheme, encoded, _ := strings.Cut(credential, " ")
	pair, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil || !strings.EqualFold(scheme, "basic") || !a.pairs.match(string(pair)) {
		return &problem{reason: ReasonBadCredentials}
	}
	return nil
}

func (basicAuthenticator) reads(header string) bool { return isCredentialHeader(header) }
func (basicAuthenticator) challenge() string        { return `Basic realm="cdr2otel", charset="UTF-8"` }
