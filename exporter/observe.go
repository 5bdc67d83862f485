package exporter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/time/rate"

	"cdr2otel/exporter/internal/receiver"
	"cdr2otel/exporter/internal/store"
	"cdr2otel/mapping"
)

// Bounds of what synchronous webhooks showed and is not in the store yet (I7).
const (
	observationQueue = 1024
	observationBatch = 64
	// lastObservations is how long the end waits for the store to take what is left.
	lastObservations = 2 * time.Second
)

// errNoRoom: more synchronous webhooks came than the store takes.
var errNoRoom = errors.New("the store does not keep up")

// observations takes what synchronous webhooks showed to the store, behind their
// answers: a caller is on the line, so nobody waits for it, and what finds no room
// is dropped and counted.
type observations struct {
	queue chan store.ObservedEvent
	say   rate.Sometimes
}

func newObservations() *observations {
	return &observations{
		queue: make(chan store.ObservedEvent, observationQueue),
		say:   rate.Sometimes{First: 1, Interval: time.Minute},
	}
}

// observe is told of a synchronous webhook after its answer. It decodes and hands
// over: it never waits for the store.
func (e *Exporter) observe(in receiver.Event) {
	seen, err := e.settings.Load().observed(in)
	if err != nil {
		e.unobserved(in.Source, err)
		return
	}
	select {
	case e.observations.queue <- seen:
	default:
		e.unobserved(in.Source, errNoRoom)
	}
}

// observed is what the store keeps and sends of a synchronous webhook.
func (s *settings) observed(in receiver.Event) (store.ObservedEvent, error) {
	seen := store.ObservedEvent{Source: in.Source, ReceivedAt: in.ReceivedAt}
	shown, err := mapping.DecodeObservation(in.Name, in.Payload, s.records.content)
	if err != nil {
		return seen, err
	}
	if shown.SessionID != "" {
		seen.Session = store.Key("session_id", shown.SessionID)
	}
	if s.records.asSpans() {
		if seen.Body, err = json.Marshal(shown); err != nil {
			return seen, fmt.Errorf("encode observation: %w", err)
		}
	}
	if !s.records.asRecords() {
		return seen, nil
	}
	records := s.mapper(in.Source).ObservationRecord(mapping.ObservationInput{Observation: shown, ReceivedAt: in.ReceivedAt}, in.Headers)
	seen.TraceID = records.TraceID
	seen.Record, err = mapping.EncodeLogs(records.Request)
	return seen, err
}

// recordObservations is the stage that writes them, as many at once as gathered
// while the last ones were written.
func (e *Exporter) recordObservations(ctx context.Context) error {
	for {
		select {
		case first := <-e.observations.queue:
			e.writeObservations(ctx, e.observations.gather(first))
		case <-ctx.Done():
			e.writeLastObservations(context.WithoutCancel(ctx))
			return nil
		}
	}
}

func (o *observations) gather(first store.ObservedEvent) []store.ObservedEvent {
	batch := []store.ObservedEvent{first}
	for len(batch) < observationBatch {
		select {
		case seen := <-o.queue:
			batch = append(batch, seen)
		default:
			return batch
		}
	}
	return batch
}

func (e *Exporter) writeLastObservations(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lastObservations)
	defer cancel()
	for len(e.observations.queue) > 0 {
		e.writeObservations(ctx, e.observations.gather(<-e.observations.queue))
	}
}

func (e *Exporter) writeObservations(ctx context.Context, batch []store.ObservedEvent) {
	err := e.store.Observe(ctx, batch)
	for i := range batch {
		if err != nil {
			e.unobserved(batch[i].Source, err)
			continue
		}
		e.telemetry.Observed(batch[i].Source, true)
	}
}

// unobserved counts what was answered and not recorded, and says why now and then.
func (e *Exporter) unobserved(source string, why error) {
	e.telemetry.Observed(source, false)
	e.observations.say.Do(func() {
		e.log.Warn("a synchronous webhook was answered but not recorded", "source", source, "reason", why)
	})
}
