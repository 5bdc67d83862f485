package admin

import (
	"slices"
	"time"
)

// Outcomes that only the overview knows.
const (
	OutcomeAnswered    = "answered"    // synchronous
	OutcomeMisdirected = "misdirected" // 404, 405, and what failed before it was a request
)

// outcome is a series of the chart.
type outcome struct {
	Name  string // of its colour in the style sheet, too
	Words string
	// Pattern is drawn on its colour, for eyes that don't tell colours apart: a pattern of
	// overview.html; "" for none.
	Pattern string
	// Lost: it was refused, and the platform, which repeats nothing, has lost it. Perhaps:
	// so it is if it was the platform's with a wrong URL, and no scanner's.
	Lost, Perhaps bool
}

// outcomes of the webhook listener, in the order of the picture, from bottom to top. What
// is lost is red.
var outcomes = []outcome{
	{Name: "accepted", Words: "taken in"},
	{Name: OutcomeAnswered, Words: "synchronous, answered at once"},
	{Name: "duplicate", Words: "sent again, known already"},
	{Name: "conflict", Words: "same key, other content: dead letter", Pattern: "steep"},
	{Name: "unsupported", Words: "unknown or unmappable: dead letter"},
	{Name: "refused", Words: "authentic, could not be stored: lost", Lost: true},
	{Name: "unauthorized", Words: "wrong or no credentials: lost if the platform sent it", Pattern: "diagonal", Lost: true},
	{Name: "malformed", Words: "not an event that can be read: lost", Pattern: "dots", Lost: true},
	{Name: "too_large", Words: "too large: lost", Pattern: "level", Lost: true},
	{Name: OutcomeMisdirected, Words: "wrong path, not a POST, or no HTTP or TLS that works: a scanner's, or lost", Pattern: "sparse", Perhaps: true},
}

// outcomeOf is the series of an outcome; what is not known counts as lost.
func outcomeOf(name string) outcome {
	if i := slices.IndexFunc(outcomes, func(o outcome) bool { return o.Name == name }); i >= 0 {
		return outcomes[i]
	}
	return outcome{Name: name, Words: words(name), Lost: true}
}

// chart is the picture of the last hour, in units of its own.
type chart struct {
	Width, Height int
	Bars          []bar
	Legend        []outcomeCount // from bottom to top
	Total, Most   int64          // of the hour; of the busiest minute
	Refused       int64          // of the hour
	From, To      time.Time
}

// bar is one outcome in one minute.
type bar struct {
	X, Y, Width, Height float64
	outcome
}

// outcomeCount is one outcome over the hour.
type outcomeCount struct {
	outcome
	N int64
}

const (
	barPitch    = 10
	barWidth    = 8
	barLeast    = 3 // one refused webhook among thousands must be seen
	chartHeight = 120
)

// draw stacks the outcomes of each minute.
func draw(minutes []Minute) chart {
	c := chart{Width: barPitch * len(minutes), Height: chartHeight}
	totals := map[string]int64{}
	kinds := 0 // of outcomes in one minute
	for _, m := range minutes {
		var sum int64
		kinds = max(kinds, len(m.Outcomes))
		for name, n := range m.Outcomes {
			sum += n
			totals[name] += n
			if o := outcomeOf(name); o.Lost || o.Perhaps {
				c.Refused += n
			}
		}
		c.Total += sum
		c.Most = max(c.Most, sum)
	}
	if len(minutes) > 0 {
		c.From, c.To = minutes[0].Start, minutes[len(minutes)-1].Start
	}
	for i, m := range minutes {
		y := float64(chartHeight)
		for _, o := range outcomes {
			n := m.Outcomes[o.Name]
			if n == 0 {
				continue
			}
			height := max(barLeast, float64(n)/float64(c.Most)*float64(chartHeight-barLeast*(kinds-1)))
			y -= height
			c.Bars = append(c.Bars, bar{float64(i*barPitch) + (barPitch-barWidth)/2, y, barWidth, height, o})
		}
	}
	for _, o := range outcomes {
		if n := totals[o.Name]; n > 0 {
			c.Legend = append(c.Legend, outcomeCount{o, n})
		}
	}
	return c
}
