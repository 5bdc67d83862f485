package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

func TestEveryBodyHasItsPlace(t *testing.T) {
	t.Parallel()
	const input = "\n{\n\"a\": 1}\r\n {} []\n\n\"x\"\n"
	want := []string{"in line 2 (byte 1): {\n\"a\": 1}", "in line 4 (byte 13): {}", "in line 4 (byte 16): []", `in line 6 (byte 20): "x"`}
	for _, reader := range []io.Reader{strings.NewReader(input), iotest.OneByteReader(strings.NewReader(input))} {
		var got []string
		err := eachValue("in", reader, func(body jsontext.Value, at place) error {
			got = append(got, fmt.Sprintf("%s: %s", at, body))
			return nil
		})
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("%v %s", err, cmp.Diff(want, got))
		}
	}
}

// Files that begin with a byte order mark, joined: with a line end between them, and
// without.
func TestAByteOrderMarkBeforeABodyIsSkipped(t *testing.T) {
	t.Parallel()
	const mark = "\xef\xbb\xbf"
	input := mark + "{\"a\":\"" + mark + "\"}\n" + mark + " {}" + mark + "[]\n\n" + mark + "1 2"
	want := []string{"in line 1 (byte 3): {\"a\":\"" + mark + "\"}", "in line 2 (byte 19): {}", "in line 2 (byte 24): []", "in line 4 (byte 31): 1", "in line 4 (byte 33): 2"}
	for _, reader := range []io.Reader{strings.NewReader(input), iotest.OneByteReader(strings.NewReader(input))} {
		var got []string
		err := eachValue("in", reader, func(body jsontext.Value, at place) error {
			got = append(got, fmt.Sprintf("%s: %s", at, body))
			return nil
		})
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("%v %s", err, cmp.Diff(want, got))
		}
	}
	for input, want := range map[string]string{
		mark + mark + "{}":          "in line 1 (byte 3): not JSON: ",
		"{}\n" + mark + mark + "{}": "in line 2 (byte 6): not JSON: ",
		"{" + mark + "}":            "in line 1 (byte 0): not JSON: ",
		"\xef\xbb{}":                "in line 1 (byte 0): not JSON: ",
		"\xef":                      "in line 1 (byte 0): not JSON: ",
	} {
		for _, reader := range []io.Reader{strings.NewReader(input), iotest.OneByteReader(strings.NewReader(input))} {
			err := eachValue("in", reader, func(jsontext.Value, place) error { return nil })
			if err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%q: %v, want %s", input, err, want)
			}
		}
	}
	for _, input := range []string{mark, "{}" + mark, mark + "\n"} {
		if err := eachValue("in", strings.NewReader(input), func(jsontext.Value, place) error { return nil }); err != nil {
			t.Errorf("%q: %v", input, err)
		}
	}
}

func TestOneBodyIsLimitedAndTheirNumberIsNot(t *testing.T) {
	t.Parallel()
	line := `"` + strings.Repeat("x", 1<<20) + `"` + "\n"
	bodies := 0
	err := eachValue("in", io.LimitReader(&repeated{text: line}, 50*int64(len(line))), func(jsontext.Value, place) error {
		bodies++
		return nil
	})
	if err != nil || bodies != 50 {
		t.Errorf("%d bodies, %v", bodies, err)
	}
}

func TestInputThatCanNotBeReadIsNamedWithItsPlace(t *testing.T) {
	t.Parallel()
	broken := errors.New("device not ready")
	cases := []struct {
		input io.Reader
		want  string
	}{
		{strings.NewReader("{}\n\n  {\"a\"\n:}\n{}"), "in line 3 (byte 6): not JSON: "},
		{strings.NewReader("{}\n{\"a\":"), "in line 2 (byte 3): not JSON: "},
		{strings.NewReader("{}\n}"), "in line 2 (byte 3): not JSON: "},
		{io.MultiReader(strings.NewReader("{}\n{"), iotest.ErrReader(broken)), "in line 2 (byte 3): "},
		{io.MultiReader(strings.NewReader("{}\n["), &repeated{`"` + strings.Repeat("x", 1<<16) + `",`, 0}), "in line 2 (byte 3): longer than 32 MiB; write one JSON object for each body"},
	}
	for _, c := range cases {
		bodies := 0
		err := eachValue("in", c.input, func(jsontext.Value, place) error {
			bodies++
			return nil
		})
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || bodies != 1 {
			t.Errorf("%v, want %s; %d bodies", err, c.want, bodies)
		}
	}
}

// repeated is the same text without an end.
type repeated struct {
	text string
	at   int
}

func (r *repeated) Read(p []byte) (int, error) {
	for n := 0; n < len(p); {
		copied := copy(p[n:], r.text[r.at:])
		r.at = (r.at + copied) % len(r.text)
		n += copied
	}
	return len(p), nil
}
