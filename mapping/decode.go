package mapping

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// Caps of the decoder: what a payload may make us keep (I7). What is above a cap
// is skipped and Truncated is set. The longest plausible call, four hours at a
// turn every four seconds, has 3 600 turns. Ids are never cut, because they are
// hashed and joined on whole; all ids together are bounded by the body.
const (
	maxSummaries        = 256
	maxTurns            = 4096 // of a call, over all summaries
	maxResponsesPerTurn = 64
	maxResponses        = 8192 // of a call; each can become a span
	maxWarnings         = 256
	maxListed           = 64 // intents, generic elements, turn events, log messages of one message

	maxKeyBytes     = 64        // no member we know has a longer name
	maxNameBytes    = 512       // types, names, titles, codes
	maxURIBytes     = 4 << 10   // SIP URIs
	maxReasonBytes  = 16 << 10  // warning texts, failure details
	maxContentBytes = 16 << 10  // one text of a conversation
	maxRepliesBytes = 64 << 10  // all replies of one message
	maxCustomBytes  = 128 << 10 // injected_custom_data
)

// DecodeCDR decodes the payload of a cdr_logged event. Every documented and
// observed variant is read (IBM "CDR log event reference"); what is absent, null
// or of another type reads as absent. The only error is a payload that is not
// one JSON object; it names the byte offset and never quotes the payload.
func DecodeCDR(payload []byte) (*CDR, error) {
	c := new(CDR)
	r := newReader(payload)
	r.cdr(c)
	if err := r.end(); err != nil {
		return nil, decodeError("cdr", err)
	}
	c.Truncated, c.Mistyped = r.truncated, r.mistyped
	return c, nil
}

// DecodeMessage decodes the payload of a message_logged event: one v2 Log
// object. Its leniency and its only error are those of DecodeCDR.
func DecodeMessage(payload []byte) (*Message, error) {
	m := new(Message)
	r := newReader(payload)
	r.message(m)
	if err := r.end(); err != nil {
		return nil, decodeError("message", err)
	}
	m.Truncated, m.Mistyped = r.truncated, r.mistyped
	return m, nil
}

var errNotObject = errors.New("payload is not a JSON object")

// decodeError names where and why a payload isn't JSON. The JSON pointer of the
// cause is left out: it is made of the payload's own keys (I5).
func decodeError(what string, err error) error {
	var syntax *jsontext.SyntacticError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("decode %s: byte %d: %w", what, syntax.ByteOffset, syntax.Err)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("decode %s: byte 0: %w", what, io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("decode %s: %w", what, err)
}

// reader walks a payload token by token and keeps only what is asked for. After
// the first syntax error every read is empty and more is false, so that walkers
// need no error checks; end reports it.
type reader struct {
	dec *jsontext.Decoder
	err error

	idsOnly   bool // see identityKey
	truncated bool
	mistyped  int
	turns     int // kept so far, against maxTurns
	responses int // kept so far, against maxResponses
	replies   int // bytes kept so far, against maxRepliesBytes
}

func newReader(payload []byte) *reader {
	dec := jsontext.NewDecoder(bytes.NewBuffer(payload),
		jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	r := &reader{dec: dec}
	if k := dec.PeekKind(); k != '{' && k != jsontext.KindInvalid {
		r.err = errNotObject
	}
	return r
}

// end returns the first error, or one if anything follows the object.
func (r *reader) end() error {
	if r.err != nil {
		return r.err
	}
	_, err := r.dec.ReadToken()
	if err == nil {
		return errNotObject
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// value reads the next value whole, without copying it. It is valid until the
// next read.
func (r *reader) value() jsontext.Value {
	if r.err != nil {
		return nil
	}
	v, err := r.dec.ReadValue()
	if err != nil {
		r.err = err
		return nil
	}
	return v
}

// skip passes over a value. SkipValue walks token by token; reading the value
// whole takes half the time and, from memory, no more space.
func (r *reader) skip() { r.value() }

// mismatch passes over a value that is not of the type its field has.
func (r *reader) mismatch() {
	if v := r.value(); len(v) > 0 && v.Kind() != 'n' {
		r.mistyped++
	}
}

// begin enters an object ('{') or array ('['). Anything else is passed over.
func (r *reader) begin(kind jsontext.Kind) bool {
	if r.err != nil {
		return false
	}
	if r.dec.PeekKind() != kind {
		r.mismatch()
		return false
	}
	_, r.err = r.dec.ReadToken()
	return r.err == nil
}

// more reports whether the object or array entered last has another element, and
// leaves it otherwise.
func (r *reader) more() bool {
	if r.err != nil {
		return false
	}
	switch r.dec.PeekKind() {
	case '}', ']', jsontext.KindInvalid:
		_, r.err = r.dec.ReadToken()
		return false
	}
	return true
}

// list reads an array of objects and keeps the first limit of them; read gets
// the inside of each.
func list[T any](r *reader, limit int, read func(*reader) T) (kept []T) {
	if !r.begin('[') {
		return nil
	}
	for r.more() {
		switch {
		case len(kept) >= limit:
			r.truncated = true
			r.skip()
		case r.begin('{'):
			kept = append(kept, read(r))
		}
	}
	return kept
}

// member reads an object of which one member matters.
func member[T any](r *reader, name string, read func(*reader) T) (value T) {
	if !r.begin('{') {
		return value
	}
	for r.more() {
		if string(r.key()) == name {
			value = read(r)
		} else {
			r.skip()
		}
	}
	return value
}

// key reads the name of the next member, valid until the next read. When only
// ids are wanted it is empty for all other members, which are skipped like
// unknown ones.
func (r *reader) key() []byte {
	raw := r.value()
	if len(raw) < 2 {
		return nil
	}
	name := raw[1 : len(raw)-1]
	if bytes.IndexByte(name, '\\') >= 0 {
		if len(name) > 6*maxKeyBytes {
			return nil
		}
		name, _ = jsontext.AppendUnquote(nil, raw)
	}
	if r.idsOnly && !identityKey(name) {
		return nil
	}
	return name
}

// identityKey lists the members on the way to an id of a CDR, or to the number of
// the person it is about.
func identityKey(name []byte) bool {
	switch string(name) {
	case "global_session_id", "session_initiation_protocol", "headers", "call_id",
		"assistant_interaction_summaries", "turns", "assistant", "session_id", "log_id",
		"call", "outbound", "primary_phone_number", "from_uri", "to_uri":
		return true
	}
	return false
}
