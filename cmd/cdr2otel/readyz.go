package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"cdr2otel/exporter"
)

// readiness is the part of /readyz that the commands read.
type readiness struct {
	NotReady string            `json:"not_ready"`
	Delivery map[string]string `json:"delivery"` // by signal: "sending", "held: …", …
	Events   map[string]int64  `json:"events"`
	// EventsUnread: what Events would count can't be read.
	EventsUnread bool `json:"events_unread"`
}

// askReadiness asks a health listener, host:port. The error is that of the network, or
// says that something else answers there.
func askReadiness(ctx context.Context, address string) (readiness, error) {
	url := "http://" + address + "/readyz"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return readiness{}, err
	}
	transport := &http.Transport{DisableKeepAlives: true} // unlike the default one it knows no proxy
	response, err := transport.RoundTrip(request)
	if err != nil {
		return readiness{}, err
	}
	defer response.Body.Close()
	var r readiness
	if json.NewDecoder(response.Body).Decode(&r) != nil || r.Delivery == nil {
		return readiness{}, fmt.Errorf("%s is not the health listener of cdr2otel: it answers %d", url, response.StatusCode)
	}
	return r, nil
}

// How long the traces may take to be delivered, and how often that is asked.
const (
	deliveryPatience = 30 * time.Second
	askInterval      = 20 * time.Millisecond
)

// undelivered is why not all events were delivered.
type undelivered struct {
	delivered, events int64
	why               string
	since             time.Time
}

func (u undelivered) Error() string {
	return fmt.Sprintf("%d of %d events delivered since %s (%s)", u.delivered, u.events, u.since.UTC().Format(time.RFC3339), u.why)
}

// awaitDelivery returns nil once the sidecar has delivered that many events. When their
// receiver does not take them it returns an undelivered, once that many traces are made.
func awaitDelivery(ctx context.Context, sidecar *exporter.Exporter, events int64, traces int) error {
	patient, cancel := context.WithTimeout(ctx, deliveryPatience)
	defer cancel()
	ticker := time.NewTicker(askInterval)
	defer ticker.Stop()
	last := undelivered{events: events, since: time.Now()}
	for {
		if now, err := askReadiness(patient, sidecar.HealthAddr()); err == nil {
			last.delivered = now.Events["exported"]
			if last.delivered >= events {
				return nil
			}
			last.why = now.Delivery["traces"]
			if strings.HasPrefix(last.why, "held") && assembled(patient, sidecar) >= traces {
				return last
			}
		}
		select {
		case <-patient.Done():
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return last
		case <-ticker.C:
		}
	}
}

// assembled counts the calls and conversations of which traces were made.
func assembled(ctx context.Context, sidecar *exporter.Exporter) (n int) {
	families, err := scrape(ctx, metricsURL(sidecar))
	if err != nil {
		return 0
	}
	for _, m := range families["wxa_exporter_assemblies_total"].GetMetric() {
		n += int(m.GetCounter().GetValue())
	}
	return n
}
