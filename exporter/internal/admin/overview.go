package admin

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Activity is what the webhook listener answered lately, and what waits.
type Activity struct {
	// Minutes by their end, oldest first; the last one has not ended.
	Minutes []Minute
	// OldestWaiting is since when the oldest event that could have left has not;
	// zero when nothing waits that could.
	OldestWaiting time.Time
	// OpenCalls are telephone sessions with messages whose record has not come; of
	// more than MaxOpenCalls so many are counted.
	OpenCalls int64
}

// MaxOpenCalls bounds Activity.OpenCalls.
const MaxOpenCalls = 10_000

// Minute counts the answers of one minute by outcome, which is a closed set.
type Minute struct {
	Start    time.Time
	Outcomes map[string]int64
}

// overviewData is what the first page shows.
type overviewData struct {
	Status     Status
	Ready      bool
	Signals    []signal
	Waiting    int64
	Oldest     time.Duration // 0: nothing waits
	Fill       fill
	Ledger     []stateCount
	Chart      chart
	Arrived    int64 // events ever accepted
	WebhookURL string
}

// signal is how the export of traces, or of logs, goes.
type signal struct {
	Name  string
	State string // sending, held, off
	Why   string // of held
}

// fill is how full the store is.
type fill struct {
	Used, Limit int64
	Percent     int // of Limit; 0 without one
	Bar         int // of the picture, at least one when there is anything
}

// stateCount is a line of the ledger.
type stateCount struct {
	State string
	N     int64
}

func (p *pages) overview(w http.ResponseWriter, r *http.Request) {
	s, a := p.cfg.Status(r), p.cfg.Activity(r.Context())
	d := overviewData{
		Status:     s,
		Ready:      s.NotReady == "",
		Signals:    signals(s.Delivery),
		Waiting:    s.Events["pending"],
		Fill:       filled(s.StoreBytes, s.StoreLimit),
		Ledger:     ledger(s.Events),
		Chart:      draw(a.Minutes),
		Arrived:    s.Events["accepted"],
		WebhookURL: p.cfg.WebhookURL,
	}
	if !a.OldestWaiting.IsZero() {
		d.Oldest = max(p.cfg.Now().Sub(a.OldestWaiting), time.Nanosecond)
	}
	p.render(w, r, http.StatusOK, "overview", view{Title: "Overview", Section: "/", Data: d})
}

// signals reads what /readyz says of each signal.
func signals(delivery map[string]string) []signal {
	var all []signal
	for _, name := range slices.Sorted(maps.Keys(delivery)) {
		state, why, _ := strings.Cut(delivery[name], ": ")
		all = append(all, signal{name, state, why})
	}
	return all
}

func filled(used, limit int64) fill {
	f := fill{Used: used, Limit: limit}
	if limit > 0 {
		f.Percent = int(min(100, used*100/limit))
		f.Bar = max(f.Percent, int(min(used, 1)))
	}
	return f
}

// states are those of an event, in the order in which one asks for them.
var states = []string{"pending", "exported", "dead", "dropped", "expired", "forgotten"}

// ledger is where every accepted event is now.
func ledger(events map[string]int64) []stateCount {
	lines := make([]stateCount, len(states))
	for i, state := range states {
		lines[i] = stateCount{state, events[state]}
	}
	return lines
}

// Outcomes that only the overview knows.
const (
	OutcomeAnswered    = "answered"    // synchronous
	OutcomeMisdirected = "misdirected" // 404, 405
)

// outcomes of the webhook listener, in the order of the picture, each with the
// group that gives it its colour.
var outcomes = []struct{ name, group, words string }{
	{"accepted", "taken", "taken in"},
	{"answered", "again", "synchronous, answered at once"},
	{"duplicate", "again", "sent again, known already"},
	{"conflict", "dead", "same key, other content: dead letter"},
	{"unsupported", "dead", "unknown or unmappable: dead letter"},
	{"unauthorized", "denied", "wrong or no credentials"},
	{"malformed", "denied", "not an event"},
	{"too_large", "denied", "too large"},
	{"refused", "lost", "authentic, and refused: lost"},
}

// chart is the picture of the last hour, in units of its own.
type chart struct {
	Width, Height int
	Bars          []bar
	Legend        []outcomeCount
	Total, Most   int64 // of the hour; of the busiest minute
	From, To      time.Time
}

// bar is one outcome in one minute.
type bar struct {
	X, Y, Width, Height float64
	Group               string
}

// outcomeCount is one outcome over the hour.
type outcomeCount struct {
	Name, Group, Words string
	N                  int64
}

const (
	barPitch    = 10
	barWidth    = 8
	chartHeight = 120
)

// draw stacks the outcomes of each minute.
func draw(minutes []Minute) chart {
	c := chart{Width: barPitch * len(minutes), Height: chartHeight}
	totals := map[string]int64{}
	for _, m := range minutes {
		var sum int64
		for outcome, n := range m.Outcomes {
			sum += n
			totals[outcome] += n
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
			n := m.Outcomes[o.name]
			if n == 0 {
				continue
			}
			// One refused webhook among thousands must be seen.
			height := max(2, float64(n)/float64(c.Most)*(chartHeight-2))
			y = max(0, y-height)
			c.Bars = append(c.Bars, bar{float64(i*barPitch) + (barPitch-barWidth)/2, y, barWidth, height, o.group})
		}
	}
	for _, o := range outcomes {
		if n := totals[o.name]; n > 0 {
			c.Legend = append(c.Legend, outcomeCount{o.name, o.group, o.words, n})
		}
	}
	slices.SortStableFunc(c.Legend, func(a, b outcomeCount) int { return cmp.Compare(b.N, a.N) })
	return c
}
