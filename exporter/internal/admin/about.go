package admin

import (
	"net/http"

	"github.com/go-json-experiment/json"
)

// About is the answer of GET /about: where telemetry goes to and where events are kept. It
// names addresses, so it is not for strangers, and holds no secret.
type About struct {
	// Destinations are those of traces, logs and metrics: a URL and the protocol, or one
	// of the words below.
	Destinations map[string]string `json:"destinations"`
	// Store is the file, or host and database.
	Store string `json:"store"`
}

// Destinations that are no address. SignalOff and SignalUnused are others.
const (
	ToConsole = "console"
	ToScrape  = "scraped" // metrics that are not pushed
)

func (p *pages) about(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.MarshalWrite(w, p.cfg.About(), json.Deterministic(true)) // the client is gone: nothing to do
}
