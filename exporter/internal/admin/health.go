// Package admin serves what operators and probes look at. Health and readiness
// are on a listener of their own and on the admin listener; that has the metrics
// and the pages too: what arrived, where it is now, what it became. Nothing here
// is ever reachable through the webhook listener.
//
// The pages are HTML made here, with one style sheet and no script. What they show
// comes from payloads, so from strangers: templates escape it, the policy of every
// answer lets nothing run or load (guard.go), and what was said or whom it was
// about is left out unless the configuration allows it (I5).
package admin

import (
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// Status is what /readyz says. It holds no payload data.
type Status struct {
	// NotReady is why a webhook can't be acknowledged now; empty means it can. A
	// collector that is down or refuses does not change it: readiness means "can
	// acknowledge", and an expired token must not cost a day of calls.
	NotReady string `json:"not_ready,omitempty"`
	// StartedAt is when this process began; what is counted "since the start" is since
	// then.
	StartedAt time.Time `json:"started_at"`
	// Delivery is how the export of each signal goes.
	Delivery map[string]Signal `json:"delivery"`
	// Events counts every accepted event by its state, over all sources. EventsUnread:
	// it could not be read, and is empty.
	Events       map[string]int64 `json:"events"`
	EventsUnread bool             `json:"events_unread,omitzero"`
	// Refused webhooks, since the start, and the same by reason: a closed set. What the
	// platform sent of them is lost, since it repeats nothing.
	Refused         int64            `json:"refused_webhooks"`
	RefusedByReason map[string]int64 `json:"refused_by_reason"`
	// Rejected spans were delivered and turned away by the back end (partial success),
	// since the start.
	Rejected int64 `json:"rejected_spans"`
	// StoreBytes and StoreLimit are the size of the store and its limit.
	StoreBytes int64 `json:"store_bytes"`
	StoreLimit int64 `json:"store_limit_bytes"`
}

// States of a Signal.
const (
	SignalSending = "sending"
	SignalIdle    = "nothing sent yet" // since the start
	SignalHeld    = "held"
	SignalUnused  = "not used" // its exporter is on, and nothing is ever made for it
	SignalOff     = "off"      // its exporter is none
	SignalUnknown = "unknown"  // what waits for it can't be read, so nothing leaves
)

// Signal is how the export of traces, or of logs, goes.
type Signal struct {
	State string
	// What follows is of a held one.
	Reason       string    // closed set
	Destination  string    // URL without what may be a key
	Detail       string    // the last answer in words, without our credentials
	Since, Until time.Time // the next try is at Until; zero: that is not known
	Trying       bool      // it is Until, or past: the next try is under way
}

// Between the reason of a held signal and the time of the next try, and instead of both.
const (
	nextTry = ", next try at "
	trying  = ", trying now"
)

// Why is why a held signal is held, and until when.
func (s Signal) Why() string {
	switch {
	case s.Trying:
		return s.Reason + trying
	case s.Until.IsZero():
		return s.Reason
	}
	return s.Reason + nextTry + s.Until.UTC().Format(time.RFC3339)
}

// MarshalText is the signal as /readyz says it, to whoever asks: without the
// destination and its answer.
func (s Signal) MarshalText() ([]byte, error) {
	if s.State != SignalHeld {
		return []byte(s.State), nil
	}
	return []byte(s.State + ": " + s.Why()), nil
}

// UnmarshalText reads what MarshalText wrote.
func (s *Signal) UnmarshalText(text []byte) error {
	state, why, held := strings.Cut(string(text), ": ")
	*s = Signal{State: state}
	if !held {
		return nil
	}
	why, s.Trying = strings.CutSuffix(why, trying)
	reason, until, known := strings.Cut(why, nextTry)
	s.Reason = reason
	if !known {
		return nil
	}
	var err error
	s.Until, err = time.Parse(time.RFC3339, until)
	return err
}

// Health answers /healthz (the process lives) and /readyz (it can acknowledge).
func Health(status func(*http.Request) Status) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n")) // the prober is gone: nothing to do
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		s := status(r)
		code := http.StatusOK
		if s.NotReady != "" {
			code = http.StatusServiceUnavailable
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(code)
		_ = json.MarshalWrite(w, s, json.Deterministic(true)) // as above
	})
	return mux
}
