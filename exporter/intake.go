package exporter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"cdr2otel/exporter/internal/receiver"
	"cdr2otel/exporter/internal/store"
	"cdr2otel/mapping"
)

// Names of the events of the log webhook (event.name).
const (
	nameCDR     = "cdr_logged"
	nameMessage = "message_logged"
)

// displayLimit bounds the copies that the delivery log shows, in bytes.
const displayLimit = 256

// accept is what the receiver hands an authentic event to: it works out who the
// event is and what it joins with, and returns once it is durable (I1).
func (e *Exporter) accept(ctx context.Context, in receiver.Event) (receiver.Outcome, error) {
	ev, message, err := e.intake(in)
	if err != nil {
		return "", err
	}
	receipt, err := e.acceptAwaiting(ctx, ev, in.ReceivedAt)
	switch {
	case errors.Is(err, store.ErrFull), errors.Is(err, store.ErrClosed), errors.Is(err, store.ErrBroken), errors.Is(err, store.ErrUnavailable):
		return "", fmt.Errorf("%w: %w", receiver.ErrUnavailable, err)
	case err != nil:
		return "", err
	}
	if receipt.Outcome != store.OutcomeDuplicate {
		// All that the sender waited for but the answer's own way: the body's arrival,
		// its place in the queue, and the commit.
		e.store.Took(receipt.EventID, e.opts.Now().Sub(in.ReceivedAt))
	}
	if receipt.Reason != "" {
		e.deadLetters.log(e.log, in, receipt)
	}
	if message != nil && receipt.Outcome == store.OutcomeAccepted {
		e.measureMessage(in.Source, mapping.MessageInput{Message: message, ContentHash: ev.ContentHash, ReceivedAt: ev.ReceivedAt}, in.Headers)
	}
	return receiver.Outcome(receipt.Outcome), nil
}

// intake turns an authentic webhook into an event of the store. What can't be
// mapped is still an event: a dead letter that says why, because its sender will
// not repeat it. A message log comes back decoded too, for its metrics.
func (e *Exporter) intake(in receiver.Event) (*store.Event, *mapping.Message, error) {
	settings := e.settings.Load()
	if len(in.Payload) == 0 { // an envelope without payload
		in.Payload = []byte("null")
	}
	headers, err := json.Marshal(in.Headers, json.Deterministic(true))
	if err != nil {
		return nil, nil, fmt.Errorf("encode kept headers: %w", err)
	}
	shown, err := json.Marshal(in.RequestHeaders, json.Deterministic(true))
	if err != nil {
		return nil, nil, fmt.Errorf("encode request headers: %w", err)
	}
	ev := &store.Event{
		Source:         in.Source,
		Kind:           store.KindOther,
		ReceivedAt:     in.ReceivedAt,
		Body:           in.Payload,
		Headers:        headers,
		Name:           mapping.Text(in.Name, displayLimit),
		ClientAddress:  in.ClientAddress,
		Endpoint:       mapping.Text(in.Endpoint, displayLimit),
		RequestHeaders: shown,
	}
	hasher := e.hashers.Get().(*mapping.Hasher)
	defer e.hashers.Put(hasher)
	if ev.ContentHash, err = hasher.Sum(in.Payload); err != nil {
		return nil, nil, fmt.Errorf("hash payload: %w", err)
	}
	switch in.Name {
	case nameCDR:
		settings.asCDR(ev)
	case nameMessage:
		return ev, settings.asMessage(ev), nil
	default:
		deadOnArrival(ev, "unsupported", "this release knows no event of that name")
	}
	return ev, nil, nil
}

// asCDR fills in what a call detail record joins with.
func (s *settings) asCDR(ev *store.Event) {
	ev.Kind = store.KindCDR
	id, err := mapping.IdentifyCDR(ev.Body)
	if err != nil {
		deadOnArrival(ev, "unmappable", err.Error())
		return
	}
	callID := mapping.CallID(id, ev.ContentHash)
	ev.Key = store.Key("cdr", callID)
	ev.CallID = []byte(callID)
	s.join(ev, id)
	ev.Grace = s.correlation.Grace
	ev.NotExpected = s.withoutMessages[ev.Source]
}

// asMessage fills in what a message log joins with, and returns it decoded; nil if
// it can't be.
func (s *settings) asMessage(ev *store.Event) *mapping.Message {
	ev.Kind = store.KindMessage
	message, err := mapping.DecodeMessage(ev.Body)
	if err != nil {
		deadOnArrival(ev, "unmappable", err.Error())
		return nil
	}
	id := message.Identity()
	ev.Key = ev.ContentHash
	if len(id.LogIDs) > 0 {
		ev.Key = logKey(id.LogIDs[0])
		ev.LogID = mapping.Text(id.LogIDs[0], displayLimit)
	}
	s.join(ev, id)
	ev.Quiet, ev.QuietReason = s.correlation.ChatIdle, store.ReasonIdle
	if id.Phone {
		ev.Quiet, ev.QuietReason = s.correlation.Window, store.ReasonWindow
	}
	ev.Late, ev.Record = s.records.late, s.records.asRecords()
	return message
}

// join fills in the keys that both kinds share.
func (s *settings) join(ev *store.Event, id mapping.Identity) {
	kind, seed := mapping.Seed(id, ev.ContentHash)
	ev.TraceID = mapping.NewTraceID(ev.Source, kind, seed)
	ev.Customer, ev.Caller = id.Customer, id.Caller
	for _, l := range id.LogIDs {
		ev.LogKeys = append(ev.LogKeys, logKey(l))
	}
	if id.SIPCallID != "" {
		ev.SIPKey = store.Key("sip_call_id", id.SIPCallID)
	}
	for _, session := range id.SessionIDs {
		ev.Sessions = append(ev.Sessions, store.Key("session_id", session))
	}
	if len(id.SessionIDs) > 0 {
		ev.SessionID = mapping.Text(id.SessionIDs[0], displayLimit)
	}
}

// deadOnArrival makes the event a dead letter. Its key is its name and content:
// it has no other identity.
func deadOnArrival(ev *store.Event, reason, detail string) {
	ev.Key = store.Key(ev.Name, string(ev.ContentHash[:]))
	ev.DeadReason, ev.DeadDetail = reason, mapping.Text(detail, displayLimit)
}

// logKey hashes a log id: a message's key, and what a CDR's turns name.
func logKey(logID string) store.Hash { return store.Key("log_id", logID) }

// correlation is the part of the configuration that says when a subject is due.
type correlation struct {
	Grace, Window, ChatIdle time.Duration
}
