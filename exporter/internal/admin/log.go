package admin

import (
	"context"
	"errors"
	"time"
)

// Log is the delivery log: what the pages read of the store, and that they retry
// dead letters. Every method reads a bounded number of rows.
type Log interface {
	// Deliveries is a page of what was taken in, newest first; before is the Next
	// of the page that came first, 0 for the newest.
	Deliveries(ctx context.Context, f Filter, before int64) (Deliveries, error)
	// Delivery is one of them. ErrNotFound: there is none, or no more.
	Delivery(ctx context.Context, id int64) (Detail, error)
	// Refusals are requests that were not taken in, sampled, newest first; source
	// "" is any.
	Refusals(ctx context.Context, source string) ([]Refusal, error)
	// Retry brings a dead letter back, and all that died with it. ErrNotRetryable:
	// it is none, or one that would die again.
	Retry(ctx context.Context, id int64) error
	// RetryableReasons counts the dead letters that can be retried, by reason; source ""
	// is any. all: none were left out.
	RetryableReasons(ctx context.Context, source string) (counts map[string]int64, all bool, err error)
	// RetryReason retries the dead letters of a reason with ids above after, oldest
	// first; source "" is any. It says how many events are pending again. next, when
	// set, says that time ran out, and after which id to go on. After an error those so
	// far are back.
	RetryReason(ctx context.Context, source, reason string, after int64) (retried, next int64, err error)
	// Lookup finds the trace that an id belongs to; source "" is any. ErrNotFound:
	// nothing that is kept has that id.
	Lookup(ctx context.Context, source string, by IDKind, id string) (Found, error)
}

// Errors of a Log.
var (
	ErrNotFound     = errors.New("not found")
	ErrNotRetryable = errors.New("not a dead letter that can be retried")
)

// IDKind says what an id is of.
type IDKind string

// Kinds of ids, by the names that the platform gives them.
const (
	BySession   IDKind = "session_id"
	BySIPCallID IDKind = "sip_call_id"
	ByCall      IDKind = "call_id" // global_session_id
	ByLog       IDKind = "log_id"
)

// idKinds in the order of the form, in words.
var idKinds = []option{
	{string(BySession), "Session id"},
	{string(BySIPCallID), "SIP Call-ID"},
	{string(ByCall), "Call id (global_session_id)"},
	{string(ByLog), "Log id"},
}

// Filter selects deliveries; zero fields select all.
type Filter struct {
	Source string
	Event  string // event.name
	State  string
	By     IDKind // what ID is of
	ID     string
	// Received in [From, To).
	From, To time.Time
}

// Deliveries is a page of the delivery log.
type Deliveries struct {
	Rows []Delivery
	// Next is what the next page is asked for with; 0: this is the last one.
	Next int64
	// SearchedTo, when set, says that the page is short because only what came
	// since then was looked at; Next goes on from there.
	SearchedTo time.Time
}

// Delivery is one webhook that was taken in. Its texts come from payloads, and so
// from strangers.
type Delivery struct {
	ID            int64
	Source        string
	Event         string // event.name
	SessionID     string
	SessionMasked bool // SessionID is not the id itself: nothing is found by it
	LogID         string
	ClientAddress string
	Endpoint      string
	ReceivedAt    time.Time
	Took          time.Duration // until it was durable; 0: unknown
	Redeliveries  int64
	State         string // pending, exported, dead, dropped, expired, forgotten
	Reason        string // of a dead or dropped one; closed set
	Detail        string // the same in words
	EndedAt       time.Time
	// Subject is what it is exported with: call, conversation, late or log; "" for
	// nothing. Open: that still gathers, until DueAt at the latest.
	Subject  string
	Open     bool
	DueAt    time.Time
	KeptBody int64  // bytes that the body occupies; 0: not kept
	TraceID  string // hex; "": not known
	SpanID   string // hex; "": not known
}

// Detail is a delivery with what only its page shows.
type Detail struct {
	Delivery
	// Headers of the request; the values of all that could hold a credential were
	// replaced before they were stored.
	Headers map[string]string
	// Body is what was posted; nil when it is not kept, or may not be shown.
	Body []byte
	// BodyHidden: it is kept and may not be shown.
	BodyHidden bool
	// Requests that it is part of, with whatever else is in them.
	Requests []Request
}

// Request is one encoded OTLP request.
type Request struct {
	Signal    string // traces, logs
	State     string // pending, done, dead
	Attempts  int
	LastError string
	Body      []byte // Export…ServiceRequest; nil: not kept any more
}

// Refusal is a request that was refused, or several alike in the same second. Its texts
// are from strangers.
type Refusal struct {
	Source        string // configured; "" when the path names none
	AskedSource   string // that the path names
	Path          string
	UserAgent     string
	Status        int
	Reason        string // closed set
	ClientAddress string
	At            time.Time // when the last of them came
	Count         int64
}

// Found is the trace of an id.
type Found struct {
	TraceID  string // "": not known yet, a conversation has none before it is mapped
	SpanID   string // of the turn for a log id, else of the call; "": not made yet
	State    string // of the event with that id
	Delivery int64  // that event; 0: a call names it, and it has not come
}
