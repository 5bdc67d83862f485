package mapping

import "fmt"

// Events says as what the events of a call, a conversation and their messages
// leave. The spans themselves are the same in every mode.
type Events uint8

const (
	// EventsSpan is the default: each event is on its span.
	EventsSpan Events = iota
	// EventsLog makes each event a log record with the trace id and span id of the
	// span it would have been on. Those of messages and of the synchronous webhooks
	// are made by Record and ObservationRecord when they are accepted.
	EventsLog
	// EventsBoth makes both.
	EventsBoth
)

var eventsNames = [...]string{EventsSpan: "span", EventsLog: "log", EventsBoth: "both"}

// String is the word of the configuration.
func (e Events) String() string {
	if int(e) < len(eventsNames) {
		return eventsNames[e]
	}
	return fmt.Sprintf("Events(%d)", uint8(e))
}

// UnmarshalText reads the word of the configuration.
func (e *Events) UnmarshalText(text []byte) error {
	for mode, name := range eventsNames {
		if string(text) == name {
			*e = Events(mode)
			return nil
		}
	}
	return fmt.Errorf("%q is none of span, log, both", text)
}

// MarshalText is the word of the configuration.
func (e Events) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// Events is where the mapper has the events of what it maps.
func (m *Mapper) Events() Events { return m.config.Events }

func (e Events) onSpans() bool   { return e != EventsLog }
func (e Events) asRecords() bool { return e != EventsSpan }

// onAcceptance tells the events whose records are made when what they are about is
// accepted, during the call: the call's own records leave them out.
func onAcceptance(event string) bool {
	switch event {
	case eventMessage, eventExtensionCall, eventModelCall, eventMessageReceived, eventMessageProcessed:
		return true
	}
	return false
}

func checkEvents(config Config) error {
	if int(config.Events) >= len(eventsNames) {
		return fmt.Errorf("events: %s is none of span, log, both", config.Events)
	}
	return nil
}
