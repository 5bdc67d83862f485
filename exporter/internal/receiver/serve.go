package receiver

import (
	"errors"
	"net/http"
	"strings"
	"time"
)

// Answer is told to Config.OnAnswer: what was answered, and why.
type Answer struct {
	// Source is the configured name; "" when the path names none.
	Source string
	// Path, AskedSource and UserAgent are of a refused request, as its sender wrote them:
	// printable, at most 256 bytes each, and a path without its query. AskedSource is the
	// source that the path names, configured or not; "" for a path that is no webhook's.
	Path, AskedSource, UserAgent string
	// EventName is safe as a label: one of the four known names, "_OTHER", or ""
	// when the request was refused before it was known.
	EventName string
	Status    int
	// Outcome is "" for 404, 405 and what Server.OnBelow tells, which are no events of a
	// source.
	Outcome       Outcome
	Reason        Reason // "" for 200
	ReceivedAt    time.Time
	Duration      time.Duration
	ClientAddress string
	// Detail is how a TLS handshake failed, as Path is written; else "".
	Detail string
	// Unobserved is set for a synchronous event that was answered but had no room to
	// be observed: Observe was not and will not be told of it.
	Unobserved bool
	// For http.server.request.duration, all bounded: Method is "_OTHER" unless it
	// is one of HTTP's, Route has {source} in it.
	Method, Route, Scheme string
}

// exchange is one request on its way through the checks. It belongs to the
// request's goroutine.
type exchange struct {
	*Receiver
	w       http.ResponseWriter
	req     *http.Request
	answer  Answer
	source  source
	lane    *lane // in which the body is or was read
	held    share // of memory, for the body
	drained bool  // the body was read to its end
}

// ServeHTTP answers one webhook.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	started := time.Now()
	x := &exchange{
		Receiver: r,
		w:        w,
		req:      req,
		answer: Answer{
			ReceivedAt:    r.cfg.Now(),
			ClientAddress: clientAddress(req, r.cfg.TrustedProxies),
			Method:        methodLabel(req.Method),
			Route:         r.cfg.Path + "/{source}",
			Scheme:        scheme(req),
		},
	}
	defer x.held.release()
	if err := x.serve(); err != nil {
		x.refuse(err)
	}
	x.answer.Duration = time.Since(started)
	r.cfg.OnAnswer(x.answer)
}

// serve answers 200 or returns a *problem. Its lines are the order of checks.
func (x *exchange) serve() error {
	if x.req.Method != http.MethodPost {
		return &problem{reason: ReasonMethod}
	}
	if err := x.findSource(); err != nil {
		return err
	}
	coding, err := admit(x.req, x.cfg.MaxBody)
	if err != nil {
		return err
	}
	if err := x.source.auth.authenticate(x.req.Header); err != nil {
		return err
	}
	markAuthenticated(x.req)
	body, err := x.read(coding)
	if err != nil {
		return err
	}
	envelope, err := parseEnvelope(body)
	if err != nil {
		return err
	}
	x.answer.EventName = nameLabel(envelope.name)
	if synchronous(envelope.name) {
		x.passThrough(envelope)
		return nil
	}
	outcome, err := x.accept(x.event(envelope))
	if err != nil {
		return err
	}
	// The commit of Accept is what makes this 2xx true (I1).
	x.answer.Status, x.answer.Outcome = http.StatusOK, outcome
	write(x.w, http.StatusOK, []byte("{}"))
	return nil
}

func (x *exchange) findSource() error {
	name, found := sourceName(x.req.URL.Path, x.cfg.Path)
	if !found {
		return &problem{reason: ReasonUnknownSource}
	}
	if x.source, found = (*x.sources.Load())[name]; !found {
		return &problem{reason: ReasonUnknownSource}
	}
	x.answer.Source = name
	return nil
}

// sourceName is the source that a path names. One final slash is ignored: it is easily
// added where the URL is entered, and every webhook would be lost.
func sourceName(path, prefix string) (string, bool) {
	rest, found := strings.CutPrefix(strings.TrimSuffix(path, "/"), prefix)
	if rest == "" {
		return DefaultSource, found
	}
	return strings.CutPrefix(rest, "/")
}

// refuse answers with the problem, whatever else the error may be.
func (x *exchange) refuse(err error) {
	p, known := errors.AsType[*problem](err)
	if !known {
		p = &problem{reason: ReasonFailed, cause: err}
	}
	challenge := ""
	if x.source.auth != nil {
		challenge = x.source.auth.challenge()
	}
	x.hangUp()
	v := refuse(x.w, p, challenge)
	x.answer.Status, x.answer.Outcome, x.answer.Reason = v.status, v.outcome, p.reason
	x.answer.Path, x.answer.UserAgent = display(x.req.URL.Path), display(x.req.UserAgent())
	if asked, found := sourceName(x.req.URL.Path, x.cfg.Path); found {
		x.answer.AskedSource = display(asked)
	}
	if p.cause != nil && !errors.Is(p.cause, ErrUnavailable) {
		x.sayFailed.Do(func() {
			x.cfg.Logger.Error("event could not be stored", "source", x.answer.Source, "reason", string(p.reason), "error", p.cause)
		})
	}
}

// hangUp ends the connection after a refusal, if it is a stranger's: one who could ask
// again and again, and read no answer, would take the system's memory for both.
//
// And it keeps net/http from reading the rest of a refused body, which it does before
// the answer goes out, to use the connection again: an unauthenticated client would
// decide how long that takes.
func (x *exchange) hangUp() {
	left := !x.drained && x.req.ContentLength != 0
	if left || !isAuthenticated(x.req) {
		x.w.Header().Set("Connection", "close")
	}
	if left {
		// A writer that has no deadlines has no connection either.
		_ = http.NewResponseController(x.w).SetReadDeadline(time.Now())
	}
}

func (x *exchange) event(e envelope) Event {
	return Event{
		Source:         x.answer.Source,
		Name:           e.name,
		Payload:        e.payload,
		ReceivedAt:     x.answer.ReceivedAt,
		Headers:        keptHeaders(x.req.Header, x.source.keepHeaders),
		RequestHeaders: shownHeaders(x.req.Header, x.source),
		ClientAddress:  x.answer.ClientAddress,
		Endpoint:       display(x.req.URL.Path),
	}
}

func scheme(req *http.Request) string {
	if req.TLS != nil {
		return "https"
	}
	return "http"
}

func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace:
		return method
	default:
		return otherLabel
	}
}
