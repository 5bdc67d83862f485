package store

import (
	"errors"
	"testing"
)

func TestEachWayInWhichAConnectionFailedIsSaidOnce(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"connect: resolving: lookup h: no such host\nlookup h: no such host":                         "connect: resolving: lookup h: no such host",
		"connect:\n\t192.0.2.1:1 (a): refused\n\t192.0.2.1:1 (a): refused\n\t192.0.2.2:1: refused":   "connect: 192.0.2.1:1 (a): refused 192.0.2.2:1: refused",
		"read tcp 192.0.2.1:40000->192.0.2.2:1: reset\nread tcp 192.0.2.1:40002->192.0.2.2:1: reset": "read tcp 192.0.2.1:40000->192.0.2.2:1: reset",
		"one  line": "one line",
	} {
		if got := advised(errors.New(text)).Error(); got != want {
			t.Errorf("%q is told as %q, want %q", text, got, want)
		}
	}
}
