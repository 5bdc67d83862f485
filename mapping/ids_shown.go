package mapping

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
)

// HashIDs says which ids leave as a hash. Ids find and join calls, but a caller's
// phone writes the Call-ID, and may write its number there (I5).
type HashIDs uint8

const (
	// HashNumbers is the default: ids that hold what could be a telephone number.
	// Without a key that part is replaced, because a hash without a key is undone by
	// trying all numbers.
	HashNumbers HashIDs = iota
	// HashAll needs a key.
	HashAll
	// HashNone lets every id leave as it is.
	HashNone
)

// IDs says how ids leave, as attributes and inside the texts of warnings. Trace ids,
// span ids and joins are made of the ids themselves.
type IDs struct {
	mode HashIDs
	key  []byte
}

// NewIDs returns an error when all ids are to be hashed and there is no key.
func NewIDs(mode HashIDs, key []byte) (IDs, error) {
	switch {
	case mode > HashNone:
		return IDs{}, fmt.Errorf("hash_ids: %d is none of numbers, all, none", mode)
	case mode == HashAll && len(key) == 0:
		return IDs{}, errors.New("hash_ids: all needs caller_hash_key_file, because a hash without a key can be undone")
	}
	return IDs{mode, key}, nil
}

// Shown is the id as it leaves: itself, the hash, or the id with [number] in it.
func (i IDs) Shown(id string) string {
	if id == "" || i.mode == HashNone {
		return id
	}
	masked := maskID(id)
	if masked == id && i.mode == HashNumbers {
		return id
	}
	if len(i.key) == 0 {
		return masked
	}
	mac := hmac.New(sha256.New, i.key)
	mac.Write([]byte("cdr2otel/v1/id\x00")) // no hash of an id equals that of a caller
	mac.Write([]byte(id))
	return "h:" + hex.EncodeToString(mac.Sum(nil)[:16])
}

// maskID puts [number] for what could be a telephone number.
func maskID(id string) string {
	if !hasLongNumber(id) || isUUID(id) {
		return id
	}
	return replaceNumbers(id, idNumber, keptInID)
}

// In an id two counters of the platform's own Call-IDs are no number either
// (17465345_115257202@10.90.150.99), nor is the address after an @.
const (
	counters = `\b\d{1,9}_\d{1,9}@`
	address  = `@(?:\d{1,3}\.){3}\d{1,3}\b`
)

var (
	idNumber = regexp.MustCompile(`(?i)` + counters + `(?:\d{1,3}\.){3}\d{1,3}\b|` + address + `|` + uuid + `|` + hexID + `|` + date + `|` + number)
	keptInID = regexp.MustCompile(`(?i)^(?:` + counters + `[\d.]+|` + address + `|` + uuid + `|` + date + `)$`)
)

// isUUID is the common case, faster than a regular expression.
func isUUID(id string) bool {
	if len(id) != 36 {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f'):
			return false
		}
	}
	return true
}
