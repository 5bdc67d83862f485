package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"cdr2otel/mapping"
)

// bodies are webhook bodies that were read offline, decoded.
type bodies struct {
	calls    []mapping.CallInput
	messages []mapping.MessageInput
	// skipped names what is no log event, in words.
	skipped []string
	seen    map[[32]byte]bool // content that is there; the same again is a duplicate
	now     time.Time
}

// readBodies decodes the bodies of at least one call.
func readBodies(raw [][]byte) (*bodies, error) {
	read := &bodies{now: time.Now()}
	for _, body := range raw {
		if err := read.take("sample", body); err != nil {
			return nil, err
		}
	}
	if len(read.calls) == 0 {
		return nil, errors.New("no CDR")
	}
	return read, nil
}

// readFiles reads files of JSON or NDJSON, "-" for stdin.
func (b *bodies) readFiles(paths []string, stdin io.Reader) error {
	for _, path := range paths {
		if err := b.readFile(path, stdin); err != nil {
			return err
		}
	}
	return nil
}

func (b *bodies) readFile(path string, stdin io.Reader) error {
	return eachBody(path, stdin, func(body jsontext.Value, at place) error {
		if err := b.take(at.file, bytes.Clone(body)); err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
		return nil
	})
}

// envelope is a webhook body; for a bare payload its fields stay empty.
type envelope struct {
	Event struct {
		Name string `json:"name"`
	} `json:"event"`
	Payload jsontext.Value `json:"payload"`
	// Members by which a bare payload is recognised.
	Summaries jsontext.Value `json:"assistant_interaction_summaries"`
	SIP       jsontext.Value `json:"session_initiation_protocol"`
	Request   jsontext.Value `json:"request"`
	Response  jsontext.Value `json:"response"`
	Logs      jsontext.Value `json:"logs"`
}

// take takes in one body: an envelope, a bare CDR, or one or several bare message logs.
func (b *bodies) take(from string, body jsontext.Value) error {
	var e envelope
	if err := json.Unmarshal(body, &e, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		return errors.New("neither a webhook body nor a CDR or message log")
	}
	name, payload := strings.ToLower(e.Event.Name), e.Payload
	if name == "" {
		payload = body
		switch {
		case e.Summaries != nil || e.SIP != nil:
			name = "cdr_logged"
		case e.Request != nil && e.Response != nil, e.Logs != nil:
			name = "message_logged"
		}
	}
	switch name {
	case "cdr_logged":
		return b.takeCDR(payload)
	case "message_logged":
		return b.takeMessage(payload)
	}
	b.skipped = append(b.skipped, fmt.Sprintf("%s: skipped an event that is neither cdr_logged nor message_logged", from))
	return nil
}

func (b *bodies) takeCDR(payload []byte) error {
	cdr, err := mapping.DecodeCDR(payload)
	if err != nil {
		return err
	}
	hash, fresh, err := b.hash(payload)
	if err == nil && fresh {
		b.calls = append(b.calls, mapping.CallInput{CDR: cdr, ContentHash: hash, ReceivedAt: b.now})
	}
	return err
}

// takeMessage takes in a message log or a collection of them, as the sidecar does.
func (b *bodies) takeMessage(payload []byte) error {
	message, err := mapping.DecodeMessage(payload)
	if err != nil {
		return err
	}
	if !message.Nothing {
		return b.addMessage(message, payload)
	}
	logs, err := mapping.Collection(payload)
	if err != nil {
		return err
	}
	for i, log := range logs {
		message, err := mapping.DecodeMessage(log)
		if err == nil && message.Nothing {
			err = mapping.ErrNothing
		}
		if err == nil {
			err = b.addMessage(message, log)
		}
		if err != nil {
			return fmt.Errorf("logs[%d]: %w", i, err)
		}
	}
	return nil
}

func (b *bodies) addMessage(message *mapping.Message, payload []byte) error {
	hash, fresh, err := b.hash(payload)
	if err == nil && fresh {
		b.messages = append(b.messages, mapping.MessageInput{Message: message, ContentHash: hash, ReceivedAt: b.now})
	}
	return err
}

func (b *bodies) hash(payload []byte) (hash [32]byte, fresh bool, err error) {
	hash, err = mapping.ContentHash(payload)
	if b.seen == nil {
		b.seen = map[[32]byte]bool{}
	}
	fresh = !b.seen[hash]
	b.seen[hash] = true
	return hash, fresh, err
}
