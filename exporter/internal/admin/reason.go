package admin

import (
	"strings"
	"time"
)

// explanation is a state in words: what it means and what to do.
type explanation struct {
	Text   string
	Advice string // "" when there is nothing to do
	// Retry: bringing the dead letter back can help.
	Retry bool
}

// deadLetters explains the reasons of dead letters, a closed set.
var deadLetters = map[string]explanation{
	"unsupported": {"This release knows no event of that name. It was kept because its sender will not repeat it.",
		"See whether a later release maps it. If you don't need it, take the event out of the webhook's configuration on the platform.", false},
	"unmappable": {"It can't be mapped to spans: the payload is not what the platform documents.",
		"If a new release can map it, retry it there. Report the words below; they hold nothing of the payload's texts.", true},
	"conflict": {"Another event with the same id and other content was accepted before. The first one counts.",
		"Nothing can be retried. Two environments that post to one source do this: give each a source of its own.", false},
	"invalid": {"The receiver said that the request is wrong, and would say so again.",
		"See what the receiver's log says of it. Retry when the receiver has been changed.", true},
	"encoding": {"The stored request can't be read.",
		"Retry once. If it comes back here, report it and look at the disk.", true},
	"too_large": {"The receiver refused it for its size, and it can't be made smaller.",
		"Raise the receiver's limit (max_recv_msg_size_mib of a Collector's gRPC receiver, max_request_body_size of its HTTP receiver), then retry.", true},
	"failing": {"The receiver answered with an error again and again while others went through.",
		"See what the receiver's log says of it. Retry when its cause is gone.", true},
}

// explain says what the state of a delivery means at that time.
func explain(d Delivery, now time.Time) explanation {
	switch d.State {
	case "pending":
		return explanation{Text: pendingWords(d, now)}
	case "exported":
		return explanation{Text: "Every request that it is part of was delivered."}
	case "dead":
		return dead(d)
	case "dropped":
		return explanation{Text: "It came after its call had been exported, and correlation.late is drop."}
	case "expired":
		return explanation{Text: "It was a dead letter until store.dead_letter_retention was over."}
	case "forgotten":
		return explanation{Text: "It was deleted for a privacy request."}
	}
	return explanation{}
}

// dead explains a dead letter. One that is part of nothing died on arrival, and
// would again.
func dead(d Delivery) explanation {
	e, ok := deadLetters[d.Reason]
	if !ok {
		e = explanation{Text: "It is kept and was not delivered.", Retry: true}
	}
	if e.Retry && d.Subject == "" {
		e.Advice, e.Retry = "It can't be retried: it was refused when it arrived. Report the words below; they hold nothing of the payload's texts.", false
	}
	return e
}

// pendingWords says what a pending event waits for.
func pendingWords(d Delivery, now time.Time) string {
	switch {
	case !d.Open:
		return "It is part of a request that waits to be delivered."
	case d.DueAt.IsZero() || !d.DueAt.After(now):
		return "It is due to be mapped now."
	case d.Subject == "conversation":
		return "It waits for the rest of its conversation, or for the record of its call, until " + d.DueAt.UTC().Format("2006-01-02 15:04:05") + " at the latest."
	}
	return "It waits for the rest of its " + orElse(d.Subject, "call") + ", until " + d.DueAt.UTC().Format("2006-01-02 15:04:05") + " at the latest."
}

// brief is a line of the list.
func brief(d Delivery, now time.Time) string {
	switch {
	case d.State == "dead" || d.State == "dropped":
		return words(d.Reason)
	case d.State != "pending":
		return ""
	case !d.Open:
		return "to be sent"
	case d.DueAt.After(now):
		return "until " + d.DueAt.UTC().Format("15:04:05")
	}
	return "due now"
}

// words writes a name of a closed set as people do.
func words(name string) string { return strings.ReplaceAll(name, "_", " ") }

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// refusals explains why a request was not taken in; a closed set.
var refusals = map[string]string{
	"method_not_allowed":         "not a POST",
	"unknown_source":             "no source of that name is configured",
	"unsupported_media_type":     "multipart, not JSON",
	"unsupported_content_coding": "a content coding other than gzip",
	"declared_too_large":         "its declared size is above webhook.max_request_body_size",
	"no_credentials":             "no credentials",
	"ambiguous_credentials":      "several credentials that differ",
	"bad_credentials":            "wrong credentials: is the secret the one that the platform has?",
	"expired_credentials":        "its token has expired: are both clocks right?",
	"credentials_not_valid_yet":  "its token is not valid yet: are both clocks right?",
	"no_room":                    "no room for its body within 5 s; it is lost",
	"body_timeout":               "its body did not arrive in time",
	"body_cut_short":             "the client hung up in the middle of the body",
	"too_large":                  "larger than webhook.max_request_body_size",
	"inflated_too_large":         "larger than webhook.max_request_body_size once inflated",
	"not_gzip":                   "said to be gzip, and is not",
	"not_json":                   "not JSON",
	"not_an_event":               "JSON without an event.name",
	"closing":                    "the process was ending; it is lost",
	"no_place":                   "too many at once; it is lost",
	"store_unavailable":          "the store was full or not writable; it is lost",
	"store_failed":               "the store could not take it; it is lost",
	"panic":                      "an error of this program, which its log has; it is lost",
}

func refusalWords(reason string) string {
	if text, ok := refusals[reason]; ok {
		return text
	}
	return words(reason)
}
