package mapping

import (
	"errors"
	"fmt"
	"regexp"
	"unicode/utf8"
)

// Redaction replaces what a pattern finds in a text that leaves.
type Redaction struct {
	// Pattern is an RE2 expression. It may not match the empty text: it would
	// then match between all letters.
	Pattern string
	// Replace takes the place of a match; $1, ${name} are what its groups found.
	Replace string
}

// redactor applies its rules in order; nil changes nothing. Its time is linear in
// the text, whatever the patterns: that is what RE2 promises.
type redactor []redaction

type redaction struct {
	pattern *regexp.Regexp
	replace string
}

// maxRedactedBytes bounds a text between two rules: replacements can be longer
// than what they replace.
const maxRedactedBytes = 64 << 10

// Lost ends, see redactor.apply.
const (
	nameTail = 64
	textTail = 2 << 10
)

func newRedactor(rules []Redaction) (redactor, error) {
	var r redactor
	var errs []error
	for i, rule := range rules {
		pattern, err := regexp.Compile(rule.Pattern)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("redact[%d]: pattern: %w", i, err))
		case pattern.MatchString(""):
			errs = append(errs, fmt.Errorf("redact[%d]: pattern: %q matches the empty text, and so between all letters", i, rule.Pattern))
		case !utf8.ValidString(rule.Replace):
			errs = append(errs, fmt.Errorf("redact[%d]: replace: not valid UTF-8", i))
		default:
			r = append(r, redaction{pattern, rule.Replace})
		}
	}
	return r, errors.Join(errs...)
}

// apply returns the text after all rules. Of a text that was cut before, tail is
// how much of its end is left out: half a number matches no pattern.
func (r redactor) apply(text string, tail int) string {
	if len(r) == 0 || text == "" {
		return text
	}
	for i := range r {
		text = r[i].pattern.ReplaceAllString(text, r[i].replace)
		if len(text) > maxRedactedBytes {
			text = text[:runeEnd(text, maxRedactedBytes)]
			tail = max(tail, textTail)
		}
	}
	return text[:runeEnd(text, max(0, len(text)-tail))]
}

// name is apply for what the decoder bounds as a name.
func (r redactor) name(text string) string {
	return r.apply(text, tailOf(text, maxNameBytes, nameTail))
}

// tailOf is the tail of a text of which the decoder kept at most limit bytes. One
// that fills them was cut, at a rune.
func tailOf(text string, limit, tail int) int {
	if len(text) > limit-utf8.UTFMax {
		return tail
	}
	return 0
}
