package mapping

import (
	"bytes"
	"encoding/hex"
	"math"
	"strconv"
	"strings"

	json "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"go.opentelemetry.io/otel/attribute"
)

// lenient reads custom data as callers of the platform may have written it.
var lenient = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// custom adds the allow-listed values of injected_custom_data. Only scalars have
// an attribute type; the platform removes a key by setting it to "".
func (c *callMapping) custom() {
	if len(c.cdr.CustomData) == 0 {
		return
	}
	c.int(attrCallCustomDataCount, customKeys(c.cdr.CustomData))
	for _, custom := range c.m.config.CustomData {
		value := lookUp(c.cdr.CustomData, jsontext.Pointer(custom.Key))
		text := ""
		switch value.Kind() {
		case 't', 'f':
			c.bool(custom.Attribute, value.Kind() == 't')
			text = string(value)
		case '"':
			text, _ = unquote(value, 4*MaxString)
			text = c.policy.redact.apply(text, tailOf(text, 4*MaxString, textTail))
			c.str(custom.Attribute, text)
		case '0':
			text = c.number(custom.Attribute, string(value))
		}
		if custom.Metric && text != "" {
			c.facts.custom = append(c.facts.custom, attribute.String(custom.Attribute, Text(text, MaxString)))
		}
	}
}

// customKeys counts the keys of custom data that have a value, so that a trace
// tells what mapping.custom_data could show.
func customKeys(data jsontext.Value) (n int64) {
	dec := jsontext.NewDecoder(bytes.NewReader(data), lenient)
	if token, err := dec.ReadToken(); err != nil || token.Kind() != '{' {
		return 0
	}
	for {
		if name, err := dec.ReadToken(); err != nil || name.Kind() == '}' {
			return n
		}
		value, err := dec.ReadValue()
		if err != nil {
			return n
		}
		if string(value) != `""` {
			n++
		}
	}
}

// number keeps whole numbers whole. It returns the number in its normal form, so
// that 1.50 and 15e-1 are one value of a metric's attribute.
func (b *builder) number(key, text string) string {
	if redacted, changed := b.redactNumber(text); changed {
		b.str(key, redacted)
		return redacted
	}
	if whole, err := strconv.ParseInt(text, 10, 64); err == nil {
		b.int(key, whole)
		return strconv.FormatInt(whole, 10)
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(n, 0) {
		return ""
	}
	b.double(key, n)
	return strconv.FormatFloat(n, 'g', -1, 64)
}

// redactNumber applies the rules to a number as back ends show it and as it was
// written: a card number need not be in quotes. What they change is a number no
// more.
func (b *builder) redactNumber(text string) (redacted string, changed bool) {
	if len(b.policy.redact) == 0 {
		return "", false
	}
	if n, err := strconv.ParseFloat(text, 64); err == nil {
		plain := strconv.FormatFloat(n, 'f', -1, 64)
		if redacted = b.policy.redact.name(plain); redacted != plain {
			return redacted, true
		}
	}
	redacted = b.policy.redact.name(text)
	return redacted, redacted != text
}

// lookUp follows a JSON pointer (RFC 6901); nil if it leads nowhere.
func lookUp(data jsontext.Value, pointer jsontext.Pointer) jsontext.Value {
	for token := range pointer.Tokens() {
		switch data.Kind() {
		case '{':
			var members map[string]jsontext.Value
			if json.Unmarshal(data, &members, lenient) != nil {
				return nil
			}
			data = members[token]
		case '[':
			var elements []jsontext.Value
			index, err := strconv.Atoi(token)
			if err != nil || strconv.Itoa(index) != token ||
				json.Unmarshal(data, &elements, lenient) != nil || index < 0 || index >= len(elements) {
				return nil
			}
			data = elements[index]
		default:
			return nil
		}
	}
	return data
}

// upstream returns the span that the custom data names as a W3C traceparent.
func (c *callMapping) upstream() (trace TraceID, span SpanID, flags byte, ok bool) {
	key := c.m.config.UpstreamLink
	if key == "" || len(c.cdr.CustomData) == 0 {
		return TraceID{}, SpanID{}, 0, false
	}
	value := lookUp(c.cdr.CustomData, upstreamPointer(key))
	if value.Kind() != '"' {
		return TraceID{}, SpanID{}, 0, false
	}
	text, _ := unquote(value, MaxString)
	return parseTraceparent(text)
}

// upstreamPointer reads a plain key as a member of the custom data, and one that
// begins with a slash as a JSON pointer.
func upstreamPointer(key string) jsontext.Pointer {
	if strings.HasPrefix(key, "/") {
		return jsontext.Pointer(key)
	}
	return jsontext.Pointer("").AppendToken(key)
}

// parseTraceparent follows W3C Trace Context §3.2: version 00 exactly, later
// ones by their first four fields.
func parseTraceparent(text string) (trace TraceID, span SpanID, flags byte, ok bool) {
	fields := strings.SplitN(text, "-", 5)
	if len(fields) < 4 || text != strings.ToLower(text) {
		return trace, span, 0, false
	}
	var version, flag [1]byte
	ok = unhex(version[:], fields[0]) && version[0] != 0xff &&
		(version[0] != 0 || len(fields) == 4) &&
		unhex(trace[:], fields[1]) && !trace.IsZero() &&
		unhex(span[:], fields[2]) && !span.IsZero() &&
		unhex(flag[:], fields[3])
	return trace, span, flag[0], ok
}

func unhex(into []byte, text string) bool {
	if len(text) != hex.EncodedLen(len(into)) {
		return false
	}
	_, err := hex.Decode(into, []byte(text))
	return err == nil
}
