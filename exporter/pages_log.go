package exporter

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"

	"cdr2otel/exporter/config"
	"cdr2otel/exporter/internal/admin"
	"cdr2otel/exporter/internal/store"
)

// Rows of one page.
const (
	pageOfDeliveries = 50
	pageOfRefusals   = 500
)

// privateAttributes hold what was said, whom a call was about and what it was asked
// to carry along. By default no span has them; what an earlier configuration let
// leave is still not for everybody who may look at the pages now (I5).
func privateAttributes(cfg config.Config, opts Options) (map[string]admin.Visibility, error) {
	content, err := captureContent(cfg.Mapping.Content, opts.Getenv)
	if err != nil {
		return nil, err
	}
	when := func(allowed bool) admin.Visibility {
		if allowed {
			return admin.Private
		}
		return admin.Hidden
	}
	hash := admin.Hidden
	if cfg.Mapping.CallerHashKeyFile != "" {
		hash = admin.Public
	}
	all := map[string]admin.Visibility{
		"wxa.caller.hash":            hash,
		"gen_ai.input.messages":      when(content),
		"gen_ai.output.messages":     when(content),
		"gen_ai.system_instructions": when(content),
		"wxa.pii.caller.number":      when(cfg.Mapping.Allows(config.PIICallerNumber)),
		"wxa.pii.callee.number":      when(cfg.Mapping.Allows(config.PIICalleeNumber)),
		"wxa.pii.sip.from_uri":       when(cfg.Mapping.Allows(config.PIISIPURIs)),
		"wxa.pii.sip.to_uri":         when(cfg.Mapping.Allows(config.PIISIPURIs)),
	}
	for _, custom := range cfg.Mapping.CustomData {
		all[custom.Attribute] = admin.Public
	}
	return all, nil
}

// visibility of an attribute, by its key. Custom data are seen while they are
// allowed to leave.
func (e *Exporter) visibility(key string) admin.Visibility {
	v, known := e.settings.Load().visibility[key]
	if !known && strings.HasPrefix(key, "wxa.custom.") {
		return admin.Hidden
	}
	return v
}

// deliveryLog lets the pages read the store.
type deliveryLog struct{ *Exporter }

func (l deliveryLog) Deliveries(ctx context.Context, f admin.Filter, before int64) (admin.Deliveries, error) {
	filter := store.DeliveryFilter{Source: f.Source, Name: f.Event, State: store.State(f.State), From: f.From, To: f.To}
	k := lookupKey(f.By, f.ID)
	filter.Session, filter.SIP, filter.Call, filter.Log = k.Session, k.SIP, k.Call, k.Log
	page, err := l.store.Deliveries(ctx, filter, before, pageOfDeliveries)
	if err != nil {
		return admin.Deliveries{}, err
	}
	out := admin.Deliveries{Next: page.Next, SearchedTo: page.SearchedTo, Rows: make([]admin.Delivery, len(page.Deliveries))}
	for i := range page.Deliveries {
		out.Rows[i] = l.shown(&page.Deliveries[i])
	}
	return out, nil
}

// lookupKey hashes an id as intake does.
func lookupKey(by admin.IDKind, id string) (k store.LookupKey) {
	if id == "" {
		return k
	}
	switch by {
	case admin.BySession:
		k.Session = store.Key("session_id", id)
	case admin.BySIPCallID:
		k.SIP = store.Key("sip_call_id", id)
	case admin.ByCall:
		k.Call = store.Key("cdr", id)
	case admin.ByLog:
		k.Log = logKey(id)
	}
	return k
}

// shown is the delivery with its ids as they leave: a number in one is no more for
// everybody who looks at the pages than it is for the back end.
func (l deliveryLog) shown(d *store.Delivery) admin.Delivery {
	ids := &l.settings.Load().ids
	session := ids.Shown(d.SessionID)
	return admin.Delivery{
		ID:            d.ID,
		Source:        d.Source,
		Event:         d.Name,
		SessionID:     session,
		SessionMasked: session != d.SessionID,
		LogID:         ids.Shown(d.LogID),
		ClientAddress: d.ClientAddress,
		Endpoint:      d.Endpoint,
		ReceivedAt:    d.ReceivedAt,
		Took:          d.Took,
		Redeliveries:  d.Redeliveries,
		State:         string(d.State),
		Reason:        d.Reason,
		Detail:        d.Detail,
		EndedAt:       d.EndedAt,
		Subject:       string(d.Subject),
		Open:          d.SubjectState == store.SubjectOpen,
		DueAt:         d.DueAt,
		KeptBody:      d.KeptBody,
		TraceID:       hexID(d.TraceID[:]),
		SpanID:        hexID(d.SpanID[:]),
	}
}

// hexID is "" for an id of zeros, which is none.
func hexID(id []byte) string {
	for _, b := range id {
		if b != 0 {
			return hex.EncodeToString(id)
		}
	}
	return ""
}

// Delivery hands the body on only where bodies are kept on purpose: then the
// configuration says that what was said and by whom is readable here. That a body
// is there because its call is not mapped yet, or never will be, says nothing.
func (l deliveryLog) Delivery(ctx context.Context, id int64) (admin.Detail, error) {
	d, ok, err := l.store.Delivery(ctx, id)
	switch {
	case err != nil:
		return admin.Detail{}, err
	case !ok:
		return admin.Detail{}, admin.ErrNotFound
	}
	out := admin.Detail{Delivery: l.shown(&d.Delivery)}
	if len(d.RequestHeaders) > 0 {
		if err := json.Unmarshal(d.RequestHeaders, &out.Headers); err != nil {
			return admin.Detail{}, fmt.Errorf("headers of event %d: %w", id, err)
		}
	}
	if l.cfg.Store.KeepBodies > 0 {
		out.Body = d.Body
	} else {
		out.BodyHidden = d.Body != nil
	}
	for _, r := range d.Requests {
		out.Requests = append(out.Requests, admin.Request{
			Signal: r.Signal, State: string(r.State), Attempts: r.Attempts, LastError: r.LastError, Body: r.Body,
		})
	}
	return out, nil
}

func (l deliveryLog) Refusals(ctx context.Context, source string) ([]admin.Refusal, error) {
	found, err := l.store.Refusals(ctx, source, pageOfRefusals)
	out := make([]admin.Refusal, len(found))
	for i, r := range found {
		out[i] = admin.Refusal{
			Source: r.Source, AskedSource: r.AskedSource, Path: r.Path, UserAgent: r.UserAgent,
			Status: r.Status, Reason: r.Reason, ClientAddress: r.ClientAddress, At: r.At, Count: r.N,
		}
	}
	return out, err
}

func (l deliveryLog) Retry(ctx context.Context, id int64) error {
	err := l.store.Retry(ctx, id)
	if errors.Is(err, store.ErrNotRetryable) {
		return admin.ErrNotRetryable
	}
	return err
}

func (l deliveryLog) Lookup(ctx context.Context, source string, by admin.IDKind, id string) (admin.Found, error) {
	k := lookupKey(by, id)
	k.Source = source
	found, err := l.store.Lookup(ctx, k)
	switch {
	case err != nil:
		return admin.Found{}, err
	case len(found) == 0:
		return admin.Found{}, admin.ErrNotFound
	}
	f := found[0]
	return admin.Found{TraceID: hexID(f.TraceID[:]), SpanID: hexID(f.SpanID[:]), State: string(f.State), Delivery: f.EventID}, nil
}
