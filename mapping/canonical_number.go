package mapping

import (
	"bytes"
	"math"
	"strconv"
)

// exactIntegers: from here on a double does not hold every integer.
const exactIntegers = 1 << 53

// appendNumber appends a JSON number in the one spelling that all spellings of its
// value share: that of RFC 8785, which takes numbers for doubles, where a double
// keeps them apart. Large integers, and what a double can't hold at all, have their
// digits without zeros at either end, and an exponent: two of them are never one.
func appendNumber(dst, number []byte) []byte {
	v, err := strconv.ParseFloat(string(number), 64)
	if err == nil && math.Abs(v) < exactIntegers && (v != 0 || isZero(number)) {
		return appendDouble(dst, v)
	}
	return appendExact(dst, number)
}

// spelledPlainly reports whether a number can't have another spelling than
// appendNumber's: an integer of few digits.
func spelledPlainly(number []byte) bool {
	return len(number) <= len("-999999999999999") && !bytes.ContainsAny(number, ".eE") && (number[0] != '-' || number[1] != '0')
}

// appendDouble is JavaScript's spelling (RFC 8785 §3.2.2.3).
func appendDouble(dst []byte, v float64) []byte {
	if v == 0 {
		return append(dst, '0') // -0 too
	}
	if math.Abs(v) >= 1e-6 {
		return strconv.AppendFloat(dst, v, 'f', -1, 64)
	}
	dst = strconv.AppendFloat(dst, v, 'e', -1, 64)
	if n := len(dst); dst[n-3] == '-' && dst[n-2] == '0' { // e-07 is e-7
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}

// isZero reports whether no digit of a number before its exponent is another than 0.
func isZero(number []byte) bool {
	significand, _ := cutExponent(number)
	return len(bytes.Trim(significand, "-0.")) == 0
}

func cutExponent(number []byte) (significand, exponent []byte) {
	if i := bytes.IndexAny(number, "eE"); i >= 0 {
		return number[:i], number[i+1:]
	}
	return number, []byte("0")
}

// appendExact keeps every digit. An exponent of more than 32 bits stays as it was
// written, with its number: what that would be can't be reckoned.
func appendExact(dst, number []byte) []byte {
	significand, exponent := cutExponent(number)
	power, err := strconv.ParseInt(string(exponent), 10, 32)
	if err != nil {
		return append(dst, number...)
	}
	if significand[0] == '-' {
		dst, significand = append(dst, '-'), significand[1:]
	}
	whole, fraction, _ := bytes.Cut(significand, []byte("."))
	digits := append(bytes.Clone(whole), fraction...)
	power -= int64(len(fraction))
	short := bytes.TrimRight(digits, "0")
	power += int64(len(digits) - len(short))
	dst = append(dst, bytes.TrimLeft(short, "0")...)
	if power == 0 {
		return dst
	}
	return strconv.AppendInt(append(dst, 'e'), power, 10)
}

// numberLen is the length of the JSON number at the head of text.
func numberLen(text []byte) int {
	for i, c := range text {
		switch {
		case c >= '0' && c <= '9', c == '-', c == '+', c == '.', c == 'e', c == 'E':
		default:
			return i
		}
	}
	return len(text)
}

// appendNumbers appends JSON without white space with all of its numbers as
// appendNumber spells them.
func appendNumbers(dst, text []byte) []byte {
	from := 0
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == '"':
			i += stringLen(text[i:])
		case c == '-' || c >= '0' && c <= '9':
			n := numberLen(text[i:])
			dst = appendNumber(append(dst, text[from:i]...), text[i:i+n])
			i += n
			from = i
		default:
			i++
		}
	}
	return append(dst, text[from:]...)
}
