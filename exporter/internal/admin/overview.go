package admin

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"time"
)

// Activity is what the webhook listener answered lately, and what waits.
type Activity struct {
	// Minutes are the last hour, ActivityMinutes of them, oldest first; the last one has
	// not ended.
	Minutes []Minute
	// RefusedHour is what was refused in that hour, RefusedDay in the last RefusedWindow.
	RefusedHour, RefusedDay RefusedCounts
	// Unread: the store could not be read, so that nothing above is known.
	Unread bool
	// Newest is when the newest event was taken in, read only where Minutes are all zero: a
	// process that is killed loses what it had not written of them. Zero: it is not known.
	Newest time.Time
	// Killed: a process was not stopped in order in that hour, and what it had not written
	// of the above is missing.
	Killed bool
	// OldestWaiting is since when the oldest event that could have left has not;
	// zero when nothing waits that could. OldestUnread: it is not known.
	OldestWaiting time.Time
	OldestUnread  bool
}

const (
	// ActivityMinutes is how far back the picture goes.
	ActivityMinutes = 60
	// RefusedWindow is for how long a refused webhook is shown on the overview.
	RefusedWindow = 24 * time.Hour
	// MaxOpenCalls bounds Config.OpenCalls.
	MaxOpenCalls = 10_000
)

// Minute counts the answers of one minute by outcome, which is a closed set.
type Minute struct {
	Start    time.Time
	Outcomes map[string]int64
}

// RefusedCounts are refused requests by what they have in common.
type RefusedCounts map[RefusedBy]int64

// RefusedBy is what refused requests are counted by.
type RefusedBy struct {
	Source, Outcome, Reason string
	Status                  int // of the answer
}

// overviewData is what the first page shows.
type overviewData struct {
	Status     Status
	Activity   Activity
	Ready      bool
	Signals    []signal
	Waiting    int64
	Oldest     time.Duration // 0: nothing waits
	Fill       fill
	Ledger     []stateCount
	Chart      chart
	Uncounted  bool  // an event of the hour is not in the chart
	Lost       int64 // refused in RefusedWindow, and lost if the platform sent it
	Perhaps    int64 // refused in RefusedWindow because of its path, method or connection: a scanner's, or lost
	Refused    []refusedLine
	More       int           // kinds of refused requests that Refused leaves out
	Running    time.Duration // since the start
	Arrived    int64         // events ever accepted
	WebhookURL string
}

// signal is how the export of traces, or of logs, goes.
type signal struct {
	Name string
	Signal
	Why  explanation   // of held
	Held time.Duration // for how long
}

// refusedLine is a line of what was refused.
type refusedLine struct {
	RefusedBy
	Lost      bool // else perhaps
	Why       explanation
	Hour, Day int64
}

// mostRefusedLines bounds the lines of what was refused.
const mostRefusedLines = 20

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
	s, a, now := p.cfg.Status(r), p.cfg.Activity(r.Context()), p.cfg.Now()
	d := overviewData{
		Status:     s,
		Activity:   a,
		Ready:      s.NotReady == "",
		Signals:    signals(s.Delivery, now),
		Waiting:    s.Events["pending"],
		Fill:       filled(s.StoreBytes, s.StoreLimit),
		Ledger:     ledger(s.Events),
		Chart:      draw(a.Minutes),
		Running:    max(now.Sub(s.StartedAt), 0),
		Arrived:    s.Events["accepted"],
		WebhookURL: p.cfg.WebhookURL,
	}
	d.Uncounted = d.Chart.Total == 0 && now.Sub(a.Newest) < ActivityMinutes*time.Minute
	if !a.OldestWaiting.IsZero() {
		d.Oldest = max(now.Sub(a.OldestWaiting), time.Nanosecond)
	}
	for by, n := range a.RefusedDay {
		if outcomeOf(by.Outcome).Lost {
			d.Lost += n
		} else {
			d.Perhaps += n
		}
	}
	d.Refused = refusedLines(a)
	d.More = max(len(d.Refused)-mostRefusedLines, 0)
	d.Refused = d.Refused[:len(d.Refused)-d.More]
	p.render(w, r, http.StatusOK, "overview", view{Title: "Overview", Section: "/", Data: d})
}

// refusedLines are the lines of what was refused: what is lost before what may be, then
// the most frequent first.
func refusedLines(a Activity) []refusedLine {
	lines := make([]refusedLine, 0, len(a.RefusedDay))
	for by, n := range a.RefusedDay {
		lines = append(lines, refusedLine{by, outcomeOf(by.Outcome).Lost, refusedFor(by.Reason), a.RefusedHour[by], n})
	}
	slices.SortFunc(lines, func(a, b refusedLine) int {
		if a.Lost != b.Lost {
			if a.Lost {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(b.Hour, a.Hour), cmp.Compare(b.Day, a.Day), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Reason, b.Reason))
	})
	return lines
}

// signals are in the order of their names.
func signals(delivery map[string]Signal, now time.Time) []signal {
	var all []signal
	for _, name := range slices.Sorted(maps.Keys(delivery)) {
		s := signal{Name: name, Signal: delivery[name]}
		if s.State == SignalHeld {
			s.Why, s.Held = heldFor(s.Reason), max(now.Sub(s.Since), 0)
		}
		all = append(all, s)
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
