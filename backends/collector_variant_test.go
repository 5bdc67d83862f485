package backends

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"cdr2otel/internal/sample"
)

// variant is a sample call with ids of its own and a changed CDR, ended just now.
// Each n is another call. edit may be nil.
func variant(t testing.TB, name string, n int, edit func(cdr object)) [][]byte {
	t.Helper()
	bodies, err := sample.Bodies(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := range bodies {
		for _, id := range idsOfSamples {
			bodies[i] = bytes.ReplaceAll(bodies[i], []byte(id), fmt.Appendf(nil, "%s%03d", id[:len(id)-3], n))
		}
	}
	if edit != nil {
		var body object
		if err := json.Unmarshal(bodies[0], &body); err != nil {
			t.Fatal(err)
		}
		edit(body.at("payload"))
		if bodies[0], err = json.Marshal(body); err != nil {
			t.Fatal(err)
		}
	}
	bodies, err = sample.MoveEnd(bodies, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return bodies
}

// idsOfSamples are the ids in transfer and dtmf_call, of which variants are made:
// sessions, SIP Call-IDs, log ids.
var idsOfSamples = []string{
	"6c0d7f3a-9a51-4c1e-8f34-2b7e5d9a0c61", "51aa90b7-call-0612", "f7b1d2c3-6e48-4a0b-9c5d-1e2f3a4b5c6d",
	"d4e8c1b2-0000-4000-8000-000000000000", "d4e8c1b2-0000-4000-8000-000000000001",
	"d4e8c1b2-0000-4000-8000-000000000002", "d4e8c1b2-0000-4000-8000-000000000003",
	"9caa8bad-aaa8-4a5a-a4b5-62bccc703d15", "17465345_115257202@10.90.150.99", "7874ec3a-1330-4180-afe1-46bfb220af5b",
	"58bebfd1-0118-419b-a555-b152a1efbbe8", "38f36bfb-c2aa-4600-9418-6ab422664e31", "07d74b35-0205-43e4-923c-1e43e1cb429c",
}

// object is a JSON object.
type object map[string]any

// at follows keys and indices to an object within.
func (o object) at(path ...any) object {
	var value any = map[string]any(o)
	for _, step := range path {
		switch step := step.(type) {
		case string:
			value = value.(map[string]any)[step]
		case int:
			value = value.([]any)[step]
		}
	}
	return value.(map[string]any)
}

// turn is the nth turn of the first summary.
func (o object) turn(n int) object {
	return o.at("assistant_interaction_summaries", 0, "turns", n)
}
