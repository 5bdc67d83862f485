package receiver

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Names of the events that the platform documents.
const (
	EventCDR              = "cdr_logged"
	EventMessage          = "message_logged"
	EventMessageReceived  = "message_received"
	EventMessageProcessed = "message_processed"
)

const otherLabel = "_OTHER"

// maxName bounds event.name in bytes; a longer one is unknown anyway.
const maxName = 256

// envelope is a body taken apart:
//
//	{"event": {"name": …}, "payload": …, …}
type envelope struct {
	name    string
	payload []byte // a piece of the body, untouched
}

func synchronous(name string) bool {
	return name == EventMessageReceived || name == EventMessageProcessed
}

func nameLabel(name string) string {
	switch name {
	case EventCDR, EventMessage, EventMessageReceived, EventMessageProcessed:
		return name
	default:
		return otherLabel
	}
}

// parseEnvelope checks the syntax of the whole body and takes it apart. Unknown
// keys are ignored; of duplicate keys the last counts, as in the platform's own
// JavaScript. Nesting deeper than the decoder's 10 000 is refused like a syntax
// error.
//
// Lone surrogates are taken: JavaScript writes them for a text cut within an
// emoji, RFC 8259 allows them, and the platform does not repeat a refused event.
// One byte order mark before the body is skipped (RFC 8259 §8.1).
func parseEnvelope(body []byte) (envelope, error) {
	p := parser{body: bytes.TrimPrefix(body, byteOrderMark)}
	p.mark = len(body) - len(p.body)
	// A Decoder reads a *bytes.Buffer in place.
	p.dec = jsontext.NewDecoder(bytes.NewBuffer(p.body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if err := p.parse(); err != nil {
		return envelope{}, p.locate(err)
	}
	return p.envelope()
}

// byteOrderMark is U+FEFF in UTF-8.
var byteOrderMark = []byte("\xef\xbb\xbf")

// parser walks over a body once.
type parser struct {
	body []byte // after the byte order mark
	mark int    // length of the byte order mark: offsets are told from before it
	dec  *jsontext.Decoder

	end      int    // of the object
	payload  []byte // nil: no such key
	hasEvent bool
	name     string
	hasName  bool // event.name is a string
	looksCDR bool
}

func (p *parser) parse() error {
	if kind := p.dec.PeekKind(); kind != '{' && kind != jsontext.KindInvalid {
		return &problem{reason: ReasonShape, detail: fmt.Sprintf("body is not a JSON object, at byte %d", int64(p.mark)+p.nextByte(0))}
	}
	if err := p.object(p.field); err != nil {
		return err
	}
	p.end = int(p.dec.InputOffset())
	if _, err := p.dec.ReadToken(); err != io.EOF {
		return orTrailing(err)
	}
	return nil
}

// orTrailing is for what comes after the object: another value is no syntax error
// to a decoder of streams.
func orTrailing(err error) error {
	if err != nil {
		return err
	}
	return errTrailing
}

var errTrailing = errors.New("another value after the object")

// object reads an object and calls field for each of its names; field must read
// the value.
func (p *parser) object(field func(name string) error) error {
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	for {
		name, err := p.dec.ReadToken()
		if err != nil {
			return err
		}
		if name.Kind() == '}' {
			return nil
		}
		if err := field(name.String()); err != nil {
			return err
		}
	}
}

func (p *parser) field(name string) error {
	switch name {
	case "event":
		return p.event()
	case "payload":
		value, err := p.dec.ReadValue()
		end := int(p.dec.InputOffset())
		p.payload = p.body[end-len(value) : end : end]
		return err
	case "assistant_interaction_summaries", "session_initiation_protocol":
		p.looksCDR = true
	}
	return p.dec.SkipValue()
}

func (p *parser) event() error {
	p.hasEvent, p.hasName = true, false
	if p.dec.PeekKind() != '{' {
		return p.dec.SkipValue()
	}
	return p.object(func(name string) error {
		if name != "name" {
			return p.dec.SkipValue()
		}
		p.hasName = p.dec.PeekKind() == '"'
		if !p.hasName {
			return p.dec.SkipValue()
		}
		value, err := p.dec.ReadToken()
		if err != nil {
			return err
		}
		p.name = eventName(value.String())
		return nil
	})
}

func eventName(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	if len(s) > maxName {
		s = s[:maxName]
	}
	return strings.ToValidUTF8(s, "")
}

func (p *parser) envelope() (envelope, error) {
	switch {
	case p.hasName && p.name != "":
		return envelope{name: p.name, payload: p.payload}, nil
	case !p.hasEvent && p.looksCDR:
		// IBM's documentation shows the CDR without its envelope.
		return envelope{name: EventCDR, payload: bytes.TrimSpace(p.body[:p.end])}, nil
	default:
		return envelope{}, &problem{reason: ReasonShape, detail: "no event name: /event/name must be a string that is not empty"}
	}
}

// locate says where the syntax is wrong. The decoder's own words may quote names
// and text of the payload (I5), so only the position is passed on.
func (p *parser) locate(err error) error {
	if shape, ok := errors.AsType[*problem](err); ok {
		return shape
	}
	if len(bytes.TrimSpace(p.body)) == 0 {
		return &problem{reason: ReasonSyntax, detail: "body is empty, not JSON, at byte 0"}
	}
	syntax, ok := errors.AsType[*jsontext.SyntacticError](err)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return p.syntaxProblem("ends too early", int64(len(p.body)))
	case ok:
		return p.syntaxProblem("syntax error", syntax.ByteOffset)
	default:
		return p.syntaxProblem("something follows the object", p.nextByte(p.end))
	}
}

// nextByte is the offset in p.body of the first byte from offset on that is no white
// space.
func (p *parser) nextByte(offset int) int64 {
	return int64(len(p.body) - len(bytes.TrimLeft(p.body[offset:], " \t\r\n")))
}

func (p *parser) syntaxProblem(what string, offset int64) error {
	return &problem{reason: ReasonSyntax, detail: fmt.Sprintf("body is not JSON: %s at byte %d", what, int64(p.mark)+offset)}
}
