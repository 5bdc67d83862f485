// Package receiver turns webhook requests into events: it limits, authenticates
// and takes the envelope apart, hands each event to Accept, and answers.
//
// The order of checks is fixed: method, source, media type and coding, declared
// size, authentication, actual and inflated size, parse. Before authentication
// nothing but the request's header is looked at: the body is not read, and
// unauthenticated bytes never reach the inflater or the JSON decoder (I6).
// status.go is the only table from what went wrong to what is answered.
package receiver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"
)

// DefaultSource is the source of a request to the bare path.
const DefaultSource = "default"

// Defaults of Config.
const (
	DefaultMaxBody      = 8 << 20
	DefaultMaxInFlight  = 1024
	DefaultWaitForPlace = 5 * time.Second
	// DefaultWaitForAccept is longer than SQLite waits for a locked file (5 s), whose
	// error then says more, and short enough that all waits fit ServerLimits.Write.
	DefaultWaitForAccept = 10 * time.Second
	defaultMaxBuffered   = 64 << 20
)

// ErrUnavailable is what Accept returns, wrapped or not, when the event can't be
// made durable now: the store is full of pending or dead events, or closing. The
// answer is 503 with Retry-After. Any other error of Accept is answered the same
// way and logged.
var ErrUnavailable = errors.New("no event can be taken now")

// Event is one authentic webhook body.
type Event struct {
	Source string
	// Name is event.name in lower case, at most 256 bytes; cdr_logged for a bare
	// CDR.
	Name string
	// Payload is the value of "payload" byte for byte, a complete JSON value; the
	// whole body for a bare CDR; nil when the envelope has none. It may hold
	// duplicate names, lone surrogates or invalid UTF-8, and need not be an
	// object: Accept decides what that means.
	Payload    []byte
	ReceivedAt time.Time
	// Headers are the kept request headers, names in lower case, values at most
	// 256 bytes.
	Headers map[string]string
	// RequestHeaders are for the delivery log: at most 64 names, values bounded,
	// and everything outside a short list of harmless names "[redacted]".
	RequestHeaders map[string]string
	ClientAddress  string
	Endpoint       string // request path, at most 256 bytes
}

// Accept makes an event durable and says what became of it. A nil error means
// that the event is on stable storage: the 2xx is written right after (I1). It is
// not cancelled when the client hangs up, because the platform does not repeat.
type Accept func(ctx context.Context, e Event) (Outcome, error)

// Config of a Receiver.
type Config struct {
	// Path before the source, "/webhook". The bare path is DefaultSource.
	Path string
	// Sources by name, at least one.
	Sources map[string]Source
	// MaxBody is the largest body in bytes, as sent and as inflated; 0 is
	// DefaultMaxBody. Larger ones are answered 413 and lost.
	MaxBody int64
	// MaxInFlight is how many events may be in Accept at once; 0 is
	// DefaultMaxInFlight. Above it a request waits for WaitForPlace.
	MaxInFlight int
	// MaxWaiting is how many more events may wait for that; 0 is MaxInFlight, but at
	// least DefaultMaxInFlight. Above it one is refused at once, so that those who
	// wait leave connections to the synchronous ones: see Connections.
	MaxWaiting int
	// MaxBuffered bounds the bytes of all bodies in memory (I7); 0 is 64 MiB. Events
	// that are read, stored and observed have budgets of their own in it, none of
	// which is less than one of the largest bodies: that may make it four of them and
	// an eighth of MaxBuffered. A body that finds no room waits unread.
	MaxBuffered int64
	// WaitForPlace is how long an authentic request waits for room for its body (once
	// to be read, once to be stored), and again for a place, before it is refused; 0
	// is DefaultWaitForPlace.
	WaitForPlace time.Duration
	// WaitForAccept is how long a request waits for Accept before it is refused; 0 is
	// DefaultWaitForAccept. The event may become durable all the same.
	WaitForAccept time.Duration
	// TrustedProxies are the peers whose X-Forwarded-For is believed. It only
	// changes Event.ClientAddress and Answer.ClientAddress.
	TrustedProxies []netip.Prefix
	// Accept is called for every event but the synchronous ones.
	Accept Accept
	// Observe, when set, is told of message_received and message_processed after
	// they were answered, in a goroutine of its own. Until it returns the event holds
	// memory: at most MaxInFlight run at once, with an eighth of MaxBuffered; above
	// that the event is answered and not observed, and Answer.Unobserved says so. So
	// it should not wait for the store.
	Observe func(Event)
	// OnAnswer, when set, is called once for every request, after the answer was
	// written, in the request's goroutine. Only answers to synchronous events are
	// sure to have been sent by then.
	OnAnswer func(Answer)
	// Logger of what an operator must know; nil discards.
	Logger *slog.Logger
	// Now is the clock of receipt times and token lifetimes; nil is time.Now.
	Now func() time.Time
}

// Source is where webhooks come from, one per IBM environment.
type Source struct {
	Auth Auth
	// KeepHeaders names request headers that are handed on in Event.Headers. A
	// header that carries credentials is refused here.
	KeepHeaders []string
}

// Receiver is the http.Handler of the webhook listener.
type Receiver struct {
	cfg      Config
	sources  atomic.Pointer[map[string]source]
	draining atomic.Bool
	budgets
	admitted  *semaphore.Weighted // events in Accept or waiting for it
	accepting *semaphore.Weighted // events in Accept
	observers *semaphore.Weighted // calls of Observe
	running   *running            // calls of Accept and Observe
	// sayFailed says now and then why events can't be stored: while the store fails,
	// every one can't, and the log must not fill the disk.
	sayFailed rate.Sometimes
}

// source is a Source made ready for requests.
type source struct {
	auth        authenticator
	keepHeaders []string // lower case
}

// New checks the configuration. Its errors say what to do.
func New(cfg Config) (*Receiver, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	r := &Receiver{
		cfg:       cfg,
		budgets:   newBudgets(cfg.MaxBuffered, cfg.MaxBody),
		admitted:  semaphore.NewWeighted(int64(cfg.MaxInFlight) + int64(cfg.MaxWaiting)),
		accepting: semaphore.NewWeighted(int64(cfg.MaxInFlight)),
		observers: semaphore.NewWeighted(int64(cfg.MaxInFlight)),
		running:   newRunning(),
		sayFailed: rate.Sometimes{First: 3, Interval: time.Second},
	}
	if err := r.Reload(cfg.Sources); err != nil {
		return nil, err
	}
	return r, nil
}

// Reload swaps the sources at once, for rotated secrets; requests in progress
// finish with what they started with. On an error nothing changes.
func (r *Receiver) Reload(sources map[string]Source) error {
	ready, err := prepare(sources, r.cfg.Now)
	if err != nil {
		return err
	}
	r.sources.Store(&ready)
	return nil
}

// Drain makes every event that is not in Accept yet be answered 503 from now on.
// Synchronous events are still answered: a caller is on the line.
func (r *Receiver) Drain() { r.draining.Store(true) }

// Wait returns when neither Observe nor Accept is running: an event may be in
// Accept after its request was refused. Call it after the server was shut down and
// before what they use is closed.
func (r *Receiver) Wait() { r.running.Wait() }

func (c Config) withDefaults() (Config, error) {
	if !strings.HasPrefix(c.Path, "/") || strings.HasSuffix(c.Path, "/") {
		return c, fmt.Errorf("webhook.path %q: write it with a leading and without a trailing slash, like /webhook", c.Path)
	}
	if c.Accept == nil {
		return c, errors.New("receiver has no Accept: nothing would be stored")
	}
	if c.MaxBody < 0 || c.MaxInFlight < 0 || c.MaxBuffered < 0 || c.MaxWaiting < 0 || c.WaitForPlace < 0 || c.WaitForAccept < 0 {
		return c, errors.New("webhook limits: use positive values, or 0 for the default")
	}
	c.MaxBody = orDefault(c.MaxBody, DefaultMaxBody)
	c.MaxInFlight = orDefault(c.MaxInFlight, DefaultMaxInFlight)
	c.WaitForPlace = orDefault(c.WaitForPlace, DefaultWaitForPlace)
	c.WaitForAccept = orDefault(c.WaitForAccept, DefaultWaitForAccept)
	c.MaxWaiting = orDefault(c.MaxWaiting, max(c.MaxInFlight, DefaultMaxInFlight))
	c.MaxBuffered = orDefault(c.MaxBuffered, defaultMaxBuffered)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.OnAnswer == nil {
		c.OnAnswer = func(Answer) {}
	}
	return c, nil
}

func orDefault[T int | int64 | time.Duration](value, otherwise T) T {
	if value == 0 {
		return otherwise
	}
	return value
}

func prepare(sources map[string]Source, now func() time.Time) (map[string]source, error) {
	if len(sources) == 0 {
		return nil, errors.New("sources: configure at least one")
	}
	ready := make(map[string]source, len(sources))
	for name, s := range sources {
		if name == "" || strings.Contains(name, "/") {
			return nil, fmt.Errorf("sources: %q can't be a path segment; use letters, digits, - and _", name)
		}
		auth, err := s.Auth.prepare(now)
		if err != nil {
			return nil, fmt.Errorf("sources.%s.auth: %w", name, err)
		}
		keep := make([]string, len(s.KeepHeaders))
		for i, header := range s.KeepHeaders {
			keep[i] = strings.ToLower(header)
			if auth.reads(header) {
				return nil, fmt.Errorf("sources.%s: header %q carries credentials and can't be kept; remove it from header_attributes", name, header)
			}
		}
		ready[name] = source{auth: auth, keepHeaders: keep}
	}
	return ready, nil
}
