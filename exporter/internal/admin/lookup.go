package admin

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
)

// lookupData is what the form shows.
type lookupData struct {
	By       IDKind
	ID       string
	Source   string
	IDKinds  []option
	Sources  []string
	Problem  string
	NotFound bool
	Backend  bool // found traces open in the back end
}

// lookedUp is the answer for programs.
type lookedUp struct {
	TraceID string `json:"trace_id,omitempty"`
	SpanID  string `json:"span_id,omitempty"`
	State   string `json:"state,omitempty"`
	Error   string `json:"error,omitempty"`
}

// notKept is what it may mean that an id is not found.
const notKept = "nothing that is kept has this id: its webhook has not arrived, was refused, is older than store.retention, or the id is spelled differently"

// lookup finds the trace of an id: JSON for programs, and people are led to it.
func (p *pages) lookup(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	d := lookupData{Source: q.Get("source"), IDKinds: idKinds, Sources: p.cfg.Sources(), Backend: p.cfg.TraceURL != ""}
	var err error
	d.By, d.ID, err = readID(q)
	asJSON := wantsJSON(r)
	switch {
	case err == nil && d.ID == "" && asJSON:
		err = errors.New("name one of session_id, sip_call_id, call_id, log_id")
	case err == nil && d.ID == "":
		p.renderLookup(w, r, http.StatusOK, d)
		return
	}
	if err != nil {
		if asJSON {
			writeLookup(w, http.StatusBadRequest, lookedUp{Error: err.Error()})
			return
		}
		d.Problem = err.Error()
		p.renderLookup(w, r, http.StatusBadRequest, d)
		return
	}
	found, err := p.cfg.Log.Lookup(r.Context(), d.Source, d.By, d.ID)
	switch {
	case errors.Is(err, ErrNotFound) && asJSON:
		writeLookup(w, http.StatusNotFound, lookedUp{Error: notKept})
	case errors.Is(err, ErrNotFound):
		d.NotFound = true
		p.renderLookup(w, r, http.StatusNotFound, d)
	case err != nil:
		p.failed(w, r, "/lookup", err)
	case asJSON:
		writeLookup(w, http.StatusOK, lookedUp{TraceID: found.TraceID, SpanID: found.SpanID, State: found.State})
	default:
		http.Redirect(w, r, p.whereFound(found, d), http.StatusSeeOther)
	}
}

// whereFound is the page that shows what was found: its trace once that is made,
// before that where it waits.
func (p *pages) whereFound(f Found, d lookupData) string {
	switch {
	case f.TraceID != "" && f.SpanID != "":
		return p.traceURL(f.TraceID, f.SpanID)
	case f.Delivery != 0:
		return "/deliveries/" + strconv.FormatInt(f.Delivery, 10)
	}
	q := url.Values{"by": {string(d.By)}, "id": {d.ID}}
	return "/deliveries?" + q.Encode()
}

func (p *pages) renderLookup(w http.ResponseWriter, r *http.Request, status int, d lookupData) {
	if origin := traceOrigin(p.cfg.TraceURL); origin != "" {
		// A browser holds a form to form-action through redirects too.
		w.Header().Set("Content-Security-Policy", strings.Replace(policy, "form-action 'self'", "form-action 'self' "+origin, 1))
	}
	p.render(w, r, status, "lookup", view{Title: "Lookup", Section: "/lookup", Data: d})
}

// traceOrigin is scheme and host of a checked template, "" for none.
func traceOrigin(template string) string {
	u, err := url.Parse(strings.NewReplacer("{trace_id}", "0", "{span_id}", "0").Replace(template))
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// wantsJSON tells whether a program asks. Browsers ask for text/html first.
func wantsJSON(r *http.Request) bool {
	accept := r.Header.Get("Accept")
	return r.URL.Query().Get("format") == "json" || strings.Contains(accept, "application/json") && !strings.Contains(accept, "text/html")
}

func writeLookup(w http.ResponseWriter, status int, answer lookedUp) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.MarshalWrite(w, answer, json.Deterministic(true)) // who asked is gone: nothing to do
}
