package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/go-json-experiment/json/jsontext"
)

// maxBody bounds one JSON value of the input in bytes, about. A longer one is no
// webhook body but, say, an array of them, and must not fill the memory.
const maxBody = 32 << 20

var errTooLong = fmt.Errorf("longer than %d MiB; write one JSON object for each body, not an array of them", maxBody>>20)

// place is where a body begins in the input.
type place struct {
	file string
	line int64 // from 1
	at   int64 // offset in bytes
}

func (p place) String() string { return fmt.Sprintf("%s line %d (byte %d)", p.file, p.line, p.at) }

// eachBody calls do for every JSON value of a file, one after the other, and holds
// one in memory at a time; the path - is stdin. The value is valid until do
// returns, an error from there ends it.
func eachBody(path string, stdin io.Reader, do func(body jsontext.Value, at place) error) error {
	if path == "-" {
		return eachValue("stdin", stdin, do)
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return eachValue(path, file, do)
}

func eachValue(name string, r io.Reader, do func(jsontext.Value, place) error) error {
	in := &lineCounter{r: r, line: 1, limit: maxBody}
	values := newValues(in)
	for {
		values.skipMark()
		value, err := values.ReadValue()
		if errors.Is(err, io.EOF) {
			return nil
		}
		end := values.offset()
		if err != nil {
			unread := values.UnreadBuffer()
			start := end + int64(len(unread)-len(bytes.TrimLeft(unread, whiteSpace)))
			return inputError(place{name, in.lineOf(start), start}, err)
		}
		start := end - int64(len(value))
		if err := do(value, place{name, in.lineOf(start), start}); err != nil {
			return err
		}
		in.limit = end + maxBody
	}
}

const (
	whiteSpace    = " \t\r\n"
	byteOrderMark = "\xef\xbb\xbf" // U+FEFF in UTF-8
)

// values reads JSON values in a row, each of which may have a byte order mark before
// it: files that begin with one are also joined.
type values struct {
	*jsontext.Decoder
	in    io.Reader // what the decoder reads
	began int64     // offset in the input at which the decoder began
}

func newValues(in io.Reader) *values {
	v := &values{Decoder: new(jsontext.Decoder)}
	v.read(in)
	return v
}

func (v *values) read(in io.Reader) {
	v.in = in
	v.Reset(in, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// offset is that of InputOffset in the whole input.
func (v *values) offset() int64 { return v.began + v.InputOffset() }

// skipMark skips one byte order mark before the next value. A mark anywhere else is no
// JSON, as for the webhook listener.
func (v *values) skipMark() {
	if v.PeekKind() != jsontext.KindInvalid {
		return
	}
	unread := v.UnreadBuffer()
	next := bytes.Clone(bytes.TrimLeft(unread, whiteSpace))
	if len(next) == 0 || next[0] != byteOrderMark[0] {
		return
	}
	if missing := len(byteOrderMark) - len(next); missing > 0 {
		more := make([]byte, missing)
		n, _ := io.ReadFull(v.in, more) // an error comes again with the next value
		next = append(next, more[:n]...)
	}
	at := v.offset() + int64(len(unread)-len(bytes.TrimLeft(unread, whiteSpace)))
	rest, found := bytes.CutPrefix(next, []byte(byteOrderMark))
	if found {
		at += int64(len(byteOrderMark))
	}
	v.began = at
	v.read(io.MultiReader(bytes.NewReader(rest), v.in))
}

// inputError says where a value that can't be read begins, and why it can't.
func inputError(at place, err error) error {
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, errTooLong):
		return fmt.Errorf("%s: %w", at, errTooLong)
	case errors.As(err, &syntax):
		return fmt.Errorf("%s: not JSON: %w", at, err)
	}
	return fmt.Errorf("%s: %w", at, err)
}

// lineCounter counts the lines of what is read through it, up to a limit.
type lineCounter struct {
	r     io.Reader
	read  int64 // bytes so far
	limit int64 // at most
	line  int64 // of the last place that was asked for
	ends  []int64
}

// Read remembers where lines end: the decoder reads ahead of what it has decoded.
func (c *lineCounter) Read(p []byte) (int, error) {
	if c.read >= c.limit {
		return 0, errTooLong
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.limit-c.read)])
	for i, b := range p[:n] {
		if b == '\n' {
			c.ends = append(c.ends, c.read+int64(i))
		}
	}
	c.read += int64(n)
	return n, err
}

// lineOf is the line of an offset; offsets must not go back.
func (c *lineCounter) lineOf(at int64) int64 {
	passed := 0
	for passed < len(c.ends) && c.ends[passed] < at {
		passed++
	}
	c.line += int64(passed)
	c.ends = c.ends[passed:]
	return c.line
}
