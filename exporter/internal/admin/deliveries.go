package admin

import (
	"net/http"
	"strconv"
	"time"
)

// deliveriesData is what the delivery log shows.
type deliveriesData struct {
	Tab      string // accepted, refused
	Filter   Filter
	Filtered bool
	Sources  []string
	Events   []string
	States   []string
	IDKinds  []option
	Problem  string // what is wrong with the filter, in words

	Page       Deliveries
	Rows       []deliveryRow
	Older      string // address of the next page; "" for none
	NotFirst   bool
	Newest     string // address of the first page
	WebhookURL string
	Retry      *retryData // nil: the list is not one of dead letters

	Refusals []Refusal
	Status   int
	Statuses []int
	// Some of the sources, and how many more there are.
	Some        []string
	MoreSources int
}

// mostSources bounds the sources that a page names in a line.
const mostSources = 20

// deliveryRow is a line of the list.
type deliveryRow struct {
	Delivery
	Brief string
	Today bool // it need not be said of what day it is
}

// day is one of UTC.
const day = 24 * time.Hour

// refusalStatuses are the answers that a refused request can have got.
var refusalStatuses = []int{400, 401, 404, 405, 408, 413, 415, 431, 503}

func (p *pages) deliveries(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("tab") == "refused" {
		p.refused(w, r)
		return
	}
	q := r.URL.Query()
	d := p.newDeliveries("accepted")
	f, err := readFilter(q)
	d.Filter, d.Filtered = f, f != Filter{}
	before, cursorErr := readCursor(q.Get("before"))
	for _, err := range []error{err, cursorErr} {
		if err != nil {
			d.Problem = err.Error()
			p.render(w, r, http.StatusBadRequest, "deliveries", view{Title: "Deliveries", Section: "/deliveries", Data: d})
			return
		}
	}
	if d.Page, err = p.cfg.Log.Deliveries(r.Context(), f, before); err != nil {
		p.failed(w, r, "/deliveries", err)
		return
	}
	if d.Retry, err = p.retryTogether(r, f, q); err != nil {
		p.failed(w, r, "/deliveries", err)
		return
	}
	now := p.cfg.Now()
	for _, row := range d.Page.Rows {
		d.Rows = append(d.Rows, deliveryRow{row, brief(row, now), row.ReceivedAt.UTC().Truncate(day).Equal(now.UTC().Truncate(day))})
	}
	link := f.query()
	d.NotFirst, d.Newest = before > 0, "/deliveries?"+link.Encode()
	if d.Page.Next > 0 {
		link.Set("before", strconv.FormatInt(d.Page.Next, 10))
		d.Older = "/deliveries?" + link.Encode()
	}
	p.render(w, r, http.StatusOK, "deliveries", view{Title: "Deliveries", Section: "/deliveries", Data: d})
}

func (p *pages) newDeliveries(tab string) deliveriesData {
	d := deliveriesData{
		Tab:        tab,
		Sources:    p.cfg.Sources(),
		Events:     p.cfg.Events,
		States:     states,
		IDKinds:    idKinds,
		Statuses:   refusalStatuses,
		WebhookURL: p.cfg.WebhookURL,
	}
	d.Some = d.Sources[:min(len(d.Sources), mostSources)]
	d.MoreSources = len(d.Sources) - len(d.Some)
	return d
}

// refused shows the requests that were not taken in.
func (p *pages) refused(w http.ResponseWriter, r *http.Request) {
	d := p.newDeliveries("refused")
	d.Filter.Source = r.URL.Query().Get("source")
	if text := r.URL.Query().Get("status"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			d.Problem = "a status is a number such as 401"
			p.render(w, r, http.StatusBadRequest, "deliveries", view{Title: "Refused requests", Section: "/deliveries", Data: d})
			return
		}
		d.Status = n
	}
	d.Filtered = d.Status != 0 || d.Filter.Source != ""
	all, err := p.cfg.Log.Refusals(r.Context(), d.Filter.Source)
	if err != nil {
		p.failed(w, r, "/deliveries", err)
		return
	}
	for _, one := range all {
		if d.Status == 0 || one.Status == d.Status {
			d.Refusals = append(d.Refusals, one)
		}
	}
	p.render(w, r, http.StatusOK, "deliveries", view{Title: "Refused requests", Section: "/deliveries", Data: d})
}
