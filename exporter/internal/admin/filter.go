package admin

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// option is a choice of a form.
type option struct{ Value, Label string }

// maxID bounds an id that is looked for, in bytes: it goes into links of the page.
const maxID = 4096

// formats of a time in a form or a link, all UTC unless they say otherwise.
var formats = []string{"2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02T15:04:05.999999999", time.RFC3339Nano, "2006-01-02"}

// readFilter reads the fields of the form. Its error is a sentence for who filled
// it in.
func readFilter(q url.Values) (Filter, error) {
	f := Filter{Source: q.Get("source"), Event: q.Get("event"), State: q.Get("state")}
	if f.State != "" && !slices.Contains(states, f.State) {
		return f, fmt.Errorf("there is no state %q", f.State)
	}
	var err error
	if f.By, f.ID, err = readID(q); err != nil {
		return f, err
	}
	if f.From, err = readTime(q.Get("from")); err != nil {
		return f, fmt.Errorf("from: %w", err)
	}
	if f.To, err = readTime(q.Get("to")); err != nil {
		return f, fmt.Errorf("to: %w", err)
	}
	if !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To) {
		return f, fmt.Errorf("from must be before to")
	}
	return f, nil
}

// readID reads an id: by and id as the form sends them, or one parameter that is
// called what the id is.
func readID(q url.Values) (IDKind, string, error) {
	kind, id := IDKind(q.Get("by")), strings.TrimSpace(q.Get("id"))
	for _, k := range idKinds {
		if v := strings.TrimSpace(q.Get(k.Value)); v != "" {
			if id != "" {
				return kind, id, fmt.Errorf("one id at a time: %s is a second one", k.Value)
			}
			kind, id = IDKind(k.Value), v
		}
	}
	switch {
	case id == "":
		return kind, "", nil
	case kind == "":
		kind = BySession
	case !slices.ContainsFunc(idKinds, func(o option) bool { return o.Value == string(kind) }):
		return kind, id, fmt.Errorf("there is no kind of id %q", kind)
	}
	if len(id) > maxID {
		return kind, "", fmt.Errorf("the id is longer than %d bytes", maxID)
	}
	return kind, id, nil
}

func readTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, format := range formats {
		if t, err := time.Parse(format, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time; write it like 2026-01-31T09:30", text)
}

// query is the filter as a link has it.
func (f Filter) query() url.Values {
	q := url.Values{}
	set := func(key, value string) {
		if value != "" {
			q.Set(key, value)
		}
	}
	set("source", f.Source)
	set("event", f.Event)
	set("state", f.State)
	if f.ID != "" {
		q.Set("by", string(f.By))
		q.Set("id", f.ID)
	}
	set("from", inputTime(f.From))
	set("to", inputTime(f.To))
	return q
}

// inputTime is a time as the field of a form has it.
func inputTime(t time.Time) string {
	switch {
	case t.IsZero():
		return ""
	case t.Second() == 0 && t.Nanosecond() == 0:
		return t.UTC().Format(formats[0])
	}
	return t.UTC().Format(formats[2])
}

// readCursor reads the place of a page; 0 is the first.
func readCursor(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is not the place of a page; begin with the newest", text)
	}
	return n, nil
}
