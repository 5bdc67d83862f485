package doctor

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"cdr2otel/exporter/config"
)

// count is "1 source", "2 sources".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// size in whole units: 10GiB.
func size(bytes int64) string {
	switch {
	case bytes >= int64(10*config.GiB):
		return fmt.Sprintf("%d GiB", bytes/int64(config.GiB))
	case bytes >= int64(10*config.MiB):
		return fmt.Sprintf("%d MiB", bytes/int64(config.MiB))
	default:
		return fmt.Sprintf("%d KiB", bytes/int64(config.KiB))
	}
}

// days are whole ones of a duration.
func days(d time.Duration) string { return count(int(d/(24*time.Hour)), "day") }

// oneLine is text from elsewhere, of at most longest bytes, without control
// characters.
func oneLine(text string, longest int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return text
}

// clause is a sentence of ASCII as it goes on behind a semicolon.
func clause(sentence string) string {
	if sentence == "" {
		return ""
	}
	return strings.ToLower(sentence[:1]) + strings.TrimSuffix(sentence[1:], ".")
}
