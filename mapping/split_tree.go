package mapping

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of opentelemetry/proto/trace/v1/trace.proto.
const (
	fieldResourceSpans = 1 // ExportTraceServiceRequest
	fieldScopeSpans    = 2 // ResourceSpans
	fieldSpans         = 2 // ScopeSpans
	fieldSpanID        = 2 // Span
	fieldParentSpanID  = 4 // Span
)

// Those of opentelemetry/proto/logs/v1/logs.proto, which nests alike.
const (
	fieldResourceLogs = fieldResourceSpans
	fieldScopeLogs    = fieldScopeSpans
	fieldLogRecords   = fieldSpans
)

// maxFieldHead is the most that tag and length of a field take here.
const maxFieldHead = 1 + 5

// spanTree is a request taken apart down to its spans, or log records, whose bytes
// are never decoded.
type spanTree struct {
	groups []spanGroup
	spans  []treeSpan
	frame  int // bytes, at most, of everything but the spans
}

// spanGroup is the resource and scope that spans share, as encoded fields.
type spanGroup struct{ resource, scope envelope }

// envelope is what stands before and after the repeated field of a message.
type envelope struct{ head, tail []byte }

type treeSpan struct {
	group    int
	raw      []byte
	parent   int // index of the parent, which comes before it; -1 for none here
	children []int
}

var errMalformed = errors.New("not an encoded export request")

func parseRequest(encoded []byte, link func(*spanTree) bool) (*spanTree, error) {
	t := new(spanTree)
	_, requests, ok := unwrap(encoded, fieldResourceSpans)
	for _, rs := range requests {
		resource, scopes, ok1 := unwrap(rs, fieldScopeSpans)
		for _, ss := range scopes {
			scope, spans, ok2 := unwrap(ss, fieldSpans)
			ok1 = ok1 && ok2
			t.addGroup(spanGroup{resource, scope}, spans)
		}
		ok = ok && ok1
	}
	if !ok || !link(t) {
		return nil, errMalformed
	}
	return t, nil
}

func (t *spanTree) addGroup(g spanGroup, spans [][]byte) {
	if len(spans) == 0 {
		return
	}
	t.groups = append(t.groups, g)
	t.frame += len(g.resource.head) + len(g.resource.tail) + len(g.scope.head) + len(g.scope.tail) + 2*maxFieldHead
	for _, raw := range spans {
		t.spans = append(t.spans, treeSpan{group: len(t.groups) - 1, raw: raw, parent: -1})
	}
}

// link finds each span's parent among the spans before it. A parent that isn't
// there makes it a root: in a part, or a late message.
func (t *spanTree) link() bool {
	index := make(map[string]int, len(t.spans))
	for i := range t.spans {
		id, parent, ok := spanIDs(t.spans[i].raw)
		if !ok {
			return false
		}
		if p, found := index[string(parent)]; found && len(parent) > 0 {
			t.spans[i].parent = p
			t.spans[p].children = append(t.spans[p].children, i)
		}
		index[string(id)] = i
	}
	return true
}

// unlinked leaves each where it is: log records have no parents.
func (t *spanTree) unlinked() bool { return true }

// spanIDs reads the ids of an encoded span.
func spanIDs(span []byte) (id, parent []byte, ok bool) {
	for len(span) > 0 {
		number, kind, n := protowire.ConsumeTag(span)
		if n < 0 {
			return nil, nil, false
		}
		m := protowire.ConsumeFieldValue(number, kind, span[n:])
		if m < 0 {
			return nil, nil, false
		}
		if kind == protowire.BytesType {
			switch value, _ := protowire.ConsumeBytes(span[n:]); number {
			case fieldSpanID:
				id = value
			case fieldParentSpanID:
				parent = value
			}
		}
		span = span[n+m:]
	}
	return id, parent, true
}

// unwrap returns the values of a repeated bytes field and what is around them.
func unwrap(message []byte, field protowire.Number) (around envelope, values [][]byte, ok bool) {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return envelope{}, nil, false
		}
		m := protowire.ConsumeFieldValue(number, kind, message[n:])
		if m < 0 {
			return envelope{}, nil, false
		}
		switch {
		case number == field && kind == protowire.BytesType:
			value, _ := protowire.ConsumeBytes(message[n:])
			values = append(values, value)
		case number < field:
			around.head = append(around.head, message[:n+m]...)
		default:
			around.tail = append(around.tail, message[:n+m]...)
		}
		message = message[n+m:]
	}
	return around, values, true
}

// subtree appends span i and all below it.
func (t *spanTree) subtree(i int, to []int) []int {
	to = append(to, i)
	for _, child := range t.spans[i].children {
		to = t.subtree(child, to)
	}
	return to
}

// sizeOf is what spans add to a request.
func (t *spanTree) sizeOf(spans ...int) (size int) {
	for _, i := range spans {
		size += 1 + protowire.SizeBytes(len(t.spans[i].raw))
	}
	return size
}

// encode makes a request of some spans, in their order.
func (t *spanTree) encode(spans []int) []byte {
	var request []byte
	for len(spans) > 0 {
		n, group := 1, t.spans[spans[0]].group
		for n < len(spans) && t.spans[spans[n]].group == group {
			n++
		}
		g := t.groups[group]
		scope := append(make([]byte, 0, t.frame+t.sizeOf(spans[:n]...)), g.scope.head...)
		for _, i := range spans[:n] {
			scope = appendField(scope, fieldSpans, t.spans[i].raw)
		}
		scope = append(scope, g.scope.tail...)
		resource := append(make([]byte, 0, len(scope)+t.frame), g.resource.head...)
		resource = appendField(resource, fieldScopeSpans, scope)
		request = appendField(request, fieldResourceSpans, append(resource, g.resource.tail...))
		spans = spans[n:]
	}
	return request
}

func appendField(b []byte, field protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), value)
}
