package admin

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// policy is the Content-Security-Policy of every page: its own style sheet and
// pictures, forms that lead back here, nothing else. No script runs, so none that
// a payload smuggles in does.
const policy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// guard stands before everything on the admin listener.
func (p *pages) guard(next http.Handler) http.Handler {
	// What changes something is asked for by a page of ours, or by no browser.
	own := http.NewCrossOriginProtection()
	own.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "Another site's page asked for this. Open the page here and press its button.", http.StatusForbidden)
	}))
	next = own.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if !p.mayAskFor(r.Host) {
			http.Error(w, "This listener answers to loopback names such as localhost only. Ask for one of those, or set admin.web_config with a password.",
				http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// mayAskFor tells whether a request may name this host. Browsers always name one;
// a probe that speaks HTTP/1.0 need not.
func (p *pages) mayAskFor(host string) bool {
	if p.cfg.Hosts == nil || host == "" {
		return true
	}
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.Trim(name, "[]"))
	if addr, err := netip.ParseAddr(name); err == nil {
		return addr.Unmap().IsLoopback()
	}
	name = strings.TrimSuffix(name, ".")
	return name == "localhost" || strings.HasSuffix(name, ".localhost") ||
		slices.ContainsFunc(p.cfg.Hosts, func(h string) bool { return strings.EqualFold(h, name) })
}
