package mapping

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"
)

// policy is what of the texts of a conversation may leave, and how (I5).
type policy struct {
	content bool // Config.Content
	digits  bool // Config.Digits
	redact  redactor
	ids     IDs
}

// Inputs that the platform writes in the user's place begin so.
const syntheticPrefix = "vgw"

// syntheticSMS stands for a text message of the caller, which is beside it.
const syntheticSMS = "vgwSMSMessage"

// echoDigits is the least number of keys that are looked for in the answer:
// fewer are in every text.
const echoDigits = 4

// said adds what user and assistant said, as the GenAI conventions write it: the
// messages as JSON, all replies of the turn in one message. It reports whether
// something was cut. keyed is what is known from elsewhere: that the user did not
// speak but pressed keys.
//
// The user's text is request.input.text alone. What the platform masks there may
// stand unmasked in transcripts, entities and variables, so those are never used.
func (b *builder) said(m *Message, keyed bool) (cut bool) {
	if !b.policy.content {
		return false
	}
	text := strings.TrimSpace(m.Input)
	pressed := ""
	switch {
	case text == "":
	case strings.EqualFold(text, syntheticSMS):
		cut = b.userText(m.SMS)
	case synthetic(text):
	case !b.policy.digits && (keyed || m.keyed()):
		b.messages(attrGenAIInput, roleUser, []string{keys(text)})
		pressed = strings.Trim(text, "*#")
	default:
		cut = b.userText(m.Input)
	}
	return b.replies(m, pressed) || cut
}

func (b *builder) userText(text string) (cut bool) {
	tail := tailOf(text, maxContentBytes, textTail)
	kept, shortened := b.policy.words(text, tail, maxContentBytes)
	if strings.TrimSpace(kept) != "" {
		b.messages(attrGenAIInput, roleUser, []string{kept})
	}
	return tail > 0 || shortened
}

// replies adds the answer. An assistant often reads back what was keyed in:
// there, too, the count takes its place.
func (b *builder) replies(m *Message, pressed string) (cut bool) {
	var room [4]string
	texts := room[:0]
	read, left := maxRepliesBytes, maxRepliesBytes // as the decoder counts, and of what leaves
	for _, reply := range m.Replies {
		tail := tailOf(reply, min(maxContentBytes, read), textTail)
		read -= len(reply)
		if len(pressed) >= echoDigits {
			reply = strings.ReplaceAll(reply, pressed, keys(pressed))
		}
		kept, shortened := b.policy.words(reply, tail, min(maxContentBytes, left))
		left -= len(kept)
		cut = cut || shortened || tail > 0
		if kept != "" {
			texts = append(texts, kept)
		}
	}
	if len(texts) > 0 {
		b.messages(attrGenAIOutput, roleAssistant, texts)
	}
	// The decoder keeps the first elements of a long answer.
	return cut || m.Truncated && len(m.ResponseTypes) >= maxListed
}

// words is a text as it may leave: redacted, then cut.
func (p *policy) words(text string, tail, limit int) (kept string, cut bool) {
	text = p.redact.apply(text, tail)
	return Text(text, limit), len(text) > limit
}

// messages adds one message of a role, a part for each text, as JSON: back ends
// that draw conversations read it from a string.
func (b *builder) messages(key, role string, texts []string) {
	out := append(b.json[:0], `[{"role":"`...)
	out = append(out, role...)
	out = append(out, `","parts":[`...)
	for i, text := range texts {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, `{"type":"text","content":`...)
		out, _ = jsontext.AppendQuote(out, text) // its error is invalid UTF-8, which Text has replaced
		out = append(out, '}')
	}
	b.json = append(out, `]}]`...)
	v := b.stringSlab.next()
	v.StringValue = string(b.json)
	b.pair(key).Value.Value = v
}

// synthetic tells the platform's own inputs: a time-out, a hang-up, a turn
// without input. Nobody said them.
func synthetic(text string) bool {
	return len(text) >= len(syntheticPrefix) && strings.EqualFold(text[:len(syntheticPrefix)], syntheticPrefix)
}

// keyed reports whether the input was keyed in. On the phone what is digits and
// was not recognised from speech is taken for it, too: the flag can be missing.
func (m *Message) keyed() bool {
	return m.IsDTMF || m.Phone && m.Speech == nil &&
		strings.Trim(m.Input, "0123456789*# ") == "" && strings.ContainsAny(m.Input, "0123456789")
}

// keys is how many keys were pressed, in their place.
func keys(text string) string {
	n := 0
	for _, c := range text {
		if !unicode.IsSpace(c) {
			n++
		}
	}
	return "[dtmf:" + strconv.Itoa(n) + "]"
}
