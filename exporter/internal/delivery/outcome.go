package delivery

import (
	"net/http"
	"regexp"
	"time"

	"google.golang.org/grpc/codes"
)

// Verdict says what becomes of a request; the words are the store's.
type Verdict string

// Verdicts.
const (
	VerdictDone  Verdict = "done"  // the receiver has it
	VerdictHold  Verdict = "hold"  // back, no attempt counted
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
	HeldMisconfigured = "misconfigured" // no OTLP receiver answers there, or it refuses all requests: needs a human
	HeldFailing       = "failing"       // an error that may be the request's fault or the receiver's
)

// gateAction is what an answer means for the gate of its signal.
type gateAction int

const (
	gateKeep  gateAction = iota // says nothing about the destination
	gateOpen                    // the destination works
	gateDoubt                   // the request or the destination is at fault: the next answer decides
	gateClose                   // the destination refuses
)

// history is what is known of a request besides its last answer.
type history struct {
	Attempts    int  // counted before this one
	MaxAttempts int  // after which a request is given up that fails for no clear reason
	Passed      bool // a request that was sent after this one was last refused went through
	Suspect     bool // that was so at an earlier refusal too, or is so now
	Size        int  // in bytes
	Whole       bool // it is no part of a larger one
	Splittable  bool // it was cut into Settlement.Parts
}

// outcome of one answer.
type outcome struct {
	Verdict Verdict
	Reason  string // of a dead letter
	Gate    gateAction
	Held    string        // reason, for gateDoubt and gateClose
	Alarm   bool          // an operator must act, for gateDoubt and gateClose
	After   time.Duration // at least this long, for gateDoubt and gateClose
	Aside   bool          // others are sent before it is tried again
}

// clearAttempts is how often a request that the receiver calls wrong, or too large, is
// refused before it is a dead letter: once more after another one went through.
const clearAttempts = 2

// outcomeOf is the table of docs/decisions/0015-refusals.md, and the only place that judges
// an answer.
func outcomeOf(a Answer, h history) outcome {
	switch classOf(a, h.Size) {
	case taken:
		return outcome{Verdict: VerdictDone, Gate: gateOpen}
	case away:
		return refusedToAll(a, h, HeldUnavailable, false)
	case throttled:
		return refusedToAll(a, h, HeldThrottled, false)
	case barred:
		return refusedToAll(a, h, HeldCredentials, true)
	case misplaced:
		return refusedToAll(a, h, HeldMisconfigured, true)
	case unencodable:
		return outcome{Verdict: VerdictDead, Reason: DeadEncoding, Gate: gateKeep}
	case tooLarge:
		if h.Splittable {
			return outcome{Verdict: VerdictSplit, Gate: gateKeep}
		}
		return doubtful(h, clearAttempts, outcome{Reason: DeadTooLarge, Held: HeldMisconfigured, Alarm: true, After: a.RetryAfter})
	case invalid:
		return doubtful(h, clearAttempts, outcome{Reason: DeadInvalid, Held: HeldMisconfigured, Alarm: true, After: a.RetryAfter})
	default:
		return doubtful(h, h.MaxAttempts, outcome{Reason: DeadFailing, Held: HeldFailing, After: a.RetryAfter})
	}
}

// refusedToAll is an answer that any request would get.
func refusedToAll(a Answer, h history, held string, alarm bool) outcome {
	o := outcome{Verdict: VerdictHold, Gate: gateClose, Held: held, Alarm: alarm, After: a.RetryAfter}
	return o.ofSuspect(h)
}

// doubtful is an answer that leaves open whether the request or the destination is at
// fault. Only what happens to others shows it: an attempt counts when another request went
// through since the last one, and so many that count end the request. Before it is given
// up for no clear reason it is split, once: the fault may be in one of its spans.
func doubtful(h history, attempts int, o outcome) outcome {
	switch {
	case h.Passed && h.Attempts+1 >= attempts && o.Reason == DeadFailing && h.Whole && h.Splittable:
		return outcome{Verdict: VerdictSplit, Gate: gateKeep}
	case h.Passed && h.Attempts+1 >= attempts:
		return outcome{Verdict: VerdictDead, Reason: o.Reason, Gate: gateKeep}
	case h.Passed || h.Attempts == 0:
		o.Verdict, o.Aside = VerdictRetry, true
	default:
		o.Verdict = VerdictHold
	}
	o.Reason, o.Gate = "", gateDoubt
	return o.ofSuspect(h)
}

// ofSuspect changes the outcome of a request that was refused while others went through.
// It waits by itself, longer each time, and says nothing of the destination: one request
// does not hold up the others again and again. When the receiver asks to wait, all wait.
func (o outcome) ofSuspect(h history) outcome {
	if !h.Suspect {
		return o
	}
	o.Aside = true
	if o.After == 0 {
		o.Gate, o.Held, o.Alarm = gateKeep, "", false
	}
	return o
}

// wantsParts reports whether the outcome may be a split, for which the parts are needed.
func wantsParts(a Answer, h history) bool {
	switch classOf(a, h.Size) {
	case tooLarge:
		return true
	case unclear:
		return h.Whole && h.Attempts+1 >= h.MaxAttempts
	default:
		return false
	}
}

// class is a row of the table.
type class int

const (
	unclear class = iota // anything else
	taken
	away
	throttled
	barred
	misplaced
	tooLarge
	invalid
	unencodable
)

// classOf an answer to a request of size bytes.
func classOf(a Answer, size int) class {
	switch {
	case a.Foreign:
		return misplaced
	case a.Origin == FromGRPC:
		return grpcClass(a, size)
	case a.Origin == FromHTTP:
		return httpClass(a)
	case a.Origin == Written:
		return taken
	case a.Origin == Unencodable:
		return unencodable
	default:
		return away
	}
}

// smallRequest is a size that no gRPC server refuses: a peer of HTTP/2 takes frames of
// 16 384 bytes (RFC 9113, section 4.2). If a smaller request exhausts it, it is overloaded.
const smallRequest = 16 << 10

// grpcClass follows OTLP/gRPC "Failures" for what may be retried. RESOURCE_EXHAUSTED
// stands for overload as well as for size, so there the text decides.
func grpcClass(a Answer, size int) class {
	ofSize := speaksOfSize.MatchString(a.Detail)
	switch a.Code {
	case codes.OK:
		return taken
	case codes.ResourceExhausted:
		if ofSize && size > smallRequest && !a.RetryInfo {
			return tooLarge
		}
		return throttled
	}
	if ofSize {
		return tooLarge
	}
	switch a.Code {
	case codes.Canceled, codes.DeadlineExceeded, codes.Aborted, codes.OutOfRange, codes.Unavailable, codes.DataLoss:
		if a.RetryInfo {
			return throttled
		}
		return away
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
func httpClass(a Answer) class {
	if a.Status/100 == 2 {
		return taken
	}
	if a.Status == http.StatusRequestEntityTooLarge || speaksOfSize.MatchString(a.Detail) {
		return tooLarge
	}
	switch a.Status {
	case http.StatusTooManyRequests:
		return throttled
	case http.StatusRequestTimeout, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		if a.RetryInfo {
			return throttled
		}
		return away
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		return barred
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented, http.StatusUnsupportedMediaType:
		return misplaced
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return invalid
	}
	if a.Status/100 == 3 { // not followed: a redirected POST becomes a GET of a login page, answered 200
		return misplaced
	}
	return unclear
}

// speaksOfSize recognizes what servers write of a request that is too large for them, in
// the words of grpc-go, grpc-java, grpc-dotnet, gRPC's C core, tonic, net/http, nginx (a
// gRPC client gets its 413 as UNKNOWN, with the status in the text), Kafka and Tempo. A rate
// that is exceeded, a header, a frame or a trace that is too large are none of them.
var speaksOfSize = regexp.MustCompile(`(?i)` +
	`\b(message|request|entity|payload|body|content|batch)([ _](entity|body|length|size|after|decompression|was|is))*[ _](too[ _](large|big)|(larger|bigger) than)\b` +
	`|\b(message|request|payload|body|content|batch) (size|length)( \([^)]*\))? exceed` +
	`|\b(message|request|payload|body|content|batch) exceed(s|ed)?( \w+)* size\b`)
