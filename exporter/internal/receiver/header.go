package receiver

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"unicode"
)

const (
	// maxDisplay bounds what is kept of one header value, in bytes.
	maxDisplay = 256
	// maxShownHeaders and maxHeaderName bound what the delivery log keeps.
	maxShownHeaders = 64
	maxHeaderName   = 64

	redacted = "[redacted]"
)

// keptHeaders are the headers configured for resource mapping.
func keptHeaders(h http.Header, names []string) map[string]string {
	kept := make(map[string]string, len(names))
	for _, name := range names {
		if values := h[textproto.CanonicalMIMEHeaderKey(name)]; len(values) > 0 {
			kept[name] = display(strings.Join(values, ", "))
		}
	}
	return kept
}

// shownHeaders are the request headers for the delivery log. A secret may travel
// under any name, so only values of headers known to be harmless are shown, and
// those that the operator asked to keep.
func shownHeaders(h http.Header, s source) map[string]string {
	names := make([]string, 0, len(h))
	for name := range h {
		if len(name) <= maxHeaderName {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	names = names[:min(len(names), maxShownHeaders)]
	shown := make(map[string]string, len(names))
	for _, name := range names {
		shown[name] = redacted
		if !s.auth.reads(name) && (isHarmless(name) || slices.Contains(s.keepHeaders, strings.ToLower(name))) {
			shown[name] = display(strings.Join(h[name], ", "))
		}
	}
	return shown
}

func isHarmless(name string) bool {
	switch name {
	case "Accept", "Accept-Encoding", "Connection", "Content-Encoding", "Content-Length", "Content-Type",
		"Date", "Expect", "Traceparent", "User-Agent", "Via", "X-Correlation-Id", "X-Forwarded-For",
		"X-Forwarded-Proto", "X-Global-Transaction-Id", "X-Request-Id":
		return true
	default:
		return false
	}
}

// display bounds text for pages: valid UTF-8, no control characters and none that
// change the direction of writing, at most maxDisplay bytes.
func display(s string) string {
	valid := strings.ToValidUTF8(s[:min(len(s), maxDisplay)], "")
	return strings.Map(func(c rune) rune {
		if !unicode.IsGraphic(c) {
			return -1
		}
		return c
	}, valid)
}
