package mapping

import (
	"bytes"
	"cmp"
	"slices"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// remote says in a link's flags that the span it names is not of this trace's
// process (OTLP SpanFlags: context has is_remote, context is remote).
const remote = uint32(tracepb.SpanFlags_SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK | tracepb.SpanFlags_SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK)

// links of the root: what caused the call, and conversations in which messages
// of it left before its CDR came. None is a parent: the trace id must stay
// computable from the call.
func (c *callMapping) links() []*tracepb.Span_Link {
	var links []*tracepb.Span_Link
	if trace, span, flags, ok := c.upstream(); ok {
		links = append(links, c.link(trace, span, uint32(flags), linkUpstream))
	}
	orphaned := slices.Clone(c.in.Orphaned)
	slices.SortFunc(orphaned, func(a, b SpanRef) int {
		return cmp.Or(bytes.Compare(a.TraceID[:], b.TraceID[:]), bytes.Compare(a.SpanID[:], b.SpanID[:]))
	})
	for i, ref := range orphaned {
		again := i > 0 && ref.TraceID == orphaned[i-1].TraceID && ref.SpanID == orphaned[i-1].SpanID
		if again || ref.TraceID == c.trace { // beside the call already; a link within a trace confuses Jaeger's clocks
			continue
		}
		links = append(links, c.link(ref.TraceID, ref.SpanID, sampled, linkConversation))
	}
	return links
}

func (c *callMapping) link(trace TraceID, span SpanID, flags uint32, kind string) *tracepb.Span_Link {
	from := c.mark()
	c.str(attrLinkKind, kind)
	var attributes []*commonpb.KeyValue = c.since(from)
	return &tracepb.Span_Link{
		TraceId:    slices.Clone(trace[:]),
		SpanId:     slices.Clone(span[:]),
		Flags:      flags | remote,
		Attributes: attributes,
	}
}
