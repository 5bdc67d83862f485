package mapping

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOrderOfMembersAndWhiteSpaceDoNotChangeTheContentHash(t *testing.T) {
	t.Parallel()
	for name, payload := range samplePayloads(t) {
		want, err := ContentHash(payload)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for seed := range uint64(20) {
			got, err := ContentHash(shuffle(t, payload, rand.New(rand.NewPCG(seed, 1))))
			if err != nil || got != want {
				t.Fatalf("%s: shuffled with seed %d: hash %x, want %x (%v)", name, seed, got, want, err)
			}
		}
	}
}

func TestCanonicalJSON(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, want string }{
		{"members are sorted at every level", `{"b":[{"d":1,"c":{}}],"a":{"z":[],"y":"}{"}}`, `{"a":{"y":"}{","z":[]},"b":[{"c":{},"d":1}]}`},
		{"the order of arrays stays", `[3,{"b":1,"a":[2,1]},{"d":{"f":1,"e":2}},1]`, `[3,{"a":[2,1],"b":1},{"d":{"e":2,"f":1}},1]`},
		{"the last of equal members stays the last", `{"b":0,"a":2,"a":1}`, `{"a":2,"a":1,"b":0}`},
		{"a prefix comes first", `{"ab":1,"a":2,"a ":3}`, `{"a":2,"a ":3,"ab":1}`},
		{"what is sorted stays as it is", `{"a":1,"b":[{},[]]}`, `{"a":1,"b":[{},[]]}`},
		{"escaped quotes end no string", `{"b\"":"\\","a":"\\\",\"c\":0"}`, `{"a":"\\\",\"c\":0","b\"":"\\"}`},
		{"a scalar", `12`, `12`},
	} {
		var s memberSorter
		if s.scan([]byte(c.in)); string(s.sorted()) != c.want {
			t.Errorf("%s: got %s, want %s", c.name, s.sorted(), c.want)
		}
	}
}

func TestOtherContentHasAnotherHash(t *testing.T) {
	t.Parallel()
	seen := map[[32]byte]string{}
	for _, payload := range []string{
		`{}`, `[]`, `{"a":1}`, `{"a":1.1}`, `{"a":"1"}`, `{"a":null}`, `{"a":[1,2]}`, `{"a":[2,1]}`,
		`{"a":1,"b":2}`, `{"a":2,"b":1}`, `{"a":1,"a":2}`, `{"a":2,"a":1}`, `{"a":{"b":1}}`, `{"a":{},"b":1}`,
		`{"a":12345678901234567890}`, `{"a":12345678901234567891}`,
	} {
		hash, err := ContentHash([]byte(payload))
		if err != nil {
			t.Fatalf("%s: %v", payload, err)
		}
		if other, ok := seen[hash]; ok {
			t.Errorf("%s and %s have the same hash", payload, other)
		}
		seen[hash] = payload
	}
}

func TestTheSpellingOfAStringDoesNotChangeTheContentHash(t *testing.T) {
	t.Parallel()
	a, _ := ContentHash([]byte(`{"k\u0061":"\u0041\/\t\ud83d\ude00"}`))
	b, _ := ContentHash([]byte("{ \"ka\" : \"A/\\t\U0001F600\" }"))
	if a != b {
		t.Error("escaped and plain spelling differ")
	}
}

func TestContentHashRefusesWhatIsNotJSON(t *testing.T) {
	t.Parallel()
	for _, payload := range []string{"", "{", `{"a":}`, `{"a":1}{}`, "nul", `{"a":1,}`} {
		if _, err := ContentHash([]byte(payload)); err == nil || !strings.HasPrefix(err.Error(), "decode payload: byte ") {
			t.Errorf("%q: error %v, want the position", payload, err)
		}
	}
}

// Deep nesting costs no more than the same bytes side by side: the library's own
// reordering copies everything once a level.
func TestDeepNestingIsHashedInTheMemoryOfTheText(t *testing.T) {
	t.Parallel()
	const depth = 4900
	deep := []byte(strings.Repeat(`{"b":`, depth) + `"` + strings.Repeat("x", 1<<20) + `"` + strings.Repeat(`,"a":1}`, depth))
	var s memberSorter
	s.scan(deep)
	if len(s.objects) != depth || len(s.members) != 2*depth || !s.unsorted {
		t.Fatalf("%d objects with %d members, want %d and %d", len(s.objects), len(s.members), depth, 2*depth)
	}
	if got := s.sorted(); len(got) != len(deep) || !bytes.HasPrefix(got, []byte(`{"a":1,"b":{"a":1,"b":`)) {
		t.Errorf("sorted text begins %.40s and has %d bytes, want %d", got, len(got), len(deep))
	}
}

// samplePayloads are the payloads of the sample webhooks.
func samplePayloads(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("../examples/webhooks/*.json")
	if err != nil || len(files) < 19 {
		t.Fatalf("%d sample webhooks: %v", len(files), err)
	}
	payloads := make(map[string][]byte, len(files))
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		payloads[filepath.Base(file)] = payloadOf(t, body)
	}
	return payloads
}

// payloadOf returns the payload of a webhook body.
func payloadOf(t testing.TB, body []byte) []byte {
	t.Helper()
	r := newReader(body)
	payload := member(r, "payload", func(r *reader) []byte { return r.value().Clone() })
	if err := r.end(); err != nil || payload == nil {
		t.Fatalf("no payload: %v", err)
	}
	return payload
}

// shuffle puts the members of all objects in another order and spreads white
// space. Without a source of randomness the order stays.
func shuffle(t testing.TB, payload []byte, random *rand.Rand) []byte {
	t.Helper()
	r := newReader(append(append([]byte(`{"payload":`), payload...), '}'))
	var out []byte
	if r.begin('{') && r.more() {
		r.key()
		out = shuffleValue(r, random)
	}
	if r.more() || r.end() != nil {
		t.Fatalf("shuffle: %v", r.err)
	}
	return out
}

func shuffleValue(r *reader, random *rand.Rand) []byte {
	var parts [][]byte
	space := " \n"
	if random != nil {
		space = strings.Repeat(" \n\t", random.IntN(3))
	}
	kind := r.dec.PeekKind()
	switch kind {
	case '{':
		r.begin('{')
		for r.more() {
			name := r.value().Clone()
			parts = append(parts, fmt.Appendf(nil, "%s%s:%s%s", space, name, space, shuffleValue(r, random)))
		}
		if random != nil {
			random.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		}
	case '[':
		r.begin('[')
		for r.more() {
			parts = append(parts, shuffleValue(r, random))
		}
	default:
		return r.value().Clone()
	}
	closing := byte(kind) + 2 // '{' is followed by '|' and '}', '[' by '\\' and ']'
	return fmt.Appendf(nil, "%c%s%s%c", byte(kind), bytes.Join(parts, []byte(","+space)), space, closing)
}
