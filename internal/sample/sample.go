// Package sample is the sample calls and the web chat of examples/webhooks, moved to
// another time: for the demo, and for what is tried against real programs, which
// refuse or hide telemetry of another year.
package sample

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"time"

	"cdr2otel/examples/webhooks"
)

// DemoCalls are the two calls that have message logs; the demo posts them.
func DemoCalls() []string {
	return []string{"dtmf_call", "speech_call"}
}

// AllCalls are all sample calls, with and without message logs.
func AllCalls() []string {
	return append(DemoCalls(), "older_schema_speech_call", "transfer", "failed_without_turns", "outbound_without_rtcp")
}

// Demo are the webhook bodies of the demo's calls, every instant moved so that
// each call ends at end. Ids do not depend on times.
func Demo(end time.Time) ([][]byte, error) {
	var all [][]byte
	for _, name := range DemoCalls() {
		bodies, err := EndingAt(name, end)
		if err != nil {
			return nil, err
		}
		all = append(all, bodies...)
	}
	return all, nil
}

// chat are the message logs of the sample web chat, in their order.
var chat = []string{"webchat_actions", "webchat_conversational_search"}

// Chat are the webhook bodies of a web chat, every instant moved so that its last
// answer is given at end.
func Chat(end time.Time) ([][]byte, error) {
	var bodies [][]byte
	var ended time.Time
	for _, name := range chat {
		body, err := webhooks.Bodies.ReadFile(name + ".message.json")
		if err != nil {
			return nil, err
		}
		var log struct {
			Payload struct {
				Answered time.Time `json:"response_timestamp"`
			} `json:"payload"`
		}
		if err := json.Unmarshal(body, &log); err != nil {
			return nil, fmt.Errorf("sample %s: %w", name, err)
		}
		bodies, ended = append(bodies, body), log.Payload.Answered
	}
	for i := range bodies {
		bodies[i] = Move(bodies[i], end.Sub(ended))
	}
	return bodies, nil
}

// EndingAt are the webhook bodies of one sample call, its CDR first, moved so
// that the call ends at end.
func EndingAt(name string, end time.Time) ([][]byte, error) {
	bodies, err := Bodies(name)
	if err == nil {
		bodies, err = MoveEnd(bodies, end)
	}
	if err != nil {
		return nil, fmt.Errorf("sample %s: %w", name, err)
	}
	return bodies, nil
}

// MoveEnd returns the bodies of one call, its CDR first, moved so that the call
// ends at end.
func MoveEnd(bodies [][]byte, end time.Time) ([][]byte, error) {
	ended, err := endOf(bodies[0])
	if err != nil {
		return nil, err
	}
	var moved [][]byte
	for _, body := range bodies {
		moved = append(moved, Move(body, end.Sub(ended)))
	}
	return moved, nil
}

// Bodies are the webhook bodies of one sample call as they are in the example,
// its CDR first.
func Bodies(name string) ([][]byte, error) {
	// In lexical order: "cdr" is before "message".
	paths, err := fs.Glob(webhooks.Bodies, name+".*.json")
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("no sample call is named %q", name)
	}
	var bodies [][]byte
	for _, path := range paths {
		body, err := webhooks.Bodies.ReadFile(path)
		if err != nil {
			return nil, err
		}
		bodies = append(bodies, body)
	}
	return bodies, nil
}

// endOf is when the call of a CDR ended.
func endOf(cdr []byte) (time.Time, error) {
	var body struct {
		Payload struct {
			Call struct {
				Stop time.Time `json:"stop_timestamp"`
			} `json:"call"`
		} `json:"payload"`
	}
	if err := json.Unmarshal(cdr, &body); err != nil {
		return time.Time{}, err
	}
	if body.Payload.Call.Stop.IsZero() {
		return time.Time{}, errors.New("its first body has no payload.call.stop_timestamp")
	}
	return body.Payload.Call.Stop, nil
}

// instant is a timestamp as the platform writes it.
var instant = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"`)

// Move adds d to every instant of a body. What the platform writes for
// "unknown" stays.
func Move(body []byte, d time.Duration) []byte {
	return instant.ReplaceAllFunc(body, func(quoted []byte) []byte {
		at, err := time.Parse(time.RFC3339, string(quoted[1:len(quoted)-1]))
		if err != nil || at.Year() <= 1970 {
			return quoted
		}
		return []byte(at.Add(d).UTC().Format(`"2006-01-02T15:04:05.000Z"`))
	})
}
