package receiver

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.opentelemetry.io/collector/config/configopaque"
)

// JWTAuth expects a JSON Web Token signed with the secret of IBM's webhook
// settings, in Authorization or Authentication, with or without "Bearer ".
type JWTAuth struct {
	// Secrets that are live, raw bytes, at least one, none empty.
	Secrets []configopaque.String
	// Algorithms that may sign: HS256, HS384, HS512. None means HS256. Asymmetric
	// ones are refused, since their public key would be the HMAC secret.
	Algorithms []string
	// Leeway for exp and nbf, which are honoured when present.
	Leeway time.Duration
	// RequireExp refuses tokens that never expire.
	RequireExp bool
}

type jwtAuthenticator struct {
	methods []jwt.SigningMethod
	others  []jwt.SigningMethod // that are known and not allowed
	secrets [][]byte
	parser  *jwt.Parser
}

func (j *JWTAuth) prepare(now func() time.Time) (authenticator, error) {
	if err := checkSecrets("jwt.secrets", j.Secrets); err != nil {
		return nil, err
	}
	if j.Leeway < 0 {
		return nil, errors.New("jwt.leeway: negative; use 0s or more")
	}
	algorithms := j.Algorithms
	if len(algorithms) == 0 {
		algorithms = []string{jwt.SigningMethodHS256.Alg()}
	}
	a := &jwtAuthenticator{}
	for _, name := range algorithms {
		method, err := hmacMethod(name)
		if err != nil {
			return nil, err
		}
		a.methods = append(a.methods, method)
	}
	for _, method := range []jwt.SigningMethod{jwt.SigningMethodHS256, jwt.SigningMethodHS384, jwt.SigningMethodHS512} {
		if !slices.Contains(a.methods, method) {
			a.others = append(a.others, method)
		}
	}
	for _, secret := range j.Secrets {
		a.secrets = append(a.secrets, []byte(secret))
	}
	options := []jwt.ParserOption{
		jwt.WithValidMethods(slices.Clone(algorithms)),
		jwt.WithLeeway(j.Leeway),
		jwt.WithTimeFunc(now),
		jwt.WithStrictDecoding(),
	}
	if j.RequireExp {
		options = append(options, jwt.WithExpirationRequired())
	}
	a.parser = jwt.NewParser(options...)
	return a, nil
}

func hmacMethod(name string) (jwt.SigningMethod, error) {
	switch name {
	case "HS256":
		return jwt.SigningMethodHS256, nil
	case "HS384":
		return jwt.SigningMethodHS384, nil
	case "HS512":
		return jwt.SigningMethodHS512, nil
	default:
		return nil, fmt.Errorf("jwt.algorithms: %q is not allowed; use HS256, HS384 or HS512", name)
	}
}

func (a *jwtAuthenticator) authenticate(h http.Header) error {
	token, err := authorizationCredential(h)
	if err != nil {
		return err
	}
	secret, signed := a.signer(token, a.methods)
	if !signed {
		return &problem{reason: a.notSigned(token)}
	}
	parsed, err := a.parser.ParseWithClaims(token, &lifetime{}, func(*jwt.Token) (any, error) { return secret, nil })
	switch {
	case errors.Is(err, jwt.ErrTokenExpired), errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return &problem{reason: ReasonExpiredCredentials}
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return &problem{reason: ReasonEarlyCredentials}
	case errors.Is(err, jwt.ErrTokenSignatureInvalid): // its header names another one
		return &problem{reason: ReasonAlgorithm}
	case err != nil:
		return &problem{reason: ReasonBadCredentials}
	}
	// RFC 7515 §4.1.11: an extension marked critical that isn't understood makes
	// the token invalid, and we understand none.
	if _, critical := parsed.Header["crit"]; critical {
		return &problem{reason: ReasonBadCredentials}
	}
	return nil
}

// signer finds the live secret that signed the token. The library decodes header
// and claims as JSON before it verifies; looking at the signature first keeps
// unauthenticated bytes away from any JSON decoder (I6). The algorithm is not
// taken from the token: the length of an HMAC tells it, and the library checks
// afterwards that the header says the same.
func (a *jwtAuthenticator) signer(token string, methods []jwt.SigningMethod) (secret []byte, ok bool) {
	dot := strings.LastIndexByte(token, '.')
	if dot < 0 {
		return nil, false
	}
	signature, err := base64.RawURLEncoding.Strict().DecodeString(token[dot+1:])
	if err != nil {
		return nil, false
	}
	for _, method := range methods {
		for _, candidate := range a.secrets {
			if method.Verify(token[:dot], signature, candidate) == nil {
				return candidate, true
			}
		}
	}
	return nil, false
}

// notSigned says why no live secret signed the token by an algorithm that is allowed: it is
// by another one, or by none. The client is told neither.
func (a *jwtAuthenticator) notSigned(token string) Reason {
	unsigned := strings.Count(token, ".") == 2 && strings.HasSuffix(token, ".")
	if _, otherwise := a.signer(token, a.others); unsigned || otherwise {
		return ReasonAlgorithm
	}
	return ReasonBadCredentials
}

func (a *jwtAuthenticator) reads(header string) bool { return isCredentialHeader(header) }
func (a *jwtAuthenticator) challenge() string        { return bearerChallenge }

// lifetime holds the only claims that count. The platform's claims are not
// documented, so no type is imposed on the others.
type lifetime struct {
	ExpiresAt *jwt.NumericDate `json:"exp"`
	NotBefore *jwt.NumericDate `json:"nbf"`
}

func (l *lifetime) GetExpirationTime() (*jwt.NumericDate, error) { return l.ExpiresAt, nil }
func (l *lifetime) GetNotBefore() (*jwt.NumericDate, error)      { return l.NotBefore, nil }
func (l *lifetime) GetIssuedAt() (*jwt.NumericDate, error)       { return nil, nil }
func (l *lifetime) GetIssuer() (string, error)                   { return "", nil }
func (l *lifetime) GetSubject() (string, error)                  { return "", nil }
func (l *lifetime) GetAudience() (jwt.ClaimStrings, error)       { return nil, nil }
