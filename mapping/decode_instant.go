package mapping

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// maxInstantBytes bounds a timestamp: the longest with a fraction, a zone and its
// name has some 60.
const maxInstantBytes = 64

// instant reads a timestamp.
func (r *reader) instant() Instant {
	if r.err != nil {
		return Instant{}
	}
	if r.dec.PeekKind() != '"' {
		r.mismatch()
		return Instant{}
	}
	raw := r.value()
	if len(raw) < 2 {
		return Instant{}
	}
	s, cut := unquote(raw, maxNameBytes)
	if s = strings.TrimSpace(s); s == "" && !cut {
		return Instant{}
	}
	t, ok := parseInstant(s)
	if !ok || cut {
		r.mistyped++
		return Instant{}
	}
	if t.Year() <= 1970 {
		return Instant{Sentinel: true}
	}
	return Instant{Time: t}
}

// latest is the first year that a time in signed 64-bit nanoseconds cannot hold
// to its end.
const latest = 2262

// parseInstant reads the RFC 3339 date-time the references document
// (yyyy-MM-ddTHH:mm:ss.SSSZ) and what else ISO 8601 and formatters make of it. No
// zone is UTC.
func parseInstant(s string) (time.Time, bool) {
	if len(s) > maxInstantBytes {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	ok := err == nil
	if !ok {
		t, ok = parseISO8601(s)
	}
	t = t.UTC()
	return t, ok && t.Year() < latest
}

// iso8601 has the date and time of day, with or without separators and seconds, the
// fraction of a second, the zone and its name (RFC 9557): java.time leaves out
// seconds that are 0 and adds the name.
var iso8601 = regexp.MustCompile(`^(\d{4})-?(\d\d)-?(\d\d)[Tt ](\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d+))?)?` +
	` ?([Zz]|([+-])(\d\d)(?::?(\d\d))?)?(?:\[[\w/+:-]+\])?$`)

// parseISO8601 reads what time.Parse does not: beside other spellings the second 60,
// a leap second, as the next one, and 24:00 as the end of its day.
func parseISO8601(s string) (time.Time, bool) {
	part := iso8601.FindStringSubmatch(s)
	if part == nil {
		return time.Time{}, false
	}
	number := func(i int) int {
		n, _ := strconv.Atoi(part[i]) // of digits, or of nothing
		return n
	}
	hour, minute, second := number(4), number(5), number(6)
	nanos, _ := strconv.Atoi((part[7] + "000000000")[:9])
	date := time.Date(number(1), time.Month(number(2)), number(3), 0, 0, 0, 0, time.UTC)
	zoneHour, zoneMinute := number(10), number(11)
	if date.Month() != time.Month(number(2)) || date.Day() != number(3) || minute > 59 || second > 60 ||
		hour > 23 && (hour > 24 || minute+second+nanos > 0) || zoneHour > 23 || zoneMinute > 59 {
		return time.Time{}, false
	}
	offset := time.Duration(zoneHour)*time.Hour + time.Duration(zoneMinute)*time.Minute
	if part[9] == "-" {
		offset = -offset
	}
	ofDay := time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute + time.Duration(second)*time.Second + time.Duration(nanos)
	return date.Add(ofDay - offset), true
}
