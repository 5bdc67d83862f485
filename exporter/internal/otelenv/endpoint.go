package otelenv

import (
	"errors"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// HTTPURL checks an endpoint of OTLP over HTTP. Errors don't quote it: it may
// hold a key in its query.
func HTTPURL(endpoint string) (*url.URL, error) {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil && hasWrongPort(endpoint):
		return nil, errPort
	case err != nil:
		return nil, errors.New("not a URL; want http://host:port or https://host:port")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("want a URL that starts with http:// or https://")
	case u.Hostname() == "":
		return nil, errors.New("the URL has no host")
	case u.User != nil:
		return nil, errors.New("the URL holds credentials: they belong into OTEL_EXPORTER_OTLP_HEADERS")
	case u.Fragment != "":
		return nil, errors.New("the URL has a fragment")
	case u.Port() != "" && !isPort(u.Port()):
		return nil, errPort
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u, nil
}

var errPort = errors.New("the port is not a number from 1 to 65535")

// isPort: a name of a service, which gRPC allows, is one too.
func isPort(text string) bool {
	n, err := strconv.Atoi(text)
	return text != "" && (err != nil && !startsWithDigit(text) || n > 0 && n <= 65535)
}

func startsWithDigit(text string) bool { return text[0] >= '0' && text[0] <= '9' }

// hasWrongPort tells whether the port is what keeps a text from being a URL.
func hasWrongPort(endpoint string) bool {
	_, rest, _ := strings.Cut(endpoint, "://")
	host, _, _ := strings.Cut(rest, "/")
	_, port, err := net.SplitHostPort(host)
	if err != nil || port == "" {
		return false
	}
	_, err = url.Parse("http://" + strings.TrimSuffix(host, port) + "1")
	return err == nil
}

// Target of a gRPC connection.
type Target struct {
	Name      string // as gRPC wants it
	Encrypted bool
}

// plainSchemes are the targets of gRPC that never leave the machine.
var plainSchemes = []string{"unix", "unix-abstract"}

// GRPCTarget understands http and https URLs, and leaves any other form to gRPC
// (specification: "SHOULD accept any form allowed by the underlying gRPC client").
// Only for those does insecure count. Errors don't quote the endpoint.
func GRPCTarget(endpoint string, insecure bool) (Target, error) {
	scheme, rest, _ := strings.Cut(endpoint, ":")
	switch scheme = strings.ToLower(scheme); {
	case slices.Contains(plainSchemes, scheme):
		return Target{Name: scheme + ":" + rest}, nil
	case scheme == "http", scheme == "https":
		return targetOfURL(endpoint)
	}
	if _, port, err := net.SplitHostPort(endpoint[strings.LastIndex(endpoint, "/")+1:]); err == nil && !isPort(port) {
		return Target{}, errPort
	}
	return Target{Name: endpoint, Encrypted: !insecure}, nil
}

func targetOfURL(endpoint string) (Target, error) {
	u, err := HTTPURL(endpoint)
	if err != nil {
		return Target{}, err
	}
	if u.Path != "/" || u.RawQuery != "" {
		return Target{}, errors.New("a gRPC endpoint has no path: want http://host:port or https://host:port")
	}
	host := u.Host
	if u.Port() == "" {
		host = strings.TrimSuffix(host, ":") + map[string]string{"http": ":80", "https": ":443"}[u.Scheme]
	}
	return Target{Name: host, Encrypted: u.Scheme == "https"}, nil
}
