package mapping

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTextIsValidAndBounded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, in string
		limit    int
		want     string
	}{
		{"what fits stays", "Grüße", 7, "Grüße"},
		{"cut at a rune", "Grüße", 5, "Grü"},
		{"no room for a rune", "ü", 1, ""},
		{"invalid bytes are replaced", "a\xff\xfeb", 20, "a\uFFFDb"},
		{"half a rune at the end", "a\xc3", 20, "a\uFFFD"},
		{"NUL is replaced", "a\x00b", 20, "a\uFFFDb"},
		{"other control characters stay", "a\tb\nc", 20, "a\tb\nc"},
		{"empty", "", 5, ""},
	} {
		if got := Text(c.in, c.limit); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("a\x00\xff€", 3)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit &= 0xFFF
		got := Text(s, limit)
		if len(got) > limit || !utf8.ValidString(got) || strings.Contains(got, "\x00") {
			t.Errorf("Text(%q, %d) = %q", s, limit, got)
		}
		if utf8.ValidString(s) && !strings.Contains(s, "\x00") && len(s) <= limit && got != s {
			t.Errorf("%q changed to %q", s, got)
		}
		if scrubbed := ScrubWarning(s); len(scrubbed) > MaxReason || !utf8.ValidString(scrubbed) {
			t.Errorf("ScrubWarning(%q) = %q", s, scrubbed)
		}
	})
}

func TestEndReasonsAreSnakeCase(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string]string{
		"callerHangup": "caller_hangup", "caller_hangup": "caller_hangup", "assistantTransfer": "assistant_transfer",
		"failed": "failed", "FAILED": "failed", "Caller Hangup": "caller_hangup", "caller-hangup ": "caller_hangup",
		"": "", "disasterRecovery503": "disaster_recovery503", "called +1 888 555 0456": "_OTHER", "my name is Alice and I live here": "_OTHER", "...": "",
		"größe": "gr_e", "\x00": "",
	} {
		if got := EndReason(sent); got != want {
			t.Errorf("EndReason(%q) = %q, want %q", sent, got, want)
		}
	}
}
