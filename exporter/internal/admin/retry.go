package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// RetryableReason is a reason that has dead letters, all of which can be retried together.
type RetryableReason struct {
	Reason      string `json:"reason"`
	DeadLetters int64  `json:"dead_letters"`
}

// RetryableReasons is what GET /retry answers.
type RetryableReasons struct {
	Reasons []RetryableReason `json:"reasons"`
	// Complete: all dead letters were counted, not only the oldest.
	Complete bool `json:"complete"`
}

// Retried is what POST /retry answers.
type Retried struct {
	Retried int64 `json:"retried"` // dead letters that are on their way again
	// Next, when set, says that time ran out: send it as "after" to go on.
	Next int64 `json:"next,omitzero"`
}

const maxRetryBody = 4 << 10

// retryable counts the dead letters of the reasons that can be retried together.
func (p *pages) retryable(ctx context.Context, source string) (RetryableReasons, error) {
	counts, complete, err := p.cfg.Log.RetryableReasons(ctx, source)
	found := RetryableReasons{Reasons: []RetryableReason{}, Complete: complete}
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		if deadLetters[reason].Together {
			found.Reasons = append(found.Reasons, RetryableReason{reason, counts[reason]})
		}
	}
	return found, err
}

// retryReasons answers with the reasons that can be retried, as JSON.
func (p *pages) retryReasons(w http.ResponseWriter, r *http.Request) {
	found, err := p.retryable(r.Context(), r.URL.Query().Get("source"))
	if err != nil {
		p.failed(w, r, "/retry", err)
		return
	}
	p.answer(w, http.StatusOK, found)
}

// retryReason brings the dead letters of a reason back, for as long as a request may take:
// JSON for programs, and people are led back to the list.
func (p *pages) retryReason(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxRetryBody)
	source, reason, after, err := readRetry(r)
	if err != nil {
		if wantsJSON(r) {
			p.refuse(w, http.StatusBadRequest, err.Error())
			return
		}
		p.renderNote(w, r, http.StatusBadRequest, "/deliveries", note{"Nothing was retried", "The form can't be used: " + err.Error() + "."})
		return
	}
	var done Retried
	done.Retried, done.Next, err = p.cfg.Log.RetryReason(r.Context(), source, reason, after)
	if done.Retried > 0 {
		p.noteLook(r, "dead letters were retried", slog.String("reason", reason), slog.Int64("events", done.Retried))
	}
	switch {
	case err != nil:
		p.failed(w, r, "/retry", err)
	case wantsJSON(r):
		p.answer(w, http.StatusOK, done)
	default:
		q := Filter{Source: source, State: "dead"}.query()
		q.Set("retried", strconv.FormatInt(done.Retried, 10))
		if done.Next > 0 {
			q.Set("more", "")
		}
		http.Redirect(w, r, "/deliveries?"+q.Encode(), http.StatusSeeOther)
	}
}

// readRetry reads the fields of the form.
func readRetry(r *http.Request) (source, reason string, after int64, err error) {
	if err := r.ParseForm(); err != nil {
		return "", "", 0, errors.New("send reason, and perhaps source, as a form does")
	}
	source, reason = r.PostForm.Get("source"), r.PostForm.Get("reason")
	if !deadLetters[reason].Together {
		var can []string
		for _, name := range slices.Sorted(maps.Keys(deadLetters)) {
			if deadLetters[name].Together {
				can = append(can, name)
			}
		}
		return "", "", 0, fmt.Errorf("dead letters of reason %q can't be retried together; reasons that can: %s", reason, strings.Join(can, ", "))
	}
	after, err = readCursor(r.PostForm.Get("after"))
	return source, reason, after, err
}

// retryData is what the list of dead letters shows of retrying them together.
type retryData struct {
	RetryableReasons
	Source string
	Done   *Retried // what was retried just now
}

// retryTogether is for a list of dead letters of a source or of all; nil for any other
// list.
func (p *pages) retryTogether(r *http.Request, f Filter, q url.Values) (*retryData, error) {
	if f != (Filter{State: "dead", Source: f.Source}) {
		return nil, nil
	}
	found, err := p.retryable(r.Context(), f.Source)
	d := &retryData{RetryableReasons: found, Source: f.Source}
	if n, malformed := strconv.ParseInt(q.Get("retried"), 10, 64); malformed == nil {
		d.Done = &Retried{Retried: n}
		if q.Has("more") {
			d.Done.Next = 1
		}
	}
	return d, err
}
