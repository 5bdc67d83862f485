package delivery

import (
	"net"
	"net/url"
	"slices"
	"strings"
)

// ShownURL is a URL without what may be a key: user, query, and the segments of its
// path that are no plain words, which some receivers have as tokens.
func ShownURL(raw string) string {
	if isTarget(raw) {
		return raw
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return "an address that is no URL"
	}
	segments := strings.Split(u.EscapedPath(), "/")
	for i, segment := range segments {
		if !isPlain(segment) {
			segments[i] = "…"
		}
	}
	return u.Scheme + "://" + u.Host + strings.Join(segments, "/")
}

// ByDefault ends an endpoint that no variable names.
const ByDefault = " (the default)"

// ShownEndpoint is where a signal goes to, as an operator may see it.
func (s Settings) ShownEndpoint(signal string) string {
	switch {
	case s.Exporter == ExporterConsole:
		return "the console"
	case s.Endpoint != "":
		return ShownURL(s.Endpoint)
	case s.Protocol == ProtocolGRPC:
		return defaultGRPC + ByDefault
	}
	return defaultHTTP + "/v1/" + signal + ByDefault
}

// isTarget tells whether an address is a host and port, or a socket, as gRPC takes them.
func isTarget(raw string) bool {
	_, _, err := net.SplitHostPort(raw)
	return err == nil && !strings.ContainsAny(raw, "/@?#") || (strings.HasPrefix(raw, "unix:") || strings.HasPrefix(raw, "unix-abstract:"))
}

// isPlain tells whether a segment of a path is a word or a version, such as otlp,
// v1 or traces. What has capitals or other digits may be a token.
func isPlain(segment string) bool {
	word, version := true, len(segment) > 1 && segment[0] == 'v'
	for i, r := range segment {
		word = word && (r >= 'a' && r <= 'z' || r == '-' || r == '_')
		version = version && (i == 0 || r >= '0' && r <= '9')
	}
	return word && len(segment) <= 16 || version && len(segment) <= 3
}

// urlSecrets are the texts that ShownURL leaves out, as whoever answers may write
// them. Longest first.
func urlSecrets(raw string) []string {
	u, err := url.Parse(raw)
	if err != nil {
		return longestFirst([]string{raw})
	}
	texts := []string{u.RawQuery}
	for _, values := range u.Query() {
		texts = append(texts, values...)
	}
	if u.User != nil {
		password, _ := u.User.Password()
		texts = append(texts, u.User.Username(), password)
	}
	for _, path := range []string{u.EscapedPath(), u.Path} {
		for segment := range strings.SplitSeq(path, "/") {
			if !isPlain(segment) {
				texts = append(texts, segment)
			}
		}
	}
	return longestFirst(texts)
}

// WithoutURLSecrets takes what ShownURL leaves out of a URL out of text too.
func WithoutURLSecrets(text, raw string) string { return without(text, urlSecrets(raw)) }

// without replaces the secrets, which are in the order of longestFirst.
func without(text string, secrets []string) string {
	for _, s := range secrets {
		text = strings.ReplaceAll(text, s, "[redacted]")
	}
	return text
}

// longestFirst sorts secrets so that a part does not spoil the whole, and leaves out
// what is too short to look for.
func longestFirst(secrets []string) []string {
	secrets = slices.DeleteFunc(secrets, func(s string) bool { return len(s) < minSecret })
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(secrets)
}
