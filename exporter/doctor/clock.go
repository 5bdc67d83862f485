package doctor

import "time"

const (
	// clockWarn is what spans of several machines are put in the wrong order by.
	clockWarn = 2 * time.Second
	// clockFail is the default leeway of tokens: beyond it they are refused.
	clockFail = time.Minute
)

// clock is that of somebody else.
type clock struct {
	of    string
	ahead time.Duration // of this machine's
	exact bool          // more than whole seconds are known
}

// heard notes what another clock showed in an answer that was asked for at began and
// has just come. The Date of an answer is cut to seconds.
func (x *examination) heard(of string, date, began time.Time) {
	if date.IsZero() {
		return
	}
	middle := began.Add(time.Since(began) / 2)
	x.clocks = append(x.clocks, clock{of: of, ahead: date.Add(time.Second / 2).Sub(middle)})
}

// clock compares this machine's with those that were heard on the way.
func (x *examination) clock() {
	if len(x.clocks) == 0 {
		x.skip(checkClock, "nobody said what time it is: OTLP/gRPC does not, OTLP/HTTP does when it answers")
		return
	}
	for _, c := range x.clocks {
		switch off := c.ahead.Abs(); {
		case off > clockFail:
			x.fail(checkClock, "set both by NTP; tokens are refused beyond their leeway (auth.jwt.leeway)", "this machine is %s that of %s", c.words(), c.of)
		case off > clockWarn:
			x.warn(checkClock, "set both by NTP", "this machine is %s that of %s", c.words(), c.of)
		case c.exact:
			x.ok(checkClock, "agrees with that of %s, to %v", c.of, max(time.Millisecond, off.Round(time.Millisecond)))
		default:
			x.ok(checkClock, "agrees with that of %s, as far as whole seconds tell", c.of)
		}
	}
}

func (c clock) words() string {
	if c.ahead > 0 {
		return c.ahead.Round(time.Second).String() + " behind"
	}
	return (-c.ahead).Round(time.Second).String() + " ahead of"
}
