package exporter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
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
	arrivals, err := e.intake(in)
	if err != nil {
		return "", err
	}
	receipts, err := e.acceptAwaiting(ctx, arrivals, in.ReceivedAt)
	switch {
	case errors.Is(err, store.ErrFull), errors.Is(err, store.ErrClosed), errors.Is(err, store.ErrBroken), errors.Is(err, store.ErrUnavailable):
		return "", fmt.Errorf("%w: %w", receiver.ErrUnavailable, err)
	case err != nil:
		return "", err
	}
	for i, receipt := range receipts {
		ev, message := arrivals[i].event, arrivals[i].message
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
	}
	return receiver.Outcome(worst(receipts)), nil
}

// worst is the outcome of a webhook: of several events that which needs a look first.
func worst(receipts []store.Receipt) store.Outcome {
	ranks := []store.Outcome{store.OutcomeDuplicate, store.OutcomeAccepted, store.OutcomeUnsupported, store.OutcomeConflict}
	return slices.MaxFunc(receipts, func(a, b store.Receipt) int {
		return cmp.Compare(slices.Index(ranks, a.Outcome), slices.Index(ranks, b.Outcome))
	}).Outcome
}

// arrival is an event of a webhook; of a message log decoded too, for its metrics.
type arrival struct {
	event   *store.Event
	message *mapping.Message
}

// intake turns an authentic webhook into events of the store: one, or those of a
// collection of message logs. What can't be mapped is still an event: a dead letter
// that says why, because its sender will not repeat it.
func (e *Exporter) intake(in receiver.Event) ([]arrival, error) {
	settings := e.settings.Load()
	if len(in.Payload) == 0 { // an envelope without payload
		in.Payload = []byte("null")
	}
	headers, err := json.Marshal(in.Headers, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("encode kept headers: %w", err)
	}
	shown, err := json.Marshal(in.RequestHeaders, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("encode request headers: %w", err)
	}
	hasher := e.hashers.Get().(*mapping.Hasher)
	defer e.hashers.Put(hasher)
	event := func(payload []byte) (*store.Event, error) {
		hash, err := hasher.Sum(payload)
		if err != nil {
			return nil, fmt.Errorf("hash payload: %w", err)
		}
		return &store.Event{
			Source:         in.Source,
			Kind:           store.KindOther,
			ContentHash:    hash,
			ReceivedAt:     in.ReceivedAt,
			Body:           payload,
			Headers:        headers,
			Name:           mapping.Text(in.Name, displayLimit),
			ClientAddress:  in.ClientAddress,
			Endpoint:       mapping.Text(in.Endpoint, displayLimit),
			RequestHeaders: shown,
		}, nil
	}
	ev, err := event(in.Payload)
	if err != nil {
		return nil, err
	}
	switch in.Name {
	case nameCDR:
		settings.asCDR(ev)
	case nameMessage:
		return settings.asMessages(ev, event)
	default:
		deadOnArrival(ev, "unsupported", "this release knows no event of that name")
	}
	return []arrival{{event: ev}}, nil
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

// asMessages is asMessage of a message log, or of each in a collection of them, which
// event makes an event of.
func (s *settings) asMessages(ev *store.Event, event func(payload []byte) (*store.Event, error)) ([]arrival, error) {
	if message := s.asMessage(ev); message != nil {
		return []arrival{{ev, message}}, nil
	}
	logs, err := mapping.Collection(ev.Body)
	if err != nil {
		deadOnArrival(ev, "unmappable", err.Error())
		return []arrival{{event: ev}}, nil
	}
	all := make([]arrival, len(logs))
	for i, log := range logs {
		part, err := event(log)
		if err != nil {
			return nil, err
		}
		all[i] = arrival{part, s.asMessage(part)}
	}
	return all, nil
}

// asMessage fills in what a message log joins with, and returns it decoded; nil if
// it can't be, or has nothing in it.
func (s *settings) asMessage(ev *store.Event) *mapping.Message {
	ev.Kind = store.KindMessage
	message, err := mapping.DecodeMessage(ev.Body)
	if err == nil && message.Nothing {
		err = mapping.ErrNothing
	}
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
