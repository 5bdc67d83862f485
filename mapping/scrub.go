package mapping

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// ScrubWarning returns what may leave of a warning's text, at most MaxReason
// bytes: no phone number, SIP URI, mail or network address, URL, credential,
// header or body (I5). Transaction ids stay, because IBM's support asks for them.
func ScrubWarning(text string) string { return new(policy).reason(text) }

// reason is ScrubWarning with the configured rules between scrubbing and
// cutting. An id that they replace is not appended.
func (p *policy) reason(text string) string {
	text = Text(text, maxReasonBytes)
	var ids strings.Builder
	scrubbed := p.redact.apply(scrub(text, p.ids), tailOf(text, maxReasonBytes, textTail))
	head := Text(scrubbed, MaxReason)
	for _, id := range WarningTransactionIDs(text) {
		shown := p.ids.Shown(id)
		if !strings.Contains(head, shown) && hasLetter(id) && ids.Len() < MaxReason/4 && p.redact.name(id) == id {
			ids.WriteString(", transaction ID=" + Text(shown, 128))
		}
	}
	return strings.TrimSpace(Text(scrubbed, MaxReason-ids.Len())) + ids.String()
}

// ScrubFailure is ScrubWarning for failure_details.
func ScrubFailure(text string) string { return ScrubWarning(text) }

// scrub leaves the code at the head of a text alone.
func scrub(text string, ids IDs) string {
	head := warningCode.FindString(text)
	if head != "" && strings.HasPrefix(text[len(head):], ":") {
		head += ":"
	}
	text = dropBlocks(text[len(head):])
	for _, rule := range scrubRules {
		if containsAny(text, rule.needs) {
			text = rule.pattern.ReplaceAllString(text, rule.by)
		}
	}
	if hasLongNumber(text) || ids.mode == HashAll {
		text = longNumber.ReplaceAllStringFunc(text, func(match string) string {
			label := idLabel.FindString(match)
			switch id := match[len(label):]; {
			case label != "" && hasLetter(id):
				return label + ids.Shown(id)
			case label == "" && keptInName.MatchString(match):
				return match
			}
			return label + "[number]"
		})
	}
	return head + text
}

// hasLetter tells the id of a transaction from a number.
func hasLetter(id string) bool { return strings.Trim(id, "0123456789._-") != "" }

// hasLongNumber reports whether longNumber could match: patterns are slow.
func hasLongNumber(text string) bool {
	digits := 0
	for i := range len(text) {
		switch c := text[i]; {
		case c >= '0' && c <= '9' || c >= utf8.RuneSelf:
			digits++
		case c|0x20 >= 'a' && c|0x20 <= 'z':
			digits = 0
		}
		if digits >= phoneDigits {
			return true
		}
	}
	return false
}

// containsAny reports whether one of the words, in lower case, is in the text.
func containsAny(text string, words []string) bool {
	lower := strings.ToLower(text)
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(lower, word) })
}

// scrubRules are applied in order. A rule isn't tried on a text without one
// of the words it needs.
var scrubRules = []struct {
	needs   []string
	pattern *regexp.Regexp
	by      string
}{
	{[]string{"://", "sip", "tel:", "mailto:", "urn:"}, regexp.MustCompile(`(?i)\b(?:[a-z][a-z0-9+.-]{1,20}://|(?:sips?|tel|mailto|urn):)[^\s"'<>]+`), "[uri]"},
	{[]string{"@", "%40"}, regexp.MustCompile(`(?i)[^\s"'<>(),;:=\[\]{}]+(?:@|%40)[^\s"'<>(),;=\[\]{}]+`), "[address]"},
	{[]string{":"}, regexp.MustCompile(`(?i)\b(?:(?:proxy-)?authorization|(?:set-)?cookie|user-agent|host|via|server|date|origin|referer|location|` +
		`connection|etag|vary|forwarded|from|to|contact|accept(?:-[a-z]+)*|content-[a-z-]+|cache-control|www-authenticate|` +
		`strict-transport-security|x-(?:request|forwarded|real|client|api|auth|edgeconnect|watson|twilio|customer|account)[a-z0-9-]*)\s{0,4}:[^\r\n]*`), "[header]"},
	{[]string{"bearer", "basic", "digest"}, regexp.MustCompile(`(?i)\b(?:bearer|basic|digest)\s+[a-z0-9._~+/=-]{16,}`), "[credential]"},
	{[]string{":"}, regexp.MustCompile(`(?i)\b(?:[0-9a-f]{1,4}:){3,7}[0-9a-f:.]*`), "[address]"},
	{[]string{"."}, regexp.MustCompile(`\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b`), "[address]"},
}

// idLabel is what the platform's texts write before the id of a transaction.
var idLabel = regexp.MustCompile(`(?i)^` + labelled)

// longNumber matches what has seven digits or more, whatever separates them: a
// phone, an account, a card. UUIDs, dates and labelled ids are matched first and whole.
var longNumber = regexp.MustCompile(`(?i)` + uuid + `|` + date + `|` + labelled + `[a-z0-9][a-z0-9._-]*[a-z0-9]|` + number)

const (
	number   = `\+?\(?\p{Nd}(?:[\p{Z}\p{Pd}\p{Pc}\p{Cf}()./]{0,3}\p{Nd}){6,}`
	uuid     = `[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}`
	date     = `\b(?:19|20)\d\d-[01]\d-[0-3]\d(?:t[0-2]\d:[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?z?)?\b`
	labelled = `(?:transaction[ _-]?id|x-global-transaction-id|tran-id)["']?\s{0,4}[:=]\s{0,4}["']?`
)

// block is where a dump of headers, of a body, or any bracketed block begins.
var block = regexp.MustCompile(`(?i)\{|<[a-z!?/]|\b(?:headers?|body|cookies?)["']?\s{0,4}[:=]\s{0,4}`)

// afterBlock is how the platform's texts go on after a block without brackets.
var afterBlock = regexp.MustCompile(`(?i),\s{0,4}(?:x-global-transaction-id|transaction[ _-]?id|response body|response headers)\s{0,4}=`)

// dropBlocks puts an ellipsis for every block.
func dropBlocks(text string) string {
	if !containsAny(text, []string{"{", "<", "header", "body", "cookie"}) {
		return text
	}
	at := block.FindStringIndex(text)
	var b strings.Builder
	for ; at != nil; at = block.FindStringIndex(text) {
		start := at[1] // a label stays
		if c := text[at[0]]; c == '{' || c == '<' {
			start = at[0]
		}
		b.WriteString(text[:start] + "…")
		text = text[start+blockLen(text[start:]):]
	}
	return b.String() + text
}

// blockLen is the length of the block at the head of text. A block that isn't
// closed reaches to the end.
func blockLen(text string) int {
	switch {
	case strings.HasPrefix(text, "{"), strings.HasPrefix(text, "["):
		return bracketed(text)
	case strings.HasPrefix(text, "<"): // markup, with the text between its tags
		if end := strings.LastIndexByte(text, '>'); end > 0 {
			return end + 1
		}
	default:
		if next := afterBlock.FindStringIndex(text); next != nil {
			return next[0]
		}
	}
	return len(text)
}

// bracketed is the length of the JSON-like value at the head of text.
func bracketed(text string) int {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(text)
}

// nameNumber is longNumber without the labels that texts of the platform have, and
// with ids in hexadecimal.
var (
	nameNumber = regexp.MustCompile(`(?i)` + uuid + `|` + hexID + `|` + date + `|` + number)
	keptInName = regexp.MustCompile(`(?i)^(?:` + uuid + `|` + date + `)$`)
)

// hexID has the length of a 64-bit, 96-bit or longer id in hexadecimal.
const hexID = `[0-9a-f]{32,}|(?:[0-9a-f]{8}-){3}[0-9a-f]{8}|\b[0-9a-f]{24}\b|\b[0-9a-f]{16}\b`

// hexLetters is the least number of letters in such an id: fewer are a number with
// a letter before it. One id in a hundred of 64 bits has fewer.
const hexLetters = 3

// withoutNumbers puts [number] for all that could be a number of a person. Dates
// and ids in hexadecimal stay.
func withoutNumbers(text string) string {
	if !hasLongNumber(text) {
		return text
	}
	return replaceNumbers(text, nameNumber, keptInName)
}

// replaceNumbers replaces what the pattern finds and the other does not keep.
func replaceNumbers(text string, pattern, kept *regexp.Regexp) string {
	return pattern.ReplaceAllStringFunc(text, func(match string) string {
		if kept.MatchString(match) || isHexID(match) {
			return match
		}
		return "[number]"
	})
}

func isHexID(text string) bool {
	letters := 0
	for _, c := range []byte(text) {
		switch {
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			letters++
		case (c < '0' || c > '9') && c != '-':
			return false
		}
	}
	return letters >= hexLetters
}
