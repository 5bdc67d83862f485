package mapping

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"math"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// ContentHash is the SHA-256 of the payload's canonical JSON: members sorted by
// the bytes of their names, no white space, strings in their shortest spelling,
// numbers in that of appendNumber. Payloads that differ only in the order of members,
// in white space or in how strings and numbers are spelled are the same content. Members of one name stay in order,
// since the last of them counts. The error is that of a payload that isn't JSON.
func ContentHash(payload []byte) ([32]byte, error) { return new(Hasher).Sum(payload) }

// maxKept bounds the buffers that a Hasher keeps, in bytes of payload.
const maxKept = 256 << 10

// Hasher makes content hashes one after the other with the same buffers. The zero
// value is ready; it is not safe for concurrent use.
type Hasher struct {
	compact, respelled []byte
	sorter             memberSorter
}

// Sum is ContentHash.
func (h *Hasher) Sum(payload []byte) ([32]byte, error) {
	if len(payload) > math.MaxInt32 {
		return [32]byte{}, errors.New("decode payload: it is larger than 2 GiB")
	}
	if len(payload) > maxKept {
		h = new(Hasher) // the buffers of a giant go with it
	}
	var err error
	h.compact, err = jsontext.AppendFormat(slices.Grow(h.compact[:0], len(payload)), payload,
		jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return [32]byte{}, decodeError("payload", err)
	}
	if h.sorter.scan(h.compact); h.sorter.respell {
		h.respelled = appendNumbers(h.respelled[:0], h.compact)
		h.sorter.scan(h.respelled)
	}
	return sha256.Sum256(h.sorter.sorted()), nil
}

// sorted is the text with the members of all objects sorted.
// jsontext.ReorderRawObjects would do, were it not quadratic in depth (8 s for
// 8 MB nested 10 000 times) and did it not take members of one name out of order.
func (s *memberSorter) sorted() []byte {
	if !s.unsorted {
		return s.text
	}
	s.out = slices.Grow(s.out[:0], len(s.text))
	s.write(0, len(s.text), 0)
	return s.out
}

// memberSorter notes where objects and their members lie in the text, then
// writes the text anew. Its time is linear in the text but for the sorting.
type memberSorter struct {
	text     []byte
	objects  []jsonObject // those with members, by start
	members  []jsonMember // of an object, members[from:to]
	pending  []jsonMember // of objects that aren't closed
	stack    []openValue
	unsorted bool
	respell  bool // a number is spelled otherwise than by appendNumber
	out      []byte
}

// jsonObject lies at text[start:end]; objects[next] is the first that isn't in it.
// Offsets are small because a hostile text is mostly objects.
type jsonObject struct{ start, end, from, to, next int32 }

// jsonMember lies at text[name:end], its value at text[value:end]; objects[first]
// is the first at or after the value.
type jsonMember struct{ name, value, end, first int32 }

// openValue is an object or array that isn't closed yet.
type openValue struct {
	object int // its index, -1 for an array
	from   int // its first member in pending
}

// scan finds the objects of valid JSON without white space and sorts the members of
// each.
func (s *memberSorter) scan(compact []byte) {
	s.text, s.unsorted, s.respell = compact, false, false
	var number [32]byte
	// A webhook's payload has a member every forty bytes or so.
	s.members = slices.Grow(s.members[:0], len(s.text)/32)
	s.pending = s.pending[:0]
	s.objects = slices.Grow(s.objects[:0], len(s.text)/128)
	stack := s.stack[:0]
	for i := 0; i < len(s.text); i++ {
		switch s.text[i] {
		case '"':
			name := i
			i += stringLen(s.text[i:]) - 1
			if i+1 < len(s.text) && s.text[i+1] == ':' { // only a name is followed by a colon
				s.pending = append(s.pending, jsonMember{name: int32(name), value: int32(i + 2), first: int32(len(s.objects))})
			}
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			written := s.text[i : i+numberLen(s.text[i:])]
			i += len(written) - 1
			s.respell = s.respell || !spelledPlainly(written) && !bytes.Equal(appendNumber(number[:0], written), written)
		case '[':
			stack = append(stack, openValue{object: -1})
		case '{':
			stack = append(stack, openValue{object: len(s.objects), from: len(s.pending)})
			s.objects = append(s.objects, jsonObject{start: int32(i)})
		case ',':
			if stack[len(stack)-1].object >= 0 {
				s.pending[len(s.pending)-1].end = int32(i)
			}
		case '}':
			s.close(stack[len(stack)-1], i)
			stack = stack[:len(stack)-1]
		case ']':
			stack = stack[:len(stack)-1]
		}
	}
	s.stack = stack
}

// close sorts the members of the object that ends at text[end].
func (s *memberSorter) close(o openValue, end int) {
	members := s.pending[o.from:]
	if len(members) == 0 {
		s.objects = s.objects[:o.object] // empty, so nothing came after it
		return
	}
	members[len(members)-1].end = int32(end)
	if !slices.IsSortedFunc(members, s.byName) {
		s.unsorted = true
		slices.SortStableFunc(members, s.byName)
	}
	object := &s.objects[o.object]
	object.end, object.next = int32(end+1), int32(len(s.objects))
	object.from = int32(len(s.members))
	s.members = append(s.members, members...)
	object.to = int32(len(s.members))
	s.pending = s.pending[:o.from]
}

// byName compares the names between their quotes.
func (s *memberSorter) byName(a, b jsonMember) int {
	return bytes.Compare(s.text[a.name+1:a.value-2], s.text[b.name+1:b.value-2])
}

// write writes text[from:to], in which objects[next] is the first object.
func (s *memberSorter) write(from, to, next int) {
	for next < len(s.objects) && int(s.objects[next].start) < to {
		o := s.objects[next]
		s.out = append(s.out, s.text[from:o.start]...)
		separator := byte('{')
		for _, m := range s.members[o.from:o.to] {
			s.out = append(s.out, separator)
			s.out = append(s.out, s.text[m.name:m.value]...)
			s.write(int(m.value), int(m.end), int(m.first))
			separator = ','
		}
		s.out = append(s.out, '}')
		from, next = int(o.end), int(o.next)
	}
	s.out = append(s.out, s.text[from:to]...)
}

// stringLen is the length of the JSON string at the head of text.
func stringLen(text []byte) int {
	for i := 1; ; i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}
