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

	"github.com/go-json-experiment/json"
)

// Status is what /readyz says. It holds no payload data.
type Status struct {
	// NotReady is why a webhook can't be acknowledged now; empty means it can. A
	// collector that is down or refuses does not change it: readiness means "can
	// acknowledge", and an expired token must not cost a day of calls.
	NotReady string `json:"not_ready,omitempty"`
	// Delivery is the state of each signal's gate: "sending", or why it is held.
	Delivery map[string]string `json:"delivery"`
	// Events counts every accepted event by its state, over all sources.
	Events map[string]int64 `json:"events"`
	// Refused webhooks were authentic and are lost at their source; Rejected spans
	// were delivered and turned away by the back end (partial success). Both since
	// the start of this process.
	Refused  int64 `json:"refused_webhooks"`
	Rejected int64 `json:"rejected_spans"`
	// StoreBytes and StoreLimit are the size of the store and its limit.
	StoreBytes int64 `json:"store_bytes"`
	StoreLimit int64 `json:"store_limit_bytes"`
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
