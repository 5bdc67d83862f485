package delivery

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Endpoints by default, as the OTLP exporter specification gives them.
const (
	defaultGRPC = "http://localhost:4317"
	defaultHTTP = "http://localhost:4318"
)

// httpURL checks an endpoint of OTLP over HTTP. Errors don't quote it: it may
// hold a key in its query.
func httpURL(endpoint string) (*url.URL, error) {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil:
		return nil, errors.New("not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("want a URL that starts with http:// or https://")
	case u.Hostname() == "":
		return nil, errors.New("the URL has no host")
	case u.User != nil:
		return nil, errors.New("the URL holds credentials: they belong into OTEL_EXPORTER_OTLP_HEADERS")
	case u.Fragment != "":
		return nil, errors.New("the URL has a fragment")
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u, nil
}

// target of a gRPC connection.
type target struct {
	name      string
	encrypted bool
}

// grpcTarget understands http and https URLs, and leaves any other form to gRPC
// (specification: "SHOULD accept any form allowed by the underlying gRPC client").
// Only for those does insecure count.
func grpcTarget(endpoint string, insecure bool) (target, error) {
	if !strings.HasPrefix(endpoint, "http://") && !strings.HasPrefix(endpoint, "https://") {
		return target{name: endpoint, encrypted: !insecure && !strings.HasPrefix(endpoint, "unix:")}, nil
	}
	u, err := httpURL(endpoint)
	if err != nil {
		return target{}, err
	}
	if u.Path != "/" || u.RawQuery != "" {
		return target{}, errors.New("a gRPC endpoint has no path: want http://host:port or https://host:port")
	}
	host := u.Host
	if u.Port() == "" {
		host += map[string]string{"http": ":80", "https": ":443"}[u.Scheme]
	}
	return target{name: host, encrypted: u.Scheme == "https"}, nil
}

// checkHeader says what HTTP or gRPC would refuse, without quoting the value.
func checkHeader(name, value string) error {
	if name == "" {
		return errors.New("no header name")
	}
	for _, r := range name {
		if !isToken(r) {
			return fmt.Errorf("%q is not a header name", name)
		}
	}
	for _, b := range []byte(value) {
		if b < ' ' && b != '\t' || b == 0x7f {
			return fmt.Errorf("the value of header %s holds a control character", name)
		}
	}
	return nil
}

// isToken: RFC 9110, section 5.6.2.
func isToken(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}
