package admin

import (
	"bytes"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// shownBody bounds what a page shows of a body, in bytes.
const shownBody = 512 << 10

// deliveryData is what the page of one delivery shows.
type deliveryData struct {
	Detail
	Tab      string // request, response, span
	Tabs     []option
	Why      explanation
	Retried  bool
	Headers  []header
	Body     string
	BodyCut  bool
	Became   became
	Answer   []header
	Failures []Request // requests that were tried and failed
}

// header is a header line.
type header struct {
	Name, Value string
	Redacted    bool
}

// tabs of a delivery.
var tabs = []option{{"request", "Request"}, {"response", "Response"}, {"span", "What it became"}}

// answered are the headers of every 200 to a log webhook; its body is {}.
var answered = []header{
	{Name: "Content-Type", Value: "application/json"},
	{Name: "X-Content-Type-Options", Value: "nosniff"},
	{Name: "Content-Length", Value: "2"},
}

func (p *pages) delivery(w http.ResponseWriter, r *http.Request) {
	id, ok := deliveryID(r)
	if !ok {
		p.noDelivery(w, r)
		return
	}
	detail, err := p.cfg.Log.Delivery(r.Context(), id)
	if errors.Is(err, ErrNotFound) {
		p.noDelivery(w, r)
		return
	}
	if err != nil {
		p.failed(w, r, "/deliveries", err)
		return
	}
	d := deliveryData{Detail: detail, Tabs: tabs, Tab: "request", Why: explain(detail.Delivery, p.cfg.Now()), Retried: r.URL.Query().Has("retried")}
	if tab := r.URL.Query().Get("tab"); slices.ContainsFunc(tabs, func(o option) bool { return o.Value == tab }) {
		d.Tab = tab
	}
	switch d.Tab {
	case "request":
		d.Headers = headers(detail.Headers)
		if detail.Body != nil {
			d.Body, d.BodyCut = pretty(detail.Body)
			p.looked(r, "a body was looked at", id)
		}
	case "response":
		d.Answer = answered
	}
	if d.Tab == "span" || d.Tab == "request" && detail.Body == nil {
		d.Became = p.whatBecame(detail)
		if d.Became.Private {
			p.looked(r, "texts or numbers of a call were looked at", id)
		}
	}
	for _, request := range detail.Requests {
		if request.State != "done" && request.LastError != "" {
			d.Failures = append(d.Failures, request)
		}
	}
	p.render(w, r, http.StatusOK, "delivery", view{Title: "Delivery " + strconv.FormatInt(id, 10), Section: "/deliveries", Data: d})
}

// deliveryID reads the id of a path as it is written in links: one spelling each.
func deliveryID(r *http.Request) (int64, bool) {
	text := r.PathValue("id")
	id, err := strconv.ParseInt(text, 10, 64)
	return id, err == nil && id > 0 && strconv.FormatInt(id, 10) == text
}

func (p *pages) noDelivery(w http.ResponseWriter, r *http.Request) {
	p.renderNote(w, r, http.StatusNotFound, "/deliveries", note{"No such delivery",
		"None has this id, or it is no longer kept: store.retention says for how long what was exported stays."})
}

// retry brings a dead letter back.
func (p *pages) retry(w http.ResponseWriter, r *http.Request) {
	id, ok := deliveryID(r)
	if !ok {
		p.noDelivery(w, r)
		return
	}
	err := p.cfg.Log.Retry(r.Context(), id)
	switch {
	case errors.Is(err, ErrNotRetryable):
		p.renderNote(w, r, http.StatusConflict, "/deliveries", note{"Nothing to retry",
			"This delivery is no dead letter any more, or one that would die again: its page says why."})
	case err != nil:
		p.failed(w, r, "/deliveries", err)
	default:
		p.looked(r, "a dead letter was retried", id)
		http.Redirect(w, r, "/deliveries/"+strconv.FormatInt(id, 10)+"?retried", http.StatusSeeOther)
	}
}

// looked writes down who did or saw something that not everybody may.
func (p *pages) looked(r *http.Request, message string, id int64) {
	p.noteLook(r, message, slog.Int64("delivery", id))
}

// noteLook is looked for whatever was looked at.
func (p *pages) noteLook(r *http.Request, message string, at ...slog.Attr) {
	user, _, _ := r.BasicAuth() // checked before by the web configuration, if that asks for it
	p.cfg.Logger.LogAttrs(r.Context(), slog.LevelInfo, message, append(at, slog.String("client", r.RemoteAddr), slog.String("user", user))...)
}

// redacted is what the receiver stores for a value that may be a credential.
const redacted = "[redacted]"

func headers(all map[string]string) []header {
	lines := make([]header, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		lines = append(lines, header{name, all[name], all[name] == redacted})
	}
	return lines
}

// pretty indents JSON, and cuts what is too long for a page.
func pretty(body []byte) (text string, cut bool) {
	value := jsontext.Value(bytes.Clone(body))
	if len(body) <= shownBody && value.Indent(jsontext.WithIndent("  "), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) == nil {
		body = value
	}
	if len(body) > shownBody {
		body, cut = body[:shownBody], true
		for len(body) > 0 && !utf8.RuneStart(body[len(body)-1]) {
			body = body[:len(body)-1]
		}
	}
	return string(bytes.ToValidUTF8(body, []byte("\uFFFD"))), cut
}
