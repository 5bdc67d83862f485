package admin

import (
	"context"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
)

// Person says whose events POST /forget deletes: Source and exactly one of the
// others.
type Person struct {
	Source     string `json:"source"`
	SessionID  string `json:"session_id,omitzero"`
	CallID     string `json:"call_id,omitzero"` // global_session_id or SIP Call-ID
	CustomerID string `json:"customer_id,omitzero"`
	Caller     string `json:"caller,omitzero"` // telephone number
}

// Forgotten is the answer.
type Forgotten struct {
	// Events that were deleted, and how many of them had not been exported.
	Events      int `json:"events"`
	NotExported int `json:"not_exported"`
	// Traces to delete in the back end, in hexadecimal.
	Traces []string `json:"traces"`
}

// Errors of Config.Forget that are the asker's.
var (
	// ErrWho: it does not name one person.
	ErrWho = errors.New("name one of session_id, call_id, customer_id and caller, and it must not be empty")
	// ErrUnknownSource: no source of that name is configured, nor ever was heard.
	ErrUnknownSource = errors.New("there is no source of that name, and nothing ever came from one")
)

const (
	maxForgetBody = 64 << 10
	// forgetTime is how long the deletion may take: it reads the whole store.
	forgetTime = time.Hour
)

// forget deletes what is known of a person. That no other site's page asks for it
// the guard has seen to; that a form can't, the media type does.
func (p *pages) forget(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		p.refuse(w, http.StatusMethodNotAllowed, "use POST, or the command cdr2otel forget")
		return
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		p.refuse(w, http.StatusUnsupportedMediaType, "send application/json")
		return
	}
	var who Person
	err := json.UnmarshalRead(http.MaxBytesReader(w, r.Body, maxForgetBody), &who, json.RejectUnknownMembers(true))
	if err != nil { // the error may quote an identifier
		p.refuse(w, http.StatusBadRequest, "send an object like {\"source\": \"default\", \"session_id\": \"…\"}")
		return
	}
	// A writer that has no deadlines has no connection either.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(forgetTime))
	ctx, cancel := context.WithTimeout(r.Context(), forgetTime)
	defer cancel()
	gone, err := p.cfg.Forget(ctx, who)
	p.noteForgotten(r, gone, err)
	switch {
	case errors.Is(err, ErrWho):
		p.refuse(w, http.StatusBadRequest, err.Error())
	case errors.Is(err, ErrUnknownSource):
		p.refuse(w, http.StatusNotFound, err.Error())
	case err != nil:
		p.answer(w, http.StatusInternalServerError, struct {
			Error string `json:"error"`
			Forgotten
		}{"not everything was forgotten; ask again, and the rest is: " + err.Error(), gone})
	default:
		p.answer(w, http.StatusOK, gone)
	}
}

// noteForgotten writes down that something was deleted, never of whom.
func (p *pages) noteForgotten(r *http.Request, gone Forgotten, err error) {
	user, _, _ := r.BasicAuth() // checked before by the web configuration, if that asks for it
	attrs := []slog.Attr{
		slog.Int("events", gone.Events), slog.Int("not_exported", gone.NotExported), slog.Int("traces", len(gone.Traces)),
		slog.String("client", r.RemoteAddr), slog.String("user", user),
	}
	switch {
	case errors.Is(err, ErrWho), errors.Is(err, ErrUnknownSource):
	case err != nil:
		p.cfg.Logger.LogAttrs(r.Context(), slog.LevelError, "events could not all be forgotten", append(attrs, slog.Any("error", err))...)
	default:
		p.cfg.Logger.LogAttrs(r.Context(), slog.LevelInfo, "events were forgotten", attrs...)
	}
}

func (p *pages) refuse(w http.ResponseWriter, status int, why string) {
	p.answer(w, status, struct {
		Error string `json:"error"`
	}{why})
}

func (p *pages) answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.MarshalWrite(w, value) // whoever asked is gone: nothing to do
}
