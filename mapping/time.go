package mapping

import (
	"math"
	"slices"
	"time"
)

// shortest is the least length of a span: Jaeger reports a zero-length span as
// "negative duration".
const shortest = int64(time.Microsecond)

// reach is how far from the anchor an instant may lie, and the longest duration
// that is believed: one wrong year would widen the root by years.
const reach = 24 * time.Hour

// aside is how far an instant may lie outside of a call whose facts agree: clocks
// that are set wrong are off by a zone or by summer time, which is more.
const aside = 10 * time.Minute

// adjusted says in which ways the bounds of a span differ from the source's.
type adjusted uint8

const (
	widened      adjusted = 1 << iota // to the envelope of its children
	clamped                           // the end lay before the start, or at it
	sentinel                          // the source had 1970 for "unknown"
	inferred                          // derived from other instants
	contradicted                      // the source's own duration is another
	adjustments  = 1 << iota
)

// names lists the flags in the order of wxa.time.adjusted.
func (a adjusted) names() []string {
	var names []string
	for i, name := range [...]string{"envelope", "clamped", "sentinel", "inferred", "contradicted"} {
		if a&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// instant is a point in Unix nanoseconds that the source may not have given.
type instant struct {
	nanos int64
	ok    bool
}

// bounds are a span's start and end in Unix nanoseconds, never negative. Zero
// bounds with ok false are those of a span that does not exist.
type bounds struct {
	start, end int64
	flags      adjusted
	ok         bool
}

// cover makes b the envelope of itself and child.
func (b *bounds) cover(child bounds) {
	switch {
	case !child.ok:
	case !b.ok:
		b.start, b.end, b.ok = child.start, child.end, true
	default:
		b.start, b.end = min(b.start, child.start), max(b.end, child.end)
	}
}

// widen is cover for bounds that the source gave, which says so.
func (b *bounds) widen(child bounds) {
	before := *b
	b.cover(child)
	if before.ok && *b != before {
		b.flags |= widened
	}
}

// within returns t, moved into the bounds.
func (b bounds) within(t int64) int64 {
	return min(max(t, b.start), b.end)
}

// clock decides which of a payload's instants and durations are believed.
type clock struct {
	anchor   int64
	anchored bool
	reach    int64
	// call is what a call whose facts agree says of its own time, see agreedCall.
	call      bounds
	anomalies anomalies
}

// at returns the instant in Unix nanoseconds, and counts one that is not
// believed.
func (c *clock) at(i Instant) instant { return c.believed(i, c.plausible) }

// elsewhere is at for an instant of another clock than the call's.
func (c *clock) elsewhere(i Instant) instant { return c.believed(i, c.reachable) }

func (c *clock) believed(i Instant, plausible func(Instant) instant) instant {
	if i.Sentinel {
		c.anomalies.add(anomalySentinelTime)
	}
	if i.Time.IsZero() {
		return instant{}
	}
	t := plausible(i)
	if !t.ok {
		c.anomalies.add(anomalyImplausibleTime)
	}
	return t
}

// plausible is at without the counting.
func (c *clock) plausible(i Instant) instant {
	t := c.reachable(i)
	if c.call.ok {
		t.ok = t.ok && t.nanos >= c.call.start-int64(aside) && t.nanos <= c.call.end+int64(aside)
	}
	return t
}

func (c *clock) reachable(i Instant) instant {
	t := unixNano(i.Time)
	t.ok = t.ok && c.anchored && distance(t.nanos, c.anchor) <= c.reach
	return t
}

// span returns the bounds of a span: the end not before the start, and never at
// it.
func (c *clock) span(start, end int64, flags adjusted) bounds {
	if end < start {
		c.anomalies.add(anomalyClamped)
	}
	if end < start+shortest {
		end = start + shortest
		flags |= clamped
	}
	return bounds{start: start, end: end, flags: flags, ok: true}
}

// measure is a duration that the source may not have measured.
type measure struct {
	nanos int64
	known bool
}

// measured tells a measurement from the 0 ms that stand for none.
func (m measure) measured() bool { return m.known && m.nanos > 0 }

func (m measure) seconds() float64 { return seconds(m.nanos) }

// milliseconds reads a duration; one that is negative, or longer than a day and than
// the call, is as if absent, and counted.
func (c *clock) milliseconds(n Number) measure {
	if !n.Valid {
		return measure{}
	}
	longest := max(reach, time.Duration(c.call.end-c.call.start)+aside)
	if n.Value < 0 || n.Value > float64(longest.Milliseconds()) || math.IsNaN(n.Value) {
		c.anomalies.add(anomalyImplausibleDuration)
		return measure{}
	}
	return measure{nanos: int64(math.Round(n.Value * float64(time.Millisecond))), known: true}
}

// anchorOf picks the instant around which all others must lie: the first of the
// candidates that another one bears out, else the first, else the receipt. None
// may lie more than a day after the receipt: what has not happened can't have
// been reported.
func anchorOf(received time.Time, candidates ...Instant) instant {
	receipt := unixNano(received)
	latest := int64(math.MaxInt64)
	if receipt.ok {
		latest = receipt.nanos + int64(reach)
	}
	var believed [4]int64
	n := 0
	for _, candidate := range candidates {
		if t := unixNano(candidate.Time); t.ok && t.nanos <= latest && n < len(believed) {
			believed[n] = t.nanos
			n++
		}
	}
	for i, t := range believed[:n] {
		if slices.ContainsFunc(believed[i+1:n], func(u int64) bool { return distance(t, u) <= int64(reach) }) {
			return instant{t, true}
		}
	}
	if n > 0 {
		return instant{believed[0], true}
	}
	return receipt
}

// firstNano and lastNano bound the instants that are representable with all
// the arithmetic on them: 1971 and 2200.
const (
	firstNano = int64(365 * 24 * time.Hour)
	lastNano  = int64(230 * 365.25 * 24 * float64(time.Hour))
)

// unixNano converts an instant that lies between 1971 and 2200.
func unixNano(t time.Time) instant {
	if seconds := t.Unix(); seconds < firstNano/int64(time.Second) || seconds >= lastNano/int64(time.Second) {
		return instant{}
	}
	return instant{t.UnixNano(), true}
}

func distance(a, b int64) int64 { return max(a, b) - min(a, b) }

func seconds(nanos int64) float64 { return float64(nanos) / float64(time.Second) }
