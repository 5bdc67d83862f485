package store

import (
	"strings"
	"syscall"
)

// tcpUserTimeout is TCP_USER_TIMEOUT, see tcp(7); in milliseconds.
const tcpUserTimeout = 18

// boundUnanswered ends a connection whose other machine acknowledges nothing of what was
// sent to it. Otherwise who reads from there waits a quarter of an hour.
func boundUnanswered(network, _ string, conn syscall.RawConn) (err error) {
	if !strings.HasPrefix(network, "tcp") {
		return nil
	}
	control := conn.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(unanswered.Milliseconds()))
	})
	if control != nil {
		return control
	}
	return err
}
