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
	// Together: all dead letters of the reason may be retried at once, because what
	// helps one helps the others, without a new release.
	Together bool
}

// deadLetters explains the reasons of dead letters, a closed set.
var deadLetters = map[string]explanation{
	"unsupported": {"This release knows no event of that name. It was kept because its sender will not repeat it.",
		"See whether a later release maps it. If you don't need it, take the event out of the webhook's configuration on the platform.", false, false},
	"unmappable": {"It can't be mapped to spans: the payload is not what the platform documents.",
		"If a new release can map it, retry it there. Report the words below; they hold nothing of the payload's texts.", true, false},
	"conflict": {"Another event with the same id and other content was accepted before. The first one counts.",
		"Nothing can be retried. Two environments that post to one source do this: give each a source of its own.", false, false},
	"invalid": {"The receiver said that the request is wrong, and would say so again.",
		"See what the receiver's log says of it. Retry when the receiver has been changed.", true, true},
	"encoding": {"The stored request can't be read.",
		"Retry once. If it comes back here, report it and look at the disk.", true, true},
	"too_large": {"The receiver refused it for its size, and it can't be made smaller.",
		"Raise the receiver's limit (max_recv_msg_size_mib of a Collector's gRPC receiver, max_request_body_size of its HTTP receiver), then retry.", true, true},
	"failing": {"The receiver answered with an error again and again while others went through.",
		"See what the receiver's log says of it. Retry when its cause is gone.", true, true},
}

// explain says what the state of a delivery means at that time.
func explain(d Delivery, now time.Time) explanation {
	switch d.State {
	case "pending":
		return explanation{Text: pendingWords(d, now)}
	case "exported":
		return explanation{Text: "Every request that it is part of was delivered, or given up because OTEL_TRACES_EXPORTER or OTEL_LOGS_EXPORTER was none."}
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
		e.Advice, e.Retry = "It can't be retried: it was set aside when it arrived. Report the words below; they hold nothing of the payload's texts.", false
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

// held explains why sending is held; a closed set.
var held = map[string]explanation{
	"unavailable": {Text: "the receiver can't be reached, or is overloaded",
		Advice: "It is tried again by itself; see whether the receiver runs and can be reached from here."},
	"throttled": {Text: "the receiver asked to wait", Advice: "It is tried again by itself."},
	"credentials": {Text: "the receiver refuses the credentials",
		Advice: "Correct OTEL_EXPORTER_OTLP_HEADERS, or the client certificate, and restart."},
	"misconfigured": {Text: "no OTLP receiver answers at this address",
		Advice: "Correct OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_PROTOCOL, and restart."},
	"failing": {Text: "the receiver answers with errors", Advice: "See what the receiver's log says."},
}

// heldFor explains a reason for which sending is held.
func heldFor(reason string) explanation {
	if e, ok := held[reason]; ok {
		return e
	}
	return explanation{Text: words(reason)}
}
