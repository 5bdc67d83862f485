package waterfall

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration writes a duration with three digits, in the unit that reads best.
func Duration(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + Duration(max(-d, 0))
	case d == 0:
		return "0 s"
	case d < time.Millisecond:
		return strconv.FormatInt(d.Microseconds(), 10) + " µs"
	case d < 10*time.Millisecond:
		return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 1, 64) + " ms"
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 2, 64) + " s"
	case d < time.Minute:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	case d < time.Hour:
		return fmt.Sprintf("%d min %02d s", d/time.Minute, d%time.Minute/time.Second)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %02d min", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%d d %d h", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}

// Seconds writes a duration given in seconds.
func Seconds(s float64) string {
	if math.IsNaN(s) || math.Abs(s) > float64(math.MaxInt64)/1e9/2 {
		return "unknown"
	}
	return Duration(time.Duration(math.Round(s * 1e9)))
}

// nanos is a number of nanoseconds as a duration, at most the longest there is.
func nanos(n uint64) time.Duration { return time.Duration(min(n, math.MaxInt64)) }

// axis is the scale of a window: from start to end over the width of the plot.
type axis struct{ start, end uint64 }

// decimals of a percentage: a thousandth of a pixel on any screen.
const decimals = 4

// at is the place of an instant in percent of the width, within it.
func (a axis) at(t uint64) float64 {
	switch {
	case t <= a.start:
		return 0
	case t >= a.end:
		return 100
	}
	return round(100 * float64(t-a.start) / float64(a.end-a.start))
}

func round(percent float64) float64 {
	scale := math.Pow(10, decimals)
	return math.Round(percent*scale) / scale
}

// Percent is a place or a width in percent of the plot.
type Percent float64

func (p Percent) String() string {
	return strconv.FormatFloat(round(float64(p)), 'f', -1, 64) + "%"
}

// Tick is a line of the time axis.
type Tick struct {
	X     Percent
	Label string // since the start of the trace
	// End: its label ends at the line; a label in the middle would leave the plot.
	End bool
	// Minor ones lose their label on a narrow screen.
	Minor bool
}

// maxTicks is how many lines an axis has at most, without that of its start.
const maxTicks = 8

// steps between the lines of an axis that a person can count in, nanoseconds.
var steps = func() []uint64 {
	var steps []uint64
	for unit := uint64(1); unit < uint64(time.Minute); unit *= 10 {
		for _, n := range []uint64{1, 2, 5} {
			if n*unit < uint64(30*time.Second) {
				steps = append(steps, n*unit)
			}
		}
	}
	for _, d := range []time.Duration{
		30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
	} {
		steps = append(steps, uint64(d))
	}
	return steps
}()

// ticks are the lines of the axis at round offsets from zero.
func (a axis) ticks(zero uint64) []Tick {
	width := a.end - a.start
	step := steps[len(steps)-1]
	for _, s := range steps {
		if width/s <= maxTicks {
			step = s
			break
		}
	}
	for width/step > maxTicks {
		step *= 2
	}
	var ticks []Tick
	for n := (a.start - zero) / step; n <= (a.end-zero)/step; n++ {
		if t := n * step; t >= a.start-zero {
			x := a.at(zero + t)
			ticks = append(ticks, Tick{X: Percent(x), Label: offset(t, step, a.end-zero), End: x > 93, Minor: len(ticks)%2 == 1})
		}
	}
	return ticks
}

// offset writes the label of a line: seconds on a short axis, else a clock.
func offset(t, step, last uint64) string {
	switch {
	case step < uint64(time.Millisecond):
		return strconv.FormatFloat(float64(t)/1e6, 'f', -1, 64) + " ms"
	case last < uint64(2*time.Minute) && step < uint64(30*time.Second):
		return strconv.FormatFloat(float64(t)/1e9, 'f', -1, 64) + " s"
	}
	s := t / uint64(time.Second)
	label := fmt.Sprintf("%d:%02d", s/60, s%60)
	if s >= 3600 {
		label = fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	if fraction := t % uint64(time.Second); fraction > 0 {
		label += strings.TrimRight(fmt.Sprintf(".%03d", fraction/uint64(time.Millisecond)), "0")
	}
	return label
}
