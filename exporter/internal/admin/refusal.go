package admin

// refusals explains why a request was not taken in; a closed set. What the platform sent
// of them is lost.
var refusals = map[string]explanation{
	"tls_handshake": {Text: "the TLS handshake failed: does the sender trust this certificate?",
		Advice: "The log has the error. An unknown or bad certificate: use one of a public authority, with its chain and the public name, or let the sender trust it; cdr2otel doctor checks it. No client certificate: see webhook.tls.client_ca_file."},
	"http_to_tls": {Text: "plain HTTP, where TLS is spoken",
		Advice: "Give the platform, and the proxy in front, the https URL; or take webhook.tls out if the proxy ends TLS."},
	"tls_to_http": {Text: "TLS, where plain HTTP is spoken",
		Advice: "Set webhook.tls, or let a proxy in front end TLS and pass on plain HTTP."},
	"bad_request": {Text: "HTTP that can't be read",
		Advice: "A scanner, a balancer that adds a PROXY protocol line, or a proxy that speaks HTTP/2 to here or sends no Host: let it send HTTP/1.1."},
	"header_too_large": {Text: "its header is above 16 KiB",
		Advice: "A proxy adds headers, or the token is very long: let it add less."},

	"method_not_allowed": {Text: "not a POST",
		Advice: "A browser, a scanner, or a proxy that redirects: a redirected POST becomes a GET. Give the platform the final https URL."},
	"unknown_source": {Text: "no such path or source",
		Advice: "Compare the URL at the platform with webhook.path and the names under sources."},
	"unsupported_media_type": {Text: "multipart, not JSON",
		Advice: "Something other than the platform posts here, or a proxy rewrites bodies."},
	"unsupported_content_coding": {Text: "a content coding other than gzip",
		Advice: "A proxy compresses bodies: let it pass them on as they are."},
	"declared_too_large": {Text: "its declared size is above webhook.max_request_body_size", Advice: raiseSize},

	"no_credentials": {Text: "no credentials",
		Advice: "Set the secret in the webhook at the platform, and let proxies pass on the header that carries it."},
	"ambiguous_credentials": {Text: "several credentials that differ",
		Advice: "A proxy adds credentials of its own: let it pass on the platform's alone."},
	"bad_credentials": {Text: "wrong credentials",
		Advice: "Compare the secret of this source with the one at the platform."},
	"algorithm_not_allowed": {Text: "its token is not signed, or by an algorithm that is not allowed",
		Advice: "See which algorithm signs the tokens, and name it in sources.*.auth.jwt.algorithms. One without a signature is not the platform's."},
	"expired_credentials":       {Text: "its token has expired", Advice: checkClocks},
	"credentials_not_valid_yet": {Text: "its token is not valid yet", Advice: checkClocks},

	"no_room":            {Text: "no room for its body", Advice: tooLargeAtOnce},
	"body_timeout":       {Text: "its body did not arrive in time", Advice: seeNetwork},
	"body_cut_short":     {Text: "the sender hung up in the middle of the body", Advice: seeNetwork},
	"too_large":          {Text: "larger than webhook.max_request_body_size", Advice: raiseSize},
	"inflated_too_large": {Text: "larger than webhook.max_request_body_size once inflated", Advice: raiseSize},
	"not_gzip":           {Text: "said to be gzip, and is not", Advice: "A proxy changes bodies or headers: let it pass them on as they are."},
	"gzip_cut_short":     {Text: "gzip that ends too early", Advice: "A proxy, or the sender, cuts bodies: see the limits of the proxy in front."},
	"not_json":           {Text: "not JSON", Advice: "A proxy changes bodies, or something other than the platform posts here."},
	"not_an_event": {Text: "JSON without an event.name",
		Advice: "Something other than a log webhook posts here: see what the platform is told to send to this URL."},

	"closing":           {Text: "the process was ending", Advice: "Raise shutdown_delay, so that the balancer stops sending before the process stops taking."},
	"no_place":          {Text: "too many at once", Advice: tooMuch},
	"store_unavailable": {Text: "the store was full, not writable or not there", Advice: seeHealth},
	"store_failed":      {Text: "the store could not take it", Advice: seeHealth},
	"store_slow":        {Text: "the store did not answer within 10 s; it may still be stored", Advice: seeHealth},
	"panic":             {Text: "an error of this program", Advice: "Report it: the log has it."},
}

const (
	raiseSize      = "Raise webhook.max_request_body_size, and the limit of the proxy in front."
	checkClocks    = "Set the clocks right; sources.*.auth.jwt.leeway forgives a difference."
	tooMuch        = "The store is slower than webhooks come: see its disk or database, and webhook.max_in_flight."
	tooLargeAtOnce = "Too many bytes of webhooks at once: bodies share 64 MiB, and large ones that wait may take half of it. A slow store makes it worse."
	seeNetwork     = "Look at the network and at the proxy in front."
	seeHealth      = "Health and the log say what is wrong with the store; docs/runbook.md says what to do."
)

// refusedFor explains a reason for which a request was refused.
func refusedFor(reason string) explanation {
	if e, ok := refusals[reason]; ok {
		return e
	}
	return explanation{Text: words(reason)}
}

// RefusalText says why requests are refused for a reason.
func RefusalText(reason string) string { return refusedFor(reason).Text }

// RefusalHint says what to do about requests that are refused for a reason; "" for a
// reason that is none.
func RefusalHint(reason string) string { return refusals[reason].Advice }
