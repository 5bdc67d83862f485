package mapping

import "google.golang.org/protobuf/encoding/protowire"

// CountSpans returns how many spans an encoded ExportTraceServiceRequest holds, 0
// if it is none. Only the envelopes are read: what is in a span is not looked at.
func CountSpans(encodedRequest []byte) int {
	n, ok := countMessages(encodedRequest, fieldResourceSpans, fieldScopeSpans, fieldSpans)
	if !ok {
		return 0
	}
	return n
}

// CountLogRecords is CountSpans for an encoded ExportLogsServiceRequest.
func CountLogRecords(encodedRequest []byte) int {
	n, ok := countMessages(encodedRequest, fieldResourceLogs, fieldScopeLogs, fieldLogRecords)
	if !ok {
		return 0
	}
	return n
}

// countMessages counts the messages at the end of a path of repeated fields.
func countMessages(message []byte, path ...protowire.Number) (n int, ok bool) {
	for len(message) > 0 {
		number, kind, tag := protowire.ConsumeTag(message)
		if tag < 0 {
			return 0, false
		}
		size := protowire.ConsumeFieldValue(number, kind, message[tag:])
		if size < 0 {
			return 0, false
		}
		if number == path[0] && kind == protowire.BytesType {
			inner := 1
			if len(path) > 1 {
				value, _ := protowire.ConsumeBytes(message[tag:])
				if inner, ok = countMessages(value, path[1:]...); !ok {
					return 0, false
				}
			}
			n += inner
		}
		message = message[tag+size:]
	}
	return n, true
}
