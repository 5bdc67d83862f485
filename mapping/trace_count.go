package mapping

import "math"

// maxCount bounds every number of things: what a double holds exactly.
const maxCount = 1 << 53

// count is a number of things that the source may not have given.
type count struct {
	n     int64
	known bool
}

// count reads a number of things; one that is negative or not exact is as if
// absent, and counted.
func (c *clock) count(n Number) count {
	read := c.signed(n)
	if read.known && read.n < 0 {
		c.anomalies.add(anomalyImplausibleNumber)
		return count{}
	}
	return read
}

// signed is count for numbers that can be negative.
func (c *clock) signed(n Number) count {
	if !n.Valid {
		return count{}
	}
	if !(math.Abs(n.Value) <= maxCount) {
		c.anomalies.add(anomalyImplausibleNumber)
		return count{}
	}
	return count{int64(math.Round(n.Value)), true}
}

// plus adds what is known.
func (c count) plus(d count) count {
	return count{min(c.n+d.n, maxCount), c.known || d.known}
}

func (b *builder) count(key string, c count) {
	if c.known {
		b.int(key, c.n)
	}
}
