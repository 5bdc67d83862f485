package receiver

import (
	"math/rand/v2"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json"
)

// Outcome is what became of a webhook, the label wxa.outcome of
// wxa.exporter.events.
type Outcome string

// Outcomes. Accept returns one of the first four, all answered 200.
const (
	OutcomeAccepted    Outcome = "accepted"
	OutcomeDuplicate   Outcome = "duplicate"
	OutcomeConflict    Outcome = "conflict"
	OutcomeUnsupported Outcome = "unsupported"

	OutcomeUnauthorized Outcome = "unauthorized"
	OutcomeMalformed    Outcome = "malformed"
	OutcomeTooLarge     Outcome = "too_large"
	OutcomeRefused      Outcome = "refused"

	// outcomeNone: no webhook of a source, so not counted as an event.
	outcomeNone Outcome = ""
)

// Reason says why a request was refused. Closed set: it is a column of the
// delivery log and may be a label.
type Reason string

// Reasons, in the order of the checks. The first five are no check's: the request came to
// no handler.
const (
	ReasonHandshake    Reason = "tls_handshake"
	ReasonPlainToTLS   Reason = "http_to_tls"
	ReasonTLSToPlain   Reason = "tls_to_http"
	ReasonBadRequest   Reason = "bad_request"
	ReasonHeaderTooBig Reason = "header_too_large"

	ReasonMethod        Reason = "method_not_allowed"
	ReasonUnknownSource Reason = "unknown_source"
	ReasonMediaType     Reason = "unsupported_media_type"
	ReasonCoding        Reason = "unsupported_content_coding"
	ReasonDeclaredSize  Reason = "declared_too_large"

	ReasonNoCredentials        Reason = "no_credentials"
	ReasonAmbiguousCredentials Reason = "ambiguous_credentials"
	ReasonBadCredentials       Reason = "bad_credentials"
	ReasonAlgorithm            Reason = "algorithm_not_allowed" // the token is signed by another one, or by none
	ReasonExpiredCredentials   Reason = "expired_credentials"
	ReasonEarlyCredentials     Reason = "credentials_not_valid_yet"

	ReasonNoRoom       Reason = "no_room"        // for its body, within WaitForPlace or at all
	ReasonSlowBody     Reason = "body_timeout"   // the server's read time-out ended it
	ReasonBrokenBody   Reason = "body_cut_short" // the client hung up
	ReasonSize         Reason = "too_large"
	ReasonInflatedSize Reason = "inflated_too_large"
	ReasonGzip         Reason = "not_gzip"
	ReasonCutGzip      Reason = "gzip_cut_short"
	ReasonSyntax       Reason = "not_json"
	ReasonShape        Reason = "not_an_event"

	ReasonClosing     Reason = "closing"
	ReasonNoPlace     Reason = "no_place" // in Accept, within WaitForPlace, or to wait for one
	ReasonUnavailable Reason = "store_unavailable"
	ReasonFailed      Reason = "store_failed"
	// ReasonSlowStore: Accept did not return within WaitForAccept. The event may be
	// stored later; sent again it would be a duplicate.
	ReasonSlowStore Reason = "store_slow"
	ReasonPanic     Reason = "panic"
)

// Authenticated tells whether the request was refused after its sender had shown who it
// is. Then it was the platform's.
func (r Reason) Authenticated() bool {
	switch r {
	case ReasonHandshake, ReasonPlainToTLS, ReasonTLSToPlain, ReasonBadRequest, ReasonHeaderTooBig,
		ReasonMethod, ReasonUnknownSource, ReasonMediaType, ReasonCoding, ReasonDeclaredSize,
		ReasonNoCredentials, ReasonAmbiguousCredentials, ReasonBadCredentials, ReasonAlgorithm, ReasonExpiredCredentials, ReasonEarlyCredentials:
		return false
	}
	return true
}

// Status is the HTTP status that a request refused for this reason is answered with; 0 if
// it gets no answer.
func (r Reason) Status() int { return decide(r).status }

// problem is why a request is refused.
type problem struct {
	reason Reason
	// detail is for the client, in words. It holds no text of the request.
	detail string
	// cause of a 503, for the log.
	cause error
}

func (p *problem) Error() string { return string(p.reason) }
func (p *problem) Unwrap() error { return p.cause }

// verdict is a row of the table: what a reason is answered with.
type verdict struct {
	status  int
	outcome Outcome
	text    string // when the problem has no detail
}

// decide is the table from what went wrong to what is answered. 415 counts as
// malformed, because unsupported events were stored and this one was not.
func decide(reason Reason) verdict {
	switch reason {
	case ReasonHandshake, ReasonTLSToPlain: // some TLS to plain HTTP gets a 400, which its sender can't read
		return verdict{}
	case ReasonPlainToTLS, ReasonBadRequest: // by net/http
		return verdict{status: http.StatusBadRequest}
	case ReasonHeaderTooBig: // by net/http
		return verdict{status: http.StatusRequestHeaderFieldsTooLarge}
	case ReasonMethod:
		return verdict{http.StatusMethodNotAllowed, outcomeNone, "this is a webhook listener: it takes POST from watsonx Assistant; the pages are on the admin listener, see admin.endpoint"}
	case ReasonUnknownSource:
		return verdict{http.StatusNotFound, outcomeNone, "no such source"}
	case ReasonMediaType:
		return verdict{http.StatusUnsupportedMediaType, OutcomeMalformed, "send JSON, not multipart"}
	case ReasonCoding:
		return verdict{http.StatusUnsupportedMediaType, OutcomeMalformed, "use Content-Encoding gzip or none"}
	case ReasonDeclaredSize, ReasonSize, ReasonInflatedSize:
		return verdict{http.StatusRequestEntityTooLarge, OutcomeTooLarge, "body is too large"}
	case ReasonNoCredentials, ReasonAmbiguousCredentials, ReasonBadCredentials, ReasonAlgorithm, ReasonExpiredCredentials, ReasonEarlyCredentials:
		return verdict{http.StatusUnauthorized, OutcomeUnauthorized, "unauthorized"}
	case ReasonSlowBody:
		return verdict{http.StatusRequestTimeout, OutcomeMalformed, "body did not arrive in time"}
	case ReasonBrokenBody:
		return verdict{http.StatusBadRequest, OutcomeMalformed, "body ends too early"}
	case ReasonGzip:
		return verdict{http.StatusBadRequest, OutcomeMalformed, "body is not gzip"}
	case ReasonCutGzip:
		return verdict{http.StatusBadRequest, OutcomeMalformed, "body is gzip that ends too early"}
	case ReasonSyntax, ReasonShape:
		return verdict{http.StatusBadRequest, OutcomeMalformed, "body is not an event"}
	default:
		// Nothing else can go wrong but that the event can't be taken now: better
		// a Retry-After than a 2xx that is not true.
		return verdict{http.StatusServiceUnavailable, OutcomeRefused, "try again later"}
	}
}

// Retry-After of a 503, in seconds: spread, so that those who were refused
// together do not come back together.
const (
	retryAfterMin    = 5
	retryAfterSpread = 11
)

// refuse answers with the problem's row of the table.
func refuse(w http.ResponseWriter, p *problem, challenge string) verdict {
	v := decide(p.reason)
	h := w.Header()
	switch v.status {
	case http.StatusMethodNotAllowed:
		h.Set("Allow", http.MethodPost)
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", challenge)
	case http.StatusUnsupportedMediaType:
		h.Set("Accept-Encoding", "gzip, identity") // RFC 9110 §12.5.3
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", strconv.Itoa(retryAfterMin+rand.IntN(retryAfterSpread)))
	}
	text := v.text
	if p.detail != "" {
		text = p.detail
	}
	// A struct with one string always encodes.
	body, _ := json.Marshal(struct {
		Error string `json:"error"`
	}{text})
	write(w, v.status, body)
	return v
}

// write sends a JSON answer. That the client can't be reached any more changes
// nothing: the event is durable, or was refused.
func write(w http.ResponseWriter, status int, parts ...[]byte) {
	length := 0
	for _, part := range parts {
		length += len(part)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(length))
	w.WriteHeader(status)
	for _, part := range parts {
		_, _ = w.Write(part)
	}
}
