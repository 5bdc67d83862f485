package config

import (
	"net/url"
	"strings"
)

// validateTraceURL checks that the template becomes a link once a trace id is put
// into it.
func (a Admin) validateTraceURL(ps *Problems) {
	const key, example = "admin.trace_url", "http://localhost:16686/trace/{trace_id}"
	if a.TraceURL == "" {
		return
	}
	if !strings.Contains(a.TraceURL, "{trace_id}") {
		ps.add(key, "has no {trace_id}, so every link would lead to the same page; for example %s", example)
		return
	}
	filled := strings.NewReplacer("{trace_id}", strings.Repeat("0", 32), "{span_id}", strings.Repeat("0", 16)).Replace(a.TraceURL)
	u, err := url.Parse(filled)
	switch {
	case strings.ContainsAny(filled, "{} \t\n"):
		ps.add(key, "may hold {trace_id} and {span_id}, no other braces and no blanks; write those percent-encoded (%%7B, %%7D, %%20)")
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		ps.add(key, "must be a whole http or https URL; for example %s", example)
	case u.User != nil:
		ps.add(key, "must hold no user name or password: every page would show them")
	case strings.Contains(originOf(a.TraceURL), "{"):
		ps.add(key, "must not have a placeholder in its host; for example %s", example)
	}
}

// originOf is scheme and host of a URL.
func originOf(text string) string {
	scheme, rest, _ := strings.Cut(text, "://")
	host, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + host
}
