package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"cdr2otel/exporter"
)

// How long demo waits for its traces to be delivered, and how often it asks.
const (
	deliveryPatience = 30 * time.Second
	askInterval      = 20 * time.Millisecond
)

// readiness is the part of /readyz that says how delivery goes.
type readiness struct {
	Delivery map[string]string `json:"delivery"`
	Events   map[string]int64  `json:"events"`
}

// awaitExported returns when the sidecar has delivered that many events, or with
// the reason why it could not.
func awaitExported(ctx context.Context, sidecar *exporter.Exporter, events int64, destination string) error {
	ctx, cancel := context.WithTimeout(ctx, deliveryPatience)
	defer cancel()
	ticker := time.NewTicker(askInterval)
	defer ticker.Stop()
	var last readiness
	for {
		now, err := ask(ctx, sidecar)
		if err == nil {
			last = now
		}
		if last.Events["exported"] >= events {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d events are delivered to %s; traces are %s. Nothing acknowledged is lost while it is down, but the demo does not wait longer",
				last.Events["exported"], events, destination, last.Delivery["traces"])
		case <-ticker.C:
		}
	}
}

func ask(ctx context.Context, sidecar *exporter.Exporter) (readiness, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+sidecar.HealthAddr()+"/readyz", nil)
	if err != nil {
		return readiness{}, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return readiness{}, err
	}
	defer response.Body.Close()
	var r readiness
	return r, json.NewDecoder(response.Body).Decode(&r)
}
