package mapping

import (
	"errors"
	"fmt"
	"slices"
)

// ErrTooLarge: a span is over the limit even without its content and events, or a
// log record without its content.
var ErrTooLarge = errors.New("a span or log record is larger than a request may be")

// Split parts an encoded ExportTraceServiceRequest into requests of at most limit
// bytes. It returns the request itself if it fits. Otherwise the root comes
// first, and a subtree (a turn with all below it) stays together if it fits in a
// request of its own, else its spans are spread; every part repeats resource and
// scope, and every span keeps its bytes. Only a span that is over the limit alone
// loses its content attributes, then events from the end, and is flagged
// wxa.truncated; if that isn't enough the error is ErrTooLarge. A part can be
// split again under a smaller limit. What is over the limit and has two spans
// becomes at least two parts; one span alone becomes one smaller part.
func Split(encoded []byte, limit int) (parts [][]byte, err error) {
	return split(encoded, limit, signal{link: (*spanTree).link, shrink: shrinkSpan})
}

// SplitLogs is Split for an encoded ExportLogsServiceRequest, whose records stand
// alone: one that is over the limit loses its content attributes.
func SplitLogs(encoded []byte, limit int) (parts [][]byte, err error) {
	return split(encoded, limit, signal{link: (*spanTree).unlinked, shrink: shrinkRecord})
}

// signal is what differs between spans and log records, whose requests nest alike.
type signal struct {
	link   func(*spanTree) bool
	shrink func(raw []byte, limit int) ([]byte, error)
}

func split(encoded []byte, limit int, of signal) (parts [][]byte, err error) {
	if len(encoded) <= limit {
		return [][]byte{encoded}, nil
	}
	req, err := parseRequest(encoded, of.link)
	if err != nil {
		return nil, fmt.Errorf("split request: %w", err)
	}
	p := packer{req: req, limit: limit, size: req.frame, shrink: of.shrink}
	for i := range req.spans {
		if req.spans[i].parent >= 0 {
			continue
		}
		if err := p.place(i); err != nil {
			return nil, fmt.Errorf("split request: %w", err)
		}
	}
	if len(p.parts) == 0 && len(p.open) > 1 { // a cut span made everything fit
		rest := p.open[1:]
		p.open = p.open[:1]
		p.flush()
		p.open = rest
	}
	p.flush()
	return p.parts, nil
}

// packer fills one request after another.
type packer struct {
	req   *spanTree
	limit int
	// shrink cuts what is over the limit alone.
	shrink func(raw []byte, limit int) ([]byte, error)
	parts  [][]byte
	open   []int // spans of the request being filled
	size   int   // of that request, at most
}

// place adds the subtree of span i, whole if it fits in a request.
func (p *packer) place(i int) error {
	subtree := p.req.subtree(i, nil)
	if size := p.req.sizeOf(subtree...); p.req.frame+size <= p.limit {
		p.add(size, subtree...)
		return nil
	}
	if p.req.frame+p.req.sizeOf(i) > p.limit {
		cut, err := p.shrink(p.req.spans[i].raw, p.limit-p.req.frame-maxFieldHead)
		if err != nil {
			return err
		}
		p.req.spans[i].raw = cut
	}
	p.add(p.req.sizeOf(i), i)
	for _, child := range p.req.spans[i].children {
		if err := p.place(child); err != nil {
			return err
		}
	}
	return nil
}

func (p *packer) add(size int, spans ...int) {
	if p.size+size > p.limit {
		p.flush()
	}
	p.open = append(p.open, spans...)
	p.size += size
}

// flush closes the open request. Its spans go in the order in which they came.
func (p *packer) flush() {
	if len(p.open) == 0 {
		return
	}
	slices.Sort(p.open)
	p.parts = append(p.parts, p.req.encode(p.open))
	p.open, p.size = nil, p.req.frame
}
