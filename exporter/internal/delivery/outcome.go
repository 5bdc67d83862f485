package delivery

import (
	"net/http"
	"time"

	"google.golang.org/grpc/codes"
)

// Verdict says what becomes of a request; the words are the store's.
type Verdict string

// Verdicts.
const (
	VerdictDone  Verdict = "done"  // the receiver has it
	VerdictHold  Verdict = "hold"  // not sent or the destination's fault: back, no attempt counted
	VerdictRetry Verdict = "retry" // back, one attempt counted
	VerdictSplit Verdict = "split" // replaced by smaller requests
	VerdictDead  Verdict = "dead"  // dead letter
)

// Reasons of a dead letter.
const (
	DeadInvalid  = "invalid"   // the receiver says the request is wrong
	DeadEncoding = "encoding"  // our own bytes can't be read
	DeadTooLarge = "too_large" // refused for its size, and it can't be made smaller
	DeadFailing  = "failing"   // again and again an error, while others go through
)

// Reasons for holding a signal; a closed set, it is a metric label.
const (
	HeldUnavailable   = "unavailable"   // nobody there, or overloaded
	HeldThrottled     = "throttled"     // asked to wait
	HeldCredentials   = "credentials"   // not let in: needs a human
	HeldMisconfigured = "misconfigured" // no OTLP receiver answers there: needs a human
	HeldFailing       = "failing"       // an error that may be the request's fault or the receiver's
)

// gateAction is what an answer means for the gate of its signal.
type gateAction int

const (
	gateKeep  gateAction = iota // says nothing about the destination
	gateOpen                    // the destination works
	gateHold                    // back-off, then one probe
	gateAlarm                   // slow probe, and somebody must act
)

// history is what is known of a request besides its last answer.
type history struct {
	Attempts     int  // counted before this one
	MaxAttempts  int  // from which the request may be given up
	Passed       bool // another request went through since the first counted failure
	Unsplittable bool // it was tried
}

// outcome of one answer.
type outcome struct {
	Verdict Verdict
	Reason  string // of a dead letter
	Gate    gateAction
	Held    string        // reason, for gateHold and gateAlarm
	Detail  string        // the answer in words, for gateHold and gateAlarm
	After   time.Duration // at least this long, for gateHold and gateAlarm
}

// outcomeOf is the table of docs/architecture.md, "Delivery", and the only place that judges an
// answer.
func outcomeOf(a Answer, h history) outcome {
	switch classOf(a) {
	case taken:
		return outcome{Verdict: VerdictDone, Gate: gateOpen}
	case away:
		return outcome{Verdict: VerdictHold, Gate: gateHold, Held: awayReason(a), After: a.RetryAfter}
	case barred:
		return outcome{Verdict: VerdictHold, Gate: gateAlarm, Held: HeldCredentials, After: a.RetryAfter}
	case misplaced:
		return outcome{Verdict: VerdictHold, Gate: gateAlarm, Held: HeldMisconfigured, After: a.RetryAfter}
	case invalid:
		return outcome{Verdict: VerdictDead, Reason: DeadInvalid, Gate: gateOpen}
	case unencodable:
		return outcome{Verdict: VerdictDead, Reason: DeadEncoding, Gate: gateKeep}
	case tooLarge:
		if !h.Unsplittable {
			return outcome{Verdict: VerdictSplit, Gate: gateOpen}
		}
		return failing(a, h, DeadTooLarge)
	default:
		return failing(a, h, DeadFailing)
	}
}

// failing decides between a bad request and a bad receiver, which the answer
// leaves open: only when others go through is it the request.
func failing(a Answer, h history, reason string) outcome {
	if h.Attempts+1 >= h.MaxAttempts && h.Passed {
		return outcome{Verdict: VerdictDead, Reason: reason, Gate: gateKeep}
	}
	return outcome{Verdict: VerdictRetry, Gate: gateHold, Held: HeldFailing, After: a.RetryAfter}
}

// class is a row of the table.
type class int

const (
	unclear class = iota // anything else
	taken
	away
	barred
	misplaced
	tooLarge
	invalid
	unencodable
)

func classOf(a Answer) class {
	switch {
	case a.Page:
		return misplaced
	case a.Origin == FromGRPC:
		return grpcClass(a)
	case a.Origin == FromHTTP:
		return httpClass(a.Status)
	case a.Origin == Written:
		return taken
	case a.Origin == Unencodable:
		return unencodable
	default:
		return away
	}
}

// grpcClass follows OTLP/gRPC "Failures" for what may be retried.
func grpcClass(a Answer) class {
	switch a.Code {
	case codes.OK:
		return taken
	case codes.Canceled, codes.DeadlineExceeded, codes.Aborted, codes.OutOfRange, codes.Unavailable, codes.DataLoss:
		return away
	case codes.ResourceExhausted:
		if a.RetryInfo {
			return away
		}
		return tooLarge
	case codes.Unauthenticated, codes.PermissionDenied:
		return barred
	case codes.Unimplemented:
		return misplaced
	case codes.InvalidArgument:
		return invalid
	default:
		return unclear
	}
}

// httpClass follows OTLP/HTTP "Failures" for what may be retried.
func httpClass(status int) class {
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return away
	case http.StatusUnauthorized, http.StatusForbidden:
		return barred
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return misplaced
	case http.StatusRequestEntityTooLarge:
		return tooLarge
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return invalid
	}
	switch status / 100 {
	case 2:
		return taken
	case 3: // not followed: a redirected POST becomes a GET of a login page, answered 200
		return misplaced
	default:
		return unclear
	}
}

func awayReason(a Answer) string {
	if a.RetryInfo || a.Origin == FromHTTP && a.Status == http.StatusTooManyRequests {
		return HeldThrottled
	}
	return HeldUnavailable
}
