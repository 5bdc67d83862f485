package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// callsPerPage is the number of rows of a page of calls.
const callsPerPage = 50

// Calls are the calls and conversations that were put together. Every method reads
// a bounded number of rows.
type Calls interface {
	// List is a page of them.
	List(ctx context.Context, q CallQuery) (CallList, error)
	// Trace is everything that shares a trace id; without parts there is no such
	// trace.
	Trace(ctx context.Context, id [16]byte) (CallTrace, error)
}

// CallQuery selects and orders calls and conversations. A zero field selects all.
type CallQuery struct {
	Source     string
	Kind       string // call or conversation
	Only       string // slow, failed or transferred
	WorstFirst bool   // by the longest wait for an answer; otherwise the newest first
	After      CallCursor
	Limit      int
}

// CallCursor is where a page ends and the next one begins; zero is the first.
type CallCursor struct {
	Worst time.Duration
	ID    int64
}

// CallList is a page of calls.
type CallList struct {
	Calls []CallRow
	Next  CallCursor // zero: this is the last page
	// SearchedTo, when set, is how far back was looked: the filter matched less than
	// a page, and Next goes on from there.
	SearchedTo time.Time
}

// CallRow is an assembled call or conversation.
type CallRow struct {
	TraceID   string // hex
	Source    string
	Kind      string // call or conversation
	Delivered bool   // all its requests are done
	CallSummary
}

// CallSummary is a call or conversation in numbers.
type CallSummary struct {
	StartedAt                 time.Time
	Duration                  time.Duration
	Direction                 string // inbound, outbound; of a call
	Result                    string // completed, transferred, failed; of a call
	Channel                   string
	Turns                     int
	Worst                     time.Duration // the longest wait for an answer
	Waited                    bool          // Worst is known
	Jitter                    time.Duration // 0: unknown
	LossPPM                   int64         // parts per million; -1: unknown
	Warnings                  int
	Failed, Transferred, Slow bool
}

// callsData is what the page of calls shows.
type callsData struct {
	Query     CallQuery
	Filtered  bool
	List      CallList
	Scale     time.Duration // the wait whose bar is full
	Next      string        // address of the next page; empty: this is the last
	First     string        // address of the first page; empty: this is it
	Sources   []string
	OpenCalls int64
}

// fullWait is what fills the bar of a wait at least: four seconds are dead air.
const fullWait = 4 * time.Second

func (p *pages) calls(w http.ResponseWriter, r *http.Request) {
	q, err := callQuery(r.URL.Query())
	if err != nil {
		p.renderNote(w, r, http.StatusBadRequest, "/calls", note{"This filter can't be read", "Of the address, " + err.Error() + "."})
		return
	}
	list, err := p.cfg.Calls.List(r.Context(), q)
	if err != nil {
		p.failed(w, r, "/calls", err)
		return
	}
	d := callsData{
		Query: q, List: list, Scale: fullWait, Sources: p.cfg.Sources(), OpenCalls: p.cfg.OpenCalls(r.Context()),
		Filtered: q.Source != "" || q.Kind != "" || q.Only != "",
	}
	for _, c := range list.Calls {
		d.Scale = max(d.Scale, c.Worst)
	}
	if list.Next != (CallCursor{}) {
		d.Next = q.address(list.Next)
	}
	if q.After != (CallCursor{}) {
		d.First = q.address(CallCursor{})
	}
	p.render(w, r, http.StatusOK, "calls", view{Title: "Calls", Section: "/calls", Data: d})
}

// callQuery reads the filter of an address.
func callQuery(values url.Values) (CallQuery, error) {
	q := CallQuery{Source: values.Get("source"), Kind: values.Get("kind"), Only: values.Get("show"), Limit: callsPerPage}
	switch values.Get("sort") {
	case "":
	case "worst":
		q.WorstFirst = true
	default:
		return q, errors.New(`the order "sort" is "worst", or left out for the newest first`)
	}
	switch q.Kind {
	case "", "call", "conversation":
	default:
		return q, errors.New(`the kind is "call" or "conversation"`)
	}
	switch q.Only {
	case "", "slow", "failed", "transferred":
	default:
		return q, errors.New(`the selection "show" is "slow", "failed" or "transferred"`)
	}
	if after := values.Get("after"); after != "" {
		worst, id, ok := strings.Cut(after, ".")
		nanoseconds, err := strconv.ParseInt(worst, 10, 64)
		if q.After.ID, _ = strconv.ParseInt(id, 10, 64); !ok || err != nil || q.After.ID <= 0 {
			return q, errors.New("the place \"after\" is not one that a page of calls gave out")
		}
		q.After.Worst = time.Duration(nanoseconds)
	}
	return q, nil
}

// address of the page that begins after the cursor.
func (q CallQuery) address(after CallCursor) string {
	values := url.Values{}
	set := func(key, value string) {
		if value != "" {
			values.Set(key, value)
		}
	}
	set("source", q.Source)
	set("kind", q.Kind)
	set("show", q.Only)
	if q.WorstFirst {
		set("sort", "worst")
	}
	if after != (CallCursor{}) {
		set("after", fmt.Sprintf("%d.%d", after.Worst, after.ID))
	}
	if len(values) == 0 {
		return "/calls"
	}
	return "/calls?" + values.Encode()
}

// Bar is how much of the bar a wait fills, in percent.
func (d callsData) Bar(wait time.Duration) int {
	return int(min(100, max(min(1, wait), 100*wait/d.Scale)))
}

// Result of a call in a word.
func (c CallRow) Word() string {
	switch {
	case c.Failed:
		return "failed"
	case c.Transferred:
		return "transferred"
	case c.Result != "":
		return c.Result
	}
	return "completed"
}

// Loss of packets in percent; "" when it is not known.
func (s CallSummary) Loss() string { return loss(s.LossPPM) }

func loss(ppm int64) string {
	switch {
	case ppm < 0:
		return ""
	case ppm == 0:
		return "0 %"
	case ppm < 100:
		return "<0.01 %"
	}
	return strconv.FormatFloat(float64(ppm)/1e4, 'f', 2, 64) + " %"
}
