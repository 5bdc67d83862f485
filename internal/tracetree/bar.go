package tracetree

import "strings"

// scale lays a trace's time over columns of half a character.
type scale struct {
	start, end uint64 // Unix nanoseconds
	columns    int
}

// halves is the place of an instant, in half columns.
func (s scale) halves(at uint64) int {
	if s.end <= s.start || at <= s.start {
		return 0
	}
	at = min(at, s.end)
	return int(float64(at-s.start) / float64(s.end-s.start) * float64(2*s.columns))
}

// bar draws a span from start to end. Up to solid (an instant) it is waiting,
// drawn light: the time until the first audio, during which the caller hears
// nothing. What is there is never invisible: it has at least half a column.
func (s scale) bar(start, solid, end uint64) string {
	from, to := s.halves(start), s.halves(end)
	from = min(from, 2*s.columns-1)
	to = max(to, from+1)
	wait := s.halves(solid)

	var b strings.Builder
	for column := range s.columns {
		left, right := 2*column, 2*column+1
		switch inLeft, inRight := left >= from && left < to, right >= from && right < to; {
		case !inLeft && !inRight:
			b.WriteByte(' ')
		case right < wait:
			b.WriteRune('░')
		case inLeft && inRight:
			b.WriteRune('█')
		case inLeft:
			b.WriteRune('▌')
		default:
			b.WriteRune('▐')
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// mark draws an instant.
func (s scale) mark(at uint64, mark string) string {
	return strings.Repeat(" ", min(s.halves(at)/2, s.columns-1)) + mark
}
