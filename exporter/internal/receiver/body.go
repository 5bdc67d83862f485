package receiver

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
)

// minHeld is what the smallest body counts in memory, so that small ones are
// bounded in number too.
const minHeld = 4 << 10

// coding is a content coding that can be taken off.
type coding int

const (
	identity coding = iota
	gzipped
)

// admit looks at what the request's header says of its body.
func admit(req *http.Request, maxBody int64) (coding, error) {
	for _, mediaType := range req.Header["Content-Type"] {
		if strings.HasPrefix(strings.ToLower(strings.TrimSpace(mediaType)), "multipart/") {
			return identity, &problem{reason: ReasonMediaType}
		}
	}
	c, err := contentCoding(req.Header["Content-Encoding"])
	if err != nil {
		return identity, err
	}
	if req.ContentLength > maxBody {
		return identity, &problem{reason: ReasonDeclaredSize}
	}
	return c, nil
}

func contentCoding(values []string) (coding, error) {
	switch strings.ToLower(strings.TrimSpace(strings.Join(values, ","))) {
	case "", "identity":
		return identity, nil
	case "gzip", "x-gzip": // equivalent, RFC 9110 §8.4.1.3
		return gzipped, nil
	default:
		return identity, &problem{reason: ReasonCoding}
	}
}

// read takes the body into memory once there is room for it. Room is asked for
// after authentication, so only authentic bodies can fill it.
func (x *exchange) read(c coding) ([]byte, error) {
	declared := x.req.ContentLength
	if c != identity {
		declared = -1 // it is known how long it is sent, not how long it is
	}
	if err := x.enterFor(declared); err != nil {
		return nil, err
	}
	sent := &sentBody{r: http.MaxBytesReader(x.w, x.req.Body, x.cfg.MaxBody)}
	body, err := x.decode(sent, c, declared)
	if sent.err != nil {
		return nil, sent.err
	}
	if err != nil {
		return nil, err
	}
	x.drained = true
	// Growing a buffer may have taken up to twice its length.
	x.held.shrink(max(2*int64(len(body)), minHeld))
	return body, nil
}

// enterFor takes room for a body of the declared length, or of an unknown one.
func (x *exchange) enterFor(declared int64) error {
	switch {
	case declared < 0:
		return x.enter(&x.small, smallUnknown)
	case declared <= smallBody:
		return x.enter(&x.small, max(declared, minHeld))
	default:
		return x.enter(&x.large, declared)
	}
}

func (x *exchange) decode(sent io.Reader, c coding, declared int64) ([]byte, error) {
	if c == identity {
		return x.readAll(sent, declared)
	}
	inflater, err := gzip.NewReader(sent)
	if err != nil {
		return nil, &problem{reason: gzipReason(err)}
	}
	// One byte more than allowed tells a bomb from a body that just fits, and is
	// all of the bomb that is ever inflated.
	body, err := x.readAll(io.LimitReader(inflater, x.cfg.MaxBody+1), declared)
	if _, refused := errors.AsType[*problem](err); refused {
		return nil, err
	}
	if err != nil {
		return nil, &problem{reason: gzipReason(err)}
	}
	if int64(len(body)) > x.cfg.MaxBody {
		return nil, &problem{reason: ReasonInflatedSize}
	}
	return body, nil
}

// gzipReason tells gzip that was cut from what is none. An empty body is none.
func gzipReason(err error) Reason {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return ReasonCutGzip
	}
	return ReasonGzip
}

// readAll reads to the end. A declared length is allocated at once. A body of
// unknown length that turns out to be large waits for room for the largest.
func (x *exchange) readAll(r io.Reader, declared int64) ([]byte, error) {
	var buffer bytes.Buffer
	if declared >= 0 {
		buffer.Grow(int(declared) + bytes.MinRead)
		_, err := buffer.ReadFrom(r)
		return buffer.Bytes(), err
	}
	n, err := buffer.ReadFrom(io.LimitReader(r, smallBody+1))
	if err != nil || n <= smallBody {
		return buffer.Bytes(), err
	}
	if err := x.enter(&x.large, max(x.cfg.MaxBody, smallUnknown)); err != nil {
		return nil, err
	}
	_, err = buffer.ReadFrom(r)
	return buffer.Bytes(), err
}

// sentBody remembers how reading the request ended, because the inflater reports
// a lost connection as bad data.
type sentBody struct {
	r   io.Reader
	err error
}

func (s *sentBody) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = &problem{reason: transportReason(err)}
	}
	return n, err
}

func transportReason(err error) Reason {
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return ReasonSize
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return ReasonSlowBody
	}
	return ReasonBrokenBody
}
