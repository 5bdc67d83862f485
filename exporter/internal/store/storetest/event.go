package storetest

import (
	"time"

	"cdr2otel/exporter/internal/store"
)

// Events of the tests, all of source "s". Their bodies are their names.

const (
	grace = 30 * time.Second
	quiet = 4 * time.Hour
)

func logKey(log string) store.Hash         { return store.Key("log_id", log) }
func sipKey(call string) store.Hash        { return store.Key("sip_call_id", call) }
func sessionKey(session string) store.Hash { return store.Key("session_id", session) }

// cdr of a call that names these log ids. Its Call-ID and session are named
// after it.
func cdr(call string, logs ...string) *store.Event {
	e := &store.Event{
		Source: "s", Kind: store.KindCDR, Key: store.Key("cdr", call), ContentHash: store.Key("content of cdr", call),
		ReceivedAt: start, Body: []byte("cdr " + call), Headers: []byte(`{"x-environment":"live"}`),
		TraceID: [16]byte{7, byte(len(call))}, CallID: []byte(call),
		SIPKey: sipKey(call), Sessions: []store.Hash{sessionKey(call)},
		Grace: grace, Name: "cdr_logged",
	}
	for _, l := range logs {
		e.LogKeys = append(e.LogKeys, logKey(l))
	}
	return e
}

// message with that log id, in the session and telephone call of that name.
func message(call, log string) *store.Event {
	return &store.Event{
		Source: "s", Kind: store.KindMessage, Key: logKey(log), ContentHash: store.Key("content of message", log),
		ReceivedAt: start, Body: []byte("message " + log),
		LogKeys: []store.Hash{logKey(log)}, SIPKey: sipKey(call), Sessions: []store.Hash{sessionKey(call)},
		Quiet: quiet, QuietReason: store.ReasonWindow, Name: "message_logged", LogID: log, SessionID: call,
	}
}

// altered is the event with other content under the same key.
func altered(e *store.Event) *store.Event {
	other := *e
	other.Body = append([]byte("altered "), e.Body...)
	other.ContentHash = store.Key("altered", string(e.ContentHash[:]))
	return &other
}

// with changes an event.
func with(e *store.Event, change func(*store.Event)) *store.Event {
	change(e)
	return e
}
