package mapping

import "regexp"

// Names come from builders, from the platform, and some of them from the other end
// of the line. Each kind has a form; a text without it is no name and leaves as
// _OTHER, as does one that holds what could be a telephone number (I5). Titles are
// free text of a builder: in them a number is replaced.

// nameForm is the syntax of one kind of names.
type nameForm struct {
	pattern *regexp.Regexp
	// numbers that are none of a person; nil: there are none.
	harmless *regexp.Regexp
}

var (
	// languageName is a language tag: en, en-US, zh-Hans-CN.
	languageName = nameForm{pattern: regexp.MustCompile(`^[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8}){0,4}$`)}
	// typeName is a word of a programming language, such as connect_to_agent.
	typeName = nameForm{pattern: regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{0,31}(?:[_-][A-Za-z0-9]{1,32}){0,5}$`)}
	// modelName is a vendor, a model and its version, which is often a date.
	modelName = nameForm{
		pattern:  regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}$`),
		harmless: regexp.MustCompile(`\b(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\b`),
	}
	// labelName is at most five words: a channel, a snapshot, the name of a program.
	labelName = nameForm{pattern: regexp.MustCompile(`^[\p{L}\p{N}][^\p{Z}\p{C}@]{0,63}(?: [^\p{Z}\p{C}@]{1,64}){0,4}$`)}
)

// named is the name as it may leave. The documented names of each kind have its form.
func (f nameForm) named(text string) string {
	if text == "" {
		return ""
	}
	checked := text
	if f.harmless != nil {
		checked = f.harmless.ReplaceAllString(text, "")
	}
	if !f.pattern.MatchString(text) || withoutNumbers(checked) != checked {
		return other
	}
	return text
}

// name is a name of the given form as it may leave. The decoder keeps the first
// maxNameBytes of a name; every form is shorter.
func (p *policy) name(form nameForm, text string) string { return p.redact.name(form.named(text)) }

// typeName is the name of a kind of response.
func (p *policy) typeName(text string) string { return p.name(typeName, text) }

// title is free text of a builder as it may leave.
func (p *policy) title(text string) string {
	tail := tailOf(text, maxNameBytes, nameTail) // half a number is no number
	text = p.redact.apply(withoutNumbers(text), 0)
	return text[:runeEnd(text, max(0, len(text)-tail))]
}
