package mapping

import (
	"strings"
	"unicode/utf8"
)

// Bounds of outgoing strings, in bytes.
const (
	MaxString = 1024 // any attribute without a bound of its own
	MaxReason = 512  // warning and failure texts: they embed HTTP headers and bodies
)

// Text is the one function that every outgoing string passes: valid UTF-8, as
// protobuf demands, no NUL, which some back ends can't store, and at most limit
// bytes, cut at a rune.
func Text(s string, limit int) string {
	if len(s) > 4*limit {
		s = s[:4*limit] // replacing never shortens below a quarter
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "\uFFFD")
	}
	if len(s) > limit {
		s = s[:runeEnd(s, limit)]
	}
	return s
}

// phoneDigits is the least number of digits that is taken for a number of a
// person: a phone, an account, a card.
const phoneDigits = 7

// maxReasonWords bounds the words of an end_reason or a type of the CDR: the longest
// that is documented has five.
const maxReasonWords = 6

// EndReason is the normal form of an end_reason: snake_case, so that the older
// schema's callerHangup reads caller_hangup. Reasons that are not documented
// keep their words, without anything else. Long numbers and sentences are _OTHER (I5).
func EndReason(sent string) string {
	var b strings.Builder
	digits, lower := 0, false
	for _, c := range Text(sent, 64) {
		switch {
		case c >= 'A' && c <= 'Z':
			if lower {
				b.WriteByte('_')
			}
			b.WriteRune(c + 'a' - 'A')
			lower = false
			continue
		case c >= 'a' && c <= 'z':
			b.WriteRune(c)
		case c >= '0' && c <= '9':
			digits++
			b.WriteRune(c)
		default:
			if s := b.String(); s != "" && s[len(s)-1] != '_' {
				b.WriteByte('_')
			}
		}
		lower = c >= 'a' && c <= 'z'
	}
	word := strings.TrimRight(b.String(), "_")
	if digits >= phoneDigits || strings.Count(word, "_") >= maxReasonWords {
		return other
	}
	return word
}
