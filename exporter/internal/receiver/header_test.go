package receiver

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheClientAddressIsTheLastHopThatATrustedProxySaw(t *testing.T) {
	t.Parallel()
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	cases := []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"no proxy", "203.0.113.7:1234", nil, "203.0.113.7"},
		{"a peer that isn't trusted", "203.0.113.7:1234", []string{"192.0.2.1"}, "203.0.113.7"},
		{"a trusted proxy", "10.0.0.1:1234", []string{"192.0.2.1"}, "192.0.2.1"},
		{"what the client wrote itself", "10.0.0.1:1234", []string{"1.2.3.4, 192.0.2.1"}, "192.0.2.1"},
		{"two trusted proxies", "10.0.0.1:1234", []string{"1.2.3.4, 192.0.2.1, 10.0.0.2"}, "192.0.2.1"},
		{"several lines", "10.0.0.1:1234", []string{"1.2.3.4", "192.0.2.1", "10.0.0.2"}, "192.0.2.1"},
		{"all trusted", "10.0.0.1:1234", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"no header", "10.0.0.1:1234", nil, "10.0.0.1"},
		{"junk", "10.0.0.1:1234", []string{"192.0.2.1, unknown"}, "10.0.0.1"},
		{"with ports", "10.0.0.1:1234", []string{"192.0.2.1:80"}, "192.0.2.1"},
		{"IPv6", "[2001:db8::1]:1234", []string{"[2001:4860::8888]:80, 2001:db8::2"}, "2001:4860::8888"},
		{"IPv6 in brackets", "[2001:db8::1]:1234", []string{"[2001:4860::8888]"}, "2001:4860::8888"},
		{"IPv4 seen by a dual-stack listener", "[::ffff:10.0.0.1]:1234", []string{"::ffff:192.0.2.1"}, "192.0.2.1"},
		{"zone", "[fe80::1%eth0]:1234", nil, "fe80::1"},
		{"a socket that has no address", "@", []string{"192.0.2.1"}, ""},
	}
	for _, c := range cases {
		req := &http.Request{RemoteAddr: c.peer, Header: http.Header{"X-Forwarded-For": c.forwarded}}
		if got := clientAddress(req, trusted); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestHeadersAreKeptForMappingAndShownWithoutSecrets(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *Config) {
		c.Sources["default"] = Source{
			Auth:        Auth{Header: &HeaderAuth{Name: "X-Key", Values: secrets("canary-1")}},
			KeepHeaders: []string{"X-Environment", "X-Absent", "x-twice"},
		}
	})
	long := strings.Repeat("ü", 200)
	header := http.Header{
		"X-Key":          {"canary-1"},
		"X-Environment":  {"live"},
		"X-Twice":        {"a", "b"},
		"Authorization":  {"Bearer canary-2"},
		"Authentication": {"canary-3"},
		"Cookie":         {"session=canary-4"},
		"X-Innocent":     {"canary-5"},
		"User-Agent":     {long},
		"X-Request-Id":   {"r\xff1"},
	}
	wantStatus(t, b.withHeader(header), ok)
	e := b.accepted()[0]
	wantKept := map[string]string{"x-environment": "live", "x-twice": "a, b"}
	if diff := cmp.Diff(wantKept, e.Headers); diff != "" {
		t.Error(diff)
	}
	wantShown := map[string]string{
		"Accept-Encoding": "gzip",
		"Authentication":  redacted,
		"Authorization":   redacted,
		"Content-Length":  e.RequestHeaders["Content-Length"],
		"Content-Type":    "application/json",
		"Cookie":          redacted,
		"User-Agent":      strings.Repeat("ü", 128),
		"X-Environment":   "live",
		"X-Innocent":      redacted,
		"X-Key":           redacted,
		"X-Request-Id":    "r1",
		"X-Twice":         "a, b",
	}
	if diff := cmp.Diff(wantShown, e.RequestHeaders); diff != "" {
		t.Error(diff)
	}
}

func TestManyHeadersAreShownInPart(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	req := b.request(strings.NewReader(cdr))
	for i := range 500 {
		req.Header.Set(fmt.Sprintf("X-%03d", i), "v")
	}
	req.Header.Set("X-"+strings.Repeat("y", 1000), "v")
	wantStatus(t, b.do(req), ok)
	if n := len(b.accepted()[0].RequestHeaders); n != maxShownHeaders {
		t.Errorf("%d headers are shown", n)
	}
}

func TestAHarmlessHeaderThatCarriesTheSecretIsNotShown(t *testing.T) {
	t.Parallel()
	b := setup(t, withAuth(Auth{Header: &HeaderAuth{Name: "X-Request-Id", Values: secrets("canary")}}))
	wantStatus(t, b.withHeader(http.Header{"X-Request-Id": {"canary"}}), ok)
	if shown := b.accepted()[0].RequestHeaders["X-Request-Id"]; shown != redacted {
		t.Errorf("the delivery log shows %q", shown)
	}
}
