package mapping

import "regexp"

// warningCode is the code at the head of a warning's text. Its last letter is
// the severity: information, warning, error.
var warningCode = regexp.MustCompile(`^CWS(?:GW|MR|TA|TS)\d{4}[IWE]`)

// WarningSeverity returns I, W or E, or "" if the id is no warning code.
func WarningSeverity(id string) string {
	if id == "" || warningCode.FindString(id) != id {
		return ""
	}
	return id[len(id)-1:]
}

// transactionID finds the ids that the platform's texts call "transaction ID=",
// "x-global-transaction-id = ", or that a dump of headers names.
var transactionID = regexp.MustCompile(`(?i)(?:transaction[ _-]?id|tran-id)["']?\s{0,4}[:=]\s{0,4}["']?([a-z0-9][a-z0-9._-]{1,126}[a-z0-9])`)

// WarningTransactionIDs returns the transaction ids that a text names, in order,
// each once, at most 16. Over them a warning is joined to the span it is about.
func WarningTransactionIDs(text string) []string {
	if !containsAny(text, []string{"transaction", "tran-id"}) {
		return nil
	}
	var ids []string
	seen := map[string]bool{}
	for _, m := range transactionID.FindAllStringSubmatch(text, 16) {
		ids = appendNew(ids, m[1], seen)
	}
	return ids
}
