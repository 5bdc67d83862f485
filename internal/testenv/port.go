package testenv

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// FreeAddress is a loopback host:port that nothing listens on, and that no other test
// is given until this one ends. It lies below the range that systems take for outgoing
// connections, so that none of those gets it between now and the start of the program
// it is for.
func FreeAddress(t testing.TB) string {
	t.Helper()
	const lowest, highest = 20000, 30000
	var lc net.ListenConfig
	for range 1000 {
		address := fmt.Sprintf("127.0.0.1:%d", lowest+rand.IntN(highest-lowest))
		// Whoever has the UDP port of that number may use the TCP port: so the tests of
		// other processes see that it is given away.
		mark, err := lc.ListenPacket(t.Context(), "udp", address)
		if err != nil {
			continue
		}
		l, err := lc.Listen(t.Context(), "tcp", address)
		if err == nil {
			err = l.Close()
		}
		if err != nil {
			_ = mark.Close()
			continue
		}
		t.Cleanup(func() { _ = mark.Close() })
		return address
	}
	t.Fatal("no free loopback port")
	return ""
}
