package mapping

import (
	"net/netip"
	"net/url"
	"strings"
	"unicode"
)

// SIPHost returns the host of a SIP URI (RFC 3261 §19.1) in lower case, without
// port: the carrier or the region, nothing personal. It is "" when there is none,
// and when what stands there could be a number instead of a host.
func SIPHost(uri string) string {
	scheme, _, host := splitSIP(uri)
	if scheme == "tel" {
		return ""
	}
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if addr, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil && addr.Zone() == "" {
		return host
	}
	if !isHostname(host) {
		return ""
	}
	return host
}

// isHostname reports whether host is a domain name with a letter in it, and
// without a label that could be a phone number.
func isHostname(host string) bool {
	if host == "" || len(host) > 253 || strings.Trim(host, "0123456789.-_") == "" {
		return false
	}
	digits := 0
	for _, c := range host {
		switch {
		case c >= '0' && c <= '9':
			if digits++; digits >= phoneDigits {
				return false
			}
		case c >= 'a' && c <= 'z', c == '_':
			digits = 0
		case c == '.', c == '-':
		default:
			return false
		}
	}
	return true
}

// SIPNumber returns the telephone number that is the user of a SIP or tel URI,
// without visual separators: E.164 with its + if the URI has one, else the
// digits as they are. It is "" for names and withheld numbers.
func SIPNumber(uri string) string {
	_, user, _ := splitSIP(uri)
	user, _, _ = strings.Cut(user, ";")
	user, _, _ = strings.Cut(user, ":")
	if plain, err := url.PathUnescape(user); err == nil {
		user = plain
	}
	number := strings.Map(withoutSeparator, user)
	digits := strings.TrimPrefix(number, "+")
	if len(digits) < 3 || len(digits) > 32 || strings.Trim(digits, "0123456789") != "" {
		return ""
	}
	return number
}

// withoutSeparator drops what people write, and paste, between digits.
func withoutSeparator(c rune) rune {
	if strings.ContainsRune(".()/", c) || unicode.In(c, unicode.Pd, unicode.Zs, unicode.Cf) {
		return -1
	}
	return c
}

// PhoneNumber is the one spelling by which a caller is known again, in
// wxa.caller.hash and by forget: the digits of a telephone number that stands alone
// or is the user of a SIP or tel URI. The + of E.164 and the international prefix
// 00 are left out, because not every carrier sends them. A number without its
// country stays as it is: which country that is can't be known. It is "" for what
// is no number.
func PhoneNumber(text string) string {
	number := SIPNumber(text)
	if number == "" && SIPHost(text) == "" { // no URI, or one without a host
		scheme, rest, ok := strings.Cut(strings.TrimSpace(text), ":")
		if scheme = strings.ToLower(scheme); !ok || scheme != "sip" && scheme != "sips" {
			rest = text
		}
		number = SIPNumber("tel:" + strings.TrimSpace(rest))
	}
	digits := strings.TrimPrefix(number, "+")
	if national := strings.TrimPrefix(digits, "00"); len(national) >= phoneDigits {
		return national
	}
	return digits
}

// splitSIP takes a URI, or a header value with one in angle brackets, apart. Of
// a tel URI the number is the user.
func splitSIP(uri string) (scheme, user, host string) {
	if i := strings.LastIndexByte(uri, '<'); i >= 0 {
		uri, _, _ = strings.Cut(uri[i+1:], ">")
	}
	scheme, rest, ok := strings.Cut(strings.TrimSpace(uri), ":")
	switch scheme = strings.ToLower(scheme); {
	case ok && scheme == "tel":
		return scheme, rest, ""
	case !ok || scheme != "sip" && scheme != "sips":
		scheme, rest = "", strings.TrimSpace(uri)
	}
	// An @ in the user is escaped, so the first one ends it.
	user, host, ok = strings.Cut(rest, "@")
	if !ok {
		user, host = "", rest
	}
	if i := strings.IndexAny(host, ";?>/, \t\""); i >= 0 {
		host = host[:i]
	}
	return scheme, user, host
}
