package admin

import (
	"html/template"
	"reflect"
	"strconv"
	"strings"
	"time"

	"cdr2otel/exporter/internal/admin/waterfall"
)

// functions are what templates call.
func (p *pages) functions() template.FuncMap {
	return template.FuncMap{
		"iso":      func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) },
		"date":     func(t time.Time) string { return t.UTC().Format("2006-01-02") },
		"clock":    func(t time.Time) string { return t.UTC().Format("15:04:05.000") },
		"second":   func(t time.Time) string { return t.UTC().Format("15:04:05") },
		"minute":   func(t time.Time) string { return t.UTC().Format("15:04") },
		"duration": duration,
		"bytes":    size,
		"count":    func(n any) string { return count(reflect.ValueOf(n).Int()) },
		"traceURL": p.traceURL,
		"short":    short,
		"words":    words,
		"refusal":  refusedFor,
		"why":      func(reason string) explanation { return deadLetters[reason] },
		"input":    inputTime,
		"between":  func(from, to time.Time) string { return duration(to.Sub(from)) },
	}
}

// traceURL is where a trace can be looked at: the back end if it is configured,
// else the page of the call. spanID may be empty.
func (p *pages) traceURL(traceID, spanID string) string {
	if p.cfg.TraceURL == "" {
		return "/calls/" + traceID
	}
	return strings.NewReplacer("{trace_id}", traceID, "{span_id}", spanID).Replace(p.cfg.TraceURL)
}

// duration with three digits, in the unit that reads best.
func duration(d time.Duration) string { return waterfall.Duration(d) }

// size of n bytes in binary units, with about three digits.
func size(n int64) string {
	if n < 1024 {
		return strconv.FormatInt(n, 10) + " B"
	}
	value, unit := float64(n), ""
	for _, unit = range []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"} {
		if value /= 1024; value < 1024 {
			break
		}
	}
	digits := 0
	if value < 10 {
		digits = 1
	}
	return strconv.FormatFloat(value, 'f', digits, 64) + " " + unit
}

// count with its thousands apart, by a space that does not break.
func count(n int64) string {
	if n < 0 {
		return "-" + count(-n)
	}
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

// short is the head of an id, enough to tell a few apart.
func short(id string) string {
	if len(id) <= 12 {
		return id
	}
	return id[:8] + "…"
}
