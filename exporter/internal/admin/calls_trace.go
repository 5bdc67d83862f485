package admin

import (
	"encoding/hex"
	"html/template"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"cdr2otel/exporter/internal/admin/waterfall"
)

// CallTrace is everything that shares a trace id: a call or the segments of a
// conversation, then late messages and log records.
type CallTrace struct {
	Parts []CallPart // none: there is no such trace
	// What is there and not in Parts, for its number or size.
	MoreParts, MoreEvents bool
	RequestsLeftOut       int
}

// CallPart is what is exported as one.
type CallPart struct {
	Kind        string // call, conversation, late or log
	Source      string
	State       string // open, assembled or dead
	Reason      string // why it was assembled
	DueAt       time.Time
	AssembledAt time.Time
	SettledAt   time.Time // when everything of it had left or was dead
	Evicted     bool      // its requests are gone to make room
	Summary     *CallSummary
	Requests    []CallRequest
	Events      []CallEvent
}

// CallRequest is one OTLP request as it is stored.
type CallRequest struct {
	Signal    string
	State     string // pending, done or dead
	LastError string
	Body      []byte // not compressed; nil: not there any more
}

// CallEvent is an accepted webhook that belongs to the trace.
type CallEvent struct {
	ID             int64
	Kind           string // cdr, message, other
	Name           string // event.name
	LogID          string
	ReceivedAt     time.Time
	Redeliveries   int64
	State          string
	Reason, Detail string // of a dead one
}

// callData is what the page of one call shows.
type callData struct {
	TraceID string
	Source  string
	Kind    string // of what the page is about: call, conversation, late or log
	Summary *CallSummary
	Row     CallRow // the same, with the words of a list
	State   string  // pending, exported or dead
	Notices []notice
	Backend string // address in the back end; empty: none is configured

	Trace    *waterfall.Trace
	Chart    *waterfall.Chart // nil: no spans are left, or none yet
	Picture  template.HTML
	Strip    template.HTML
	Legend   template.HTML
	Longest  *longest
	Facts    []fact
	Streams  []stream
	Messages []message
	Said     bool // what was said is shown
	Private  bool // something is shown that only the configuration makes visible
	Warnings []warning
	Links    []callLink
	Parts    []CallPart
	Events   []CallEvent
}

// longest is the answer to "why was this call slow".
type longest struct {
	Wait  *waterfall.Wait
	Label string
	Page  int
	Slow  bool
	// Failures of what it was spent on.
	Failures []string
}

func (p *pages) call(w http.ResponseWriter, r *http.Request) {
	id, err := hex.DecodeString(r.PathValue("trace_id"))
	if err != nil || len(id) != 16 {
		p.renderNote(w, r, http.StatusNotFound, "/calls", note{"That is no trace id", "A trace id has 32 hexadecimal digits. Lookup finds the trace of a session, log or SIP call id."})
		return
	}
	trace, err := p.cfg.Calls.Trace(r.Context(), [16]byte(id))
	if err != nil {
		p.failed(w, r, "/calls", err)
		return
	}
	if len(trace.Parts) == 0 {
		p.renderNote(w, r, http.StatusNotFound, "/calls", note{"No such trace is known here",
			"Either nothing of it has arrived, or store.retention is over. The back end may still have it."})
		return
	}
	page, _ := strconv.Atoi(r.URL.Query().Get("page")) // a page that is no number is the first
	d, err := p.callData(hex.EncodeToString(id), trace, page)
	if err != nil {
		p.failed(w, r, "/calls", err)
		return
	}
	if d.Private {
		p.noteLook(r, "private values of a call were looked at", slog.String("trace_id", d.TraceID))
	}
	p.render(w, r, http.StatusOK, "call", view{Title: d.Title(), Section: "/calls", Data: d})
}

func (p *pages) callData(id string, trace CallTrace, page int) (*callData, error) {
	main := mainPart(trace.Parts)
	d := &callData{TraceID: id, Source: main.Source, Kind: main.Kind, Summary: main.Summary, Parts: trace.Parts}
	var requests []waterfall.Request
	for _, part := range trace.Parts {
		for _, request := range part.Requests {
			if request.Body != nil {
				requests = append(requests, waterfall.Request{Signal: request.Signal, Body: request.Body})
			}
		}
		d.Events = append(d.Events, part.Events...)
	}
	var damaged error
	if d.Trace, damaged = waterfall.Decode(requests); damaged != nil {
		p.cfg.Logger.Error("what was exported of a call can't be read", slog.String("trace_id", id), slog.Any("error", damaged))
		d.Trace = new(waterfall.Trace)
	}
	if d.Summary != nil {
		d.Row = CallRow{Kind: d.Kind, CallSummary: *d.Summary}
	}
	d.State, d.Notices = p.callState(main, trace)
	if damaged != nil {
		d.Notices = append(d.Notices, notice{"warn", "damaged", "Its spans can't be read.", "What is stored of them is damaged; the log of this process says how. The numbers of the call are left."})
	}
	d.read(p.cfg.Attribute)
	if root := d.Trace.Main(); root != nil {
		if text := failureWords(root); text != "" {
			d.Notices = append(d.Notices, notice{"bad", "failed", "It ended with an error:", text})
		}
		if p.cfg.TraceURL != "" {
			d.Backend = p.traceURL(id, root.ID)
		}
		if err := d.draw(page); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// mainPart is what the page is about: the call, else the conversation.
func mainPart(parts []CallPart) *CallPart {
	for _, kind := range []string{"call", "conversation"} {
		for i := range parts {
			if parts[i].Kind == kind {
				return &parts[i]
			}
		}
	}
	return &parts[0]
}

// draw makes the picture.
func (d *callData) draw(page int) (err error) {
	d.Chart = d.Trace.Chart(page)
	if d.Picture, err = d.Chart.SVG(); err != nil {
		return err
	}
	if d.Strip, err = d.Chart.StripSVG(); err != nil {
		return err
	}
	if d.Legend, err = d.Chart.LegendHTML(); err != nil {
		return err
	}
	if w := d.Trace.Longest(); w != nil {
		d.Longest = &longest{Wait: w, Label: waterfall.Label(w.Turn), Page: d.Trace.PageOf(w.Turn), Slow: w.Slow(), Failures: w.Failures()}
	}
	return nil
}

// Title of the page.
func (d *callData) Title() string {
	switch {
	case d.Kind == "conversation":
		return "Conversation"
	case d.Summary != nil && d.Summary.Direction == "outbound":
		return "Outbound call"
	case d.Summary != nil:
		return "Inbound call"
	case d.Kind == "call":
		return "Call"
	}
	return "Trace"
}
