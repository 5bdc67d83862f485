package wrap

import "testing"

func TestTextIsBrokenAtBlanksOnly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text        string
		width, hang int
		want        string
	}{
		{"", 10, 2, ""},
		{"one two three", 0, 2, "one two three"},
		{"one two three", 13, 0, "one two three"},
		{"one two three", 12, 0, "one two\nthree"},
		{"one two three", 7, 0, "one two\nthree"},
		{"one two three", 9, 2, "one two\n  three"},
		{"see http://localhost:4318/v1/traces now", 12, 2, "see\n  http://localhost:4318/v1/traces\n  now"},
		{"ä ö ü", 3, 0, "ä ö\nü"},
		{"mean 1\u00a0s, all", 7, 0, "mean\n1 s,\nall"},
		{"mean 1\u00a0s, all", 0, 0, "mean 1 s, all"},
		{"a b", 1, 4, "a\n    b"},
	} {
		if got := Text(c.text, c.width, c.hang); got != c.want {
			t.Errorf("%q at %d, %d: got %q, want %q", c.text, c.width, c.hang, got, c.want)
		}
	}
}
