package doctor

import (
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode"

	"cdr2otel/exporter/config"
)

// count is "1 source", "2 sources".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// size in whole units: 10GiB.
func size(bytes int64) string {
	switch {
	case bytes >= int64(10*config.GiB):
		return fmt.Sprintf("%d GiB", bytes/int64(config.GiB))
	case bytes >= int64(10*config.MiB):
		return fmt.Sprintf("%d MiB", bytes/int64(config.MiB))
	default:
		return fmt.Sprintf("%d KiB", bytes/int64(config.KiB))
	}
}

// days are whole ones of a duration.
func days(d time.Duration) string { return count(int(d/(24*time.Hour)), "day") }

// oneLine is text from elsewhere, of at most longest bytes, without control
// characters.
func oneLine(text string, longest int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return text
}

// where is an endpoint without what may be a key: user, query, and the segments of
// its path that are no plain words, which some receivers have as tokens.
func where(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" {
		return "an endpoint that is no URL"
	}
	segments := strings.Split(u.EscapedPath(), "/")
	for i, segment := range segments {
		if !plain(segment) {
			segments[i] = "…"
		}
	}
	return u.Scheme + "://" + u.Host + strings.Join(segments, "/")
}

// plain tells whether a segment of a path is a word or a version, such as otlp, v1
// or traces. What has capitals or other digits may be a token.
func plain(segment string) bool {
	word, version := true, len(segment) > 1 && segment[0] == 'v'
	for i, r := range segment {
		word = word && (r >= 'a' && r <= 'z' || r == '-' || r == '_')
		version = version && (i == 0 || r >= '0' && r <= '9')
	}
	return word && len(segment) <= 16 || version && len(segment) <= 3
}

// withoutSecrets takes what where leaves out of an endpoint out of text too.
func withoutSecrets(text, endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return strings.ReplaceAll(text, endpoint, "[redacted]")
	}
	hide := func(secret string) {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "[redacted]")
		}
	}
	hide(u.RawQuery)
	for _, values := range u.Query() {
		for _, value := range values {
			hide(value)
		}
	}
	if u.User != nil {
		password, _ := u.User.Password()
		hide(password)
		hide(u.User.Username())
	}
	for segment := range strings.SplitSeq(u.EscapedPath(), "/") {
		if !plain(segment) {
			text = strings.ReplaceAll(text, "/"+segment, "/…")
		}
	}
	return text
}
