package doctor

import (
	"fmt"
	"slices"
)

// State of a finding.
type State string

// States of a finding.
const (
	OK   State = "ok"
	Warn State = "warn" // works, but should not stay so
	Fail State = "fail" // does not work
	Note State = "note" // can't be checked from here, or is no fault
	Skip State = "skip" // was not looked at
)

// Names of the checks.
const (
	checkConfig      = "config"
	checkSecrets     = "secrets"
	checkExposure    = "exposure"
	checkStore       = "store"
	checkCertificate = "certificate"
	checkSidecar     = "sidecar"
	checkListener    = "listener" // and its name
	checkOTLP        = "otlp"     // and the signal
	checkClock       = "clock"
	checkBackEnd     = "back end"
	checkTestCall    = "test call"
)

// Finding is what one check saw. It holds no secret and nothing personal (I5).
type Finding struct {
	Check string `json:"check"`
	State State  `json:"state"`
	Seen  string `json:"seen"`
	// Do is what to do about it; empty if nothing.
	Do string `json:"do,omitempty"`
}

// Report is all findings, in the order they were made.
type Report []Finding

// Failed are the names of the checks that failed, each once.
func (r Report) Failed() []string { return r.in(Fail) }

// Warned are the names of the checks that warned, each once.
func (r Report) Warned() []string { return r.in(Warn) }

// Checked counts the checks that were made.
func (r Report) Checked() int {
	return len(r.in(OK, Warn, Fail))
}

func (r Report) in(states ...State) []string {
	var names []string
	for _, f := range r {
		if slices.Contains(states, f.State) && !slices.Contains(names, f.Check) {
			names = append(names, f.Check)
		}
	}
	return names
}

func (x *examination) add(f Finding) {
	x.report = append(x.report, f)
	if x.opts.OnFinding != nil {
		x.opts.OnFinding(f)
	}
}

func (x *examination) ok(check, format string, args ...any) {
	x.add(Finding{Check: check, State: OK, Seen: fmt.Sprintf(format, args...)})
}

func (x *examination) note(check, format string, args ...any) {
	x.add(Finding{Check: check, State: Note, Seen: fmt.Sprintf(format, args...)})
}

func (x *examination) skip(check, format string, args ...any) {
	x.add(Finding{Check: check, State: Skip, Seen: fmt.Sprintf(format, args...)})
}

// warn and fail say first what to do, then what was seen.
func (x *examination) warn(check, do, format string, args ...any) {
	x.add(Finding{Check: check, State: Warn, Seen: fmt.Sprintf(format, args...), Do: do})
}

func (x *examination) fail(check, do, format string, args ...any) {
	x.add(Finding{Check: check, State: Fail, Seen: fmt.Sprintf(format, args...), Do: do})
}
