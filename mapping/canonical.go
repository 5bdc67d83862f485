package mapping

import (
	"crypto/sha256"

	"github.com/go-json-experiment/json/jsontext"
)

// ContentHash is the SHA-256 of the payload's canonical JSON: members sorted as
// in RFC 8785, no white space, strings in their shortest spelling, numbers as
// they were written. Two payloads that differ only in the order of members or in
// white space are the same content.
func ContentHash(payload []byte) ([32]byte, error) {
	canonical, err := jsontext.AppendFormat(nil, payload,
		jsontext.ReorderRawObjects(true),
		jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return [32]byte{}, decodeError("payload", err)
	}
	return sha256.Sum256(canonical), nil
}
