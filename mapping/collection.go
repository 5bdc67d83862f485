package mapping

import (
	"errors"
	"fmt"
)

// maxLogs bounds a collection: a store takes all of it in one transaction.
const maxLogs = 256

// ErrNothing: a message log has nothing in it, see Message.Nothing.
var ErrNothing = errors.New("decode message: it has none of log_id, request and response")

// Collection takes the payload of message_logged apart that is no message log itself
// (Message.Nothing) but a list of them, what the platform's GET /logs returns:
//
//	{"logs": [{"log_id": …}, …], "pagination": …}
//
// What it returns are pieces of the payload; each is what DecodeMessage takes. The
// errors, which never quote the payload: it holds no message log, or more than 256,
// or is not one JSON object.
func Collection(payload []byte) (logs [][]byte, err error) {
	r := newReader(payload)
	n := 0
	if r.begin('{') {
		for r.more() {
			if string(r.key()) == "logs" {
				logs, n = r.pieces(payload, maxLogs)
			} else {
				r.skip()
			}
		}
	}
	switch err := r.end(); {
	case err != nil:
		return nil, decodeError("message", err)
	case n == 0:
		return nil, ErrNothing
	case n > maxLogs:
		return nil, fmt.Errorf("decode message: it holds %d message logs, more than %d", n, maxLogs)
	}
	return logs, nil
}

// pieces reads an array and keeps where in the payload its first elements are, and
// how many there are.
func (r *reader) pieces(payload []byte, limit int) (kept [][]byte, n int) {
	if !r.begin('[') {
		return nil, 0
	}
	for ; r.more(); n++ {
		value := r.value()
		if end := int(r.dec.InputOffset()); len(kept) < limit && r.err == nil {
			kept = append(kept, payload[end-len(value):end:end])
		}
	}
	return kept, n
}
