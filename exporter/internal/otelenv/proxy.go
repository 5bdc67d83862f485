package otelenv

import (
	"errors"
	"net/url"
	"slices"
	"strings"
)

// CheckProxies returns what is wrong with the variables that name a proxy. Go takes
// one that it can't read for none, and what should go through the proxy would go out
// directly. The error joins all; it quotes no value, which may hold a password.
func CheckProxies(getenv func(string) string) error {
	var errs []error
	for _, upper := range []string{"HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"} {
		for _, name := range []string{upper, strings.ToLower(upper)} {
			if value := getenv(name); value != "" && !isProxy(value) {
				errs = append(errs, Errorf(name, "not the address of a proxy; want a URL like http://proxy.example.com:3128, or unset it to go out directly"))
			}
		}
	}
	return errors.Join(errs...)
}

// isProxy tells whether net/http and gRPC, which read a value without a scheme as
// http, reach what it says.
func isProxy(value string) bool {
	if !strings.Contains(value, "://") {
		value = "http://" + value
	}
	proxy, err := url.Parse(value)
	if err != nil || proxy.Hostname() == "" || proxy.Port() != "" && !isPort(proxy.Port()) {
		return false
	}
	return slices.Contains([]string{"http", "https", "socks5", "socks5h"}, proxy.Scheme)
}
