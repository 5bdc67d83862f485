package exporter

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
)

// ExplainListen says why the address of a configuration key can't be listened on, and
// what to do.
func ExplainListen(key, endpoint string, err error) (seen, do string) {
	do = "set " + key + " to another address"
	switch _, unknown := errors.AsType[*net.DNSError](err); {
	case errors.Is(err, syscall.EADDRINUSE):
		return endpoint + " is in use already", "stop what uses it (another cdr2otel?), or " + do
	case errors.Is(err, syscall.EACCES):
		return endpoint + " needs a privilege that this user lacks", "use a port above 1023: " + do
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return endpoint + " is not an address of this machine", do + ", such as 0.0.0.0 with the same port"
	case unknown:
		return fmt.Sprintf("the host of %s is unknown", endpoint), do
	}
	return fmt.Sprintf("%s can't be listened on: %s", endpoint, strings.Join(strings.Fields(err.Error()), " ")), do
}
