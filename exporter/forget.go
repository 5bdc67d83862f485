package exporter

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"strings"

	"github.com/go-json-experiment/json"

	"cdr2otel/exporter/config"
	"cdr2otel/exporter/internal/admin"
	"cdr2otel/exporter/internal/store"
	"cdr2otel/mapping"
)

// Person and Forgotten are what POST /forget of the admin listener takes and
// answers.
type (
	Person    = admin.Person
	Forgotten = admin.Forgotten
)

// Errors of Forget.
var (
	ErrWho           = admin.ErrWho
	ErrUnknownSource = admin.ErrUnknownSource
	// ErrStoreInUse: a running sidecar has the store; its admin listener forgets.
	ErrStoreInUse = store.ErrInUse
	// ErrNoStore: there is nothing at store.url.
	ErrNoStore = store.ErrNone
)

// Forget deletes what is known of a person from the store of a configuration, and
// overwrites it on disk. No sidecar may be running: ErrStoreInUse.
func Forget(ctx context.Context, cfg config.Config, p Person) (gone Forgotten, err error) {
	who, err := wanted(p)
	if err != nil {
		return gone, err
	}
	if err := cfg.CheckStore().Err(); err != nil {
		return gone, err
	}
	// No retention: nothing is swept, so it matters to nobody.
	s, err := store.OpenExisting(ctx, store.Config{
		URL: cfg.Store.URL, MaxSize: int64(cfg.Store.MaxSize), AllowAsynchronousCommit: cfg.Store.AllowAsynchronousCommit,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return gone, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	_, configured := cfg.Sources[p.Source]
	return forgetIn(ctx, s, who, configured)
}

// forget is Forget in the running sidecar.
func (e *Exporter) forget(ctx context.Context, p admin.Person) (admin.Forgotten, error) {
	who, err := wanted(p)
	if err != nil {
		return admin.Forgotten{}, err
	}
	_, configured := e.settings.Load().sources[p.Source]
	return forgetIn(ctx, e.store, who, configured)
}

func forgetIn(ctx context.Context, s *store.Store, who store.Person, configured bool) (admin.Forgotten, error) {
	f, err := s.Forget(ctx, who)
	if errors.Is(err, store.ErrNoSource) {
		err = nil
		if !configured {
			err = ErrUnknownSource
		}
	}
	gone := admin.Forgotten{Events: f.Events, NotExported: f.Pending, Traces: make([]string, len(f.Traces))}
	for i, trace := range f.Traces {
		gone.Traces[i] = hex.EncodeToString(trace[:])
	}
	return gone, err
}

// searchedDigits is the length from which a number is searched for in dead letters
// that nobody could read: a shorter one is part of others.
const searchedDigits = 7

// wanted is a person as the intake makes keys of one.
func wanted(p admin.Person) (store.Person, error) {
	named := 0
	for _, id := range []string{p.SessionID, p.CallID, p.CustomerID, p.Caller} {
		if id != "" {
			named++
		}
	}
	who := store.Person{Source: p.Source}
	switch {
	case named != 1:
		return who, ErrWho
	case p.SessionID != "":
		who.Session, who.Text = store.Key("session_id", p.SessionID), quoted(p.SessionID)
		who.Traces[0] = mapping.NewTraceID(p.Source, mapping.SeedSessionID, p.SessionID)
	case p.CallID != "":
		who.Call, who.SIP, who.Text = store.Key("cdr", p.CallID), store.Key("sip_call_id", p.CallID), quoted(p.CallID)
		who.Traces[0] = mapping.NewTraceID(p.Source, mapping.SeedSIPCallID, p.CallID)
		who.Traces[1] = mapping.NewTraceID(p.Source, mapping.SeedGlobalSessionID, p.CallID)
	case p.CustomerID != "":
		who.Customer, who.Text = p.CustomerID, quoted(p.CustomerID)
	default:
		if who.Caller = mapping.PhoneNumber(p.Caller); who.Caller == "" {
			return who, ErrWho
		}
		if len(who.Caller) >= searchedDigits {
			who.Text = who.Caller
		}
	}
	return who, nil
}

// quoted is an id as a JSON string has it; "" if none can.
func quoted(id string) string {
	text, err := json.Marshal(strings.ToValidUTF8(id, "\uFFFD"))
	if err != nil {
		return ""
	}
	return string(text)
}
