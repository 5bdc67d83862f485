package sample

import (
	"bytes"
	"embed"
	"fmt"
	"time"
)

//go:embed doctor/*.json
var doctor embed.FS

// doctorID is what the files of the test call have in place of its id.
const doctorID = "doctor-ID"

// TestCall is the call that "cdr2otel doctor" sends: an ordinary one of ten seconds
// in which nothing goes wrong. All its ids begin with "doctor-", the assistant's is
// "cdr2otel-doctor", its numbers are of those set apart for fiction (555-01XX) and
// its hosts end in .invalid (RFC 2606).
type TestCall struct {
	ID, SessionID, SIPCallID string
	// Bodies are its webhooks, the CDR first.
	Bodies [][]byte
}

// NewTestCall is a test call that ended at end. The id must never come twice.
func NewTestCall(id string, end time.Time) (TestCall, error) {
	call := TestCall{ID: "doctor-" + id}
	call.SessionID, call.SIPCallID = call.ID+"-session", call.ID+"@cdr2otel.invalid"
	for _, name := range []string{"cdr", "message-1", "message-2"} {
		body, err := doctor.ReadFile("doctor/" + name + ".json")
		if err != nil {
			return call, fmt.Errorf("test call: %w", err)
		}
		call.Bodies = append(call.Bodies, bytes.ReplaceAll(body, []byte(doctorID), []byte(call.ID)))
	}
	var err error
	if call.Bodies, err = MoveEnd(call.Bodies, end); err != nil {
		return call, fmt.Errorf("test call: %w", err)
	}
	return call, nil
}
