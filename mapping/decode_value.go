package mapping

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// id reads a string whole.
func (r *reader) id() string { return r.text(math.MaxInt) }

// person reads an id or a telephone number of a person, which some senders write as a
// JSON number: that person must be found too (Identity).
func (r *reader) person(limit int) string {
	if r.err != nil || r.dec.PeekKind() != '0' {
		return r.text(limit)
	}
	number := r.value()
	if len(number) > maxNameBytes {
		r.mistyped++
		return ""
	}
	return string(appendNumber(nil, number))
}

// name reads a type, name or code.
func (r *reader) name() string { return r.text(maxNameBytes) }

// text reads a string and keeps at most limit bytes of it, as valid UTF-8.
func (r *reader) text(limit int) string {
	if r.err != nil {
		return ""
	}
	if r.dec.PeekKind() != '"' {
		r.mismatch()
		return ""
	}
	raw := r.value()
	if len(raw) < 2 {
		return ""
	}
	s, cut := unquote(raw, limit)
	r.truncated = r.truncated || cut
	return s
}

// unquote returns at most limit bytes of a JSON string, cut at a rune. It costs
// memory for what it keeps, not for what is there.
func unquote(raw []byte, limit int) (s string, cut bool) {
	inner := raw[1 : len(raw)-1]
	if len(inner) > limit {
		inner = inner[:spelled(inner, limit)]
		cut = len(inner) < len(raw)-2
	}
	if bytes.IndexByte(inner, '\\') >= 0 || !utf8.Valid(inner) {
		quoted := make([]byte, 0, len(inner)+2)
		quoted = append(append(append(quoted, '"'), inner...), '"')
		// The error tells of invalid UTF-8, which is replaced by U+FFFD.
		inner, _ = jsontext.AppendUnquote(nil, quoted)
	}
	if len(inner) > limit {
		return string(inner[:runeEnd(inner, limit)]), true
	}
	return string(inner), cut
}

// spelled is the length of the first n spellings, bytes or escape sequences, at
// the head of a JSON string's inside, and of the rune that the last is in. Each
// spelling stands for one byte at least.
func spelled(inner []byte, n int) int {
	i := 0
	for ; n > 0 && i < len(inner); n-- {
		switch {
		case inner[i] != '\\' || i+1 == len(inner):
			i++
		case inner[i+1] == 'u':
			i += 6
		default:
			i += 2
		}
	}
	for n := 1; n < utf8.UTFMax && i < len(inner) && !utf8.RuneStart(inner[i]); n++ {
		i++
	}
	return min(i, len(inner))
}

// runeEnd is the last rune boundary at or before n.
func runeEnd[S ~string | ~[]byte](s S, n int) int {
	for n > 0 && n < len(s) && !utf8.RuneStart(s[n]) {
		n--
	}
	return n
}

// flag reads a boolean, or text or a number that holds one; nil if there is none.
// Empty strings are absent.
func (r *reader) flag() *bool {
	if r.err != nil {
		return nil
	}
	switch r.dec.PeekKind() {
	case 't', 'f':
		return new(len(r.value()) == len("true"))
	case '0':
		return r.parseFlag(string(r.value()))
	case '"':
		s := strings.TrimSpace(r.text(maxNameBytes))
		if s == "" {
			return nil
		}
		return r.parseFlag(s)
	}
	r.mismatch()
	return nil
}

// parseFlag reads the spellings of senders without booleans: true, Yes, 1.
func (r *reader) parseFlag(s string) *bool {
	switch strings.ToLower(s) {
	case "true", "yes":
		return new(true)
	case "false", "no":
		return new(false)
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || n != 0 && n != 1 {
		r.mistyped++
		return nil
	}
	return new(n == 1)
}

// isTrue reads a boolean; what is not there is false.
func (r *reader) isTrue() bool {
	b := r.flag()
	return b != nil && *b
}

// isNonEmpty reports whether there is a string with something in it.
func (r *reader) isNonEmpty() bool {
	if r.err == nil && r.dec.PeekKind() != '"' {
		r.mismatch()
		return false
	}
	return len(r.value()) > len(`""`)
}

// number reads a JSON number or a string that holds one. Empty strings are
// absent.
func (r *reader) number() Number {
	if r.err != nil {
		return Number{}
	}
	switch r.dec.PeekKind() {
	case '0':
		return r.parseNumber(string(r.value()))
	case '"':
		s := strings.TrimSpace(r.text(maxNameBytes))
		if s == "" {
			return Number{}
		}
		return r.parseNumber(s)
	}
	r.mismatch()
	return Number{}
}

// parseNumber is strict in what strconv is not: no hexadecimal, no Inf, no NaN.
func (r *reader) parseNumber(s string) Number {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || strings.Trim(s, "0123456789+-.eE") != "" {
		r.mistyped++
		return Number{}
	}
	return Number{Value: v, Valid: true}
}
