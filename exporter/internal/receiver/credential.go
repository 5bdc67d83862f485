package receiver

import (
	"net/http"
	"strings"
)

const (
	authorization = "Authorization"
	// authentication is the header that IBM's published sample code reads.
	authentication  = "Authentication"
	bearerChallenge = `Bearer realm="cdr2otel"`
	// maxCredential bounds what is decoded before anything is verified. IBM's
	// secrets have at most 1024 characters and its tokens a few claims.
	maxCredential = 8 << 10
)

// singleValue returns the only value of a header. A header that is there twice is
// ambiguous, even with the same value: proxies differ in which one they believe.
func singleValue(h http.Header, name string) (string, error) {
	values := h[name]
	if len(values) > 1 {
		return "", &problem{reason: ReasonAmbiguousCredentials}
	}
	if len(values) == 0 || strings.TrimSpace(values[0]) == "" {
		return "", &problem{reason: ReasonNoCredentials}
	}
	if len(values[0]) > maxCredential {
		return "", &problem{reason: ReasonBadCredentials}
	}
	return strings.TrimSpace(values[0]), nil
}

// authorizationCredential returns what Authorization or Authentication carries,
// without "Bearer ". Both may be there when they carry the same.
func authorizationCredential(h http.Header) (string, error) {
	first, err := optionalCredential(h, authorization)
	if err != nil {
		return "", err
	}
	second, err := optionalCredential(h, authentication)
	if err != nil {
		return "", err
	}
	switch {
	case first == "" && second == "":
		return "", &problem{reason: ReasonNoCredentials}
	case first == "":
		return second, nil
	case second == "" || first == second:
		// Both values came from the sender: how long comparing them takes tells
		// it nothing.
		return first, nil
	default:
		return "", &problem{reason: ReasonAmbiguousCredentials}
	}
}

// optionalCredential is "" only when the header is absent.
func optionalCredential(h http.Header, name string) (string, error) {
	if _, present := h[name]; !present {
		return "", nil
	}
	value, err := singleValue(h, name)
	if err != nil {
		return "", err
	}
	credential := withoutBearer(value)
	if credential == "" {
		return "", &problem{reason: ReasonNoCredentials}
	}
	return credential, nil
}

// withoutBearer removes the scheme "Bearer", in any case, when it is there.
func withoutBearer(value string) string {
	const scheme = "bearer"
	if len(value) < len(scheme) || !strings.EqualFold(value[:len(scheme)], scheme) {
		return value
	}
	rest := value[len(scheme):]
	if rest != "" && rest[0] != ' ' && rest[0] != '\t' {
		return value
	}
	return strings.TrimLeft(rest, " \t")
}

// isCredentialHeader names the headers that carry credentials whatever the
// configuration says.
func isCredentialHeader(name string) bool {
	switch strings.ToLower(name) {
	case "authorization", "authentication", "proxy-authorization", "cookie":
		return true
	default:
		return false
	}
}

// isFieldName says whether name is a token (RFC 9110 §5.6.2).
func isFieldName(name string) bool {
	notToken := func(c rune) bool {
		return c <= ' ' || c >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, c)
	}
	return name != "" && !strings.ContainsFunc(name, notToken)
}
