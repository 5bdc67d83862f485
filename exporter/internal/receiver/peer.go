package receiver

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// clientAddress is the peer's address or, when the peer is a trusted proxy, the
// rightmost hop of X-Forwarded-For that is not: everything to its left was
// written by somebody who isn't trusted.
func clientAddress(req *http.Request, trusted []netip.Prefix) string {
	client, ok := address(req.RemoteAddr)
	if !ok {
		return ""
	}
	hops := strings.Split(strings.Join(req.Header["X-Forwarded-For"], ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !isTrusted(client, trusted) {
			break
		}
		next, ok := address(strings.TrimSpace(hop))
		if !ok {
			break
		}
		client = next
	}
	return client.String()
}

func isTrusted(a netip.Addr, trusted []netip.Prefix) bool {
	return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(a) })
}

// address reads "192.0.2.1", "192.0.2.1:80", "2001:db8::1" and "[2001:db8::1]:80".
// An IPv4 address mapped into IPv6, as a dual-stack listener sees it, is IPv4, and
// zones are dropped: prefixes contain neither.
func address(s string) (netip.Addr, bool) {
	if withPort, err := netip.ParseAddrPort(s); err == nil {
		return withPort.Addr().Unmap().WithZone(""), true
	}
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	return a.Unmap().WithZone(""), err == nil
}
