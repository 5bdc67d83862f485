package store

import (
	"context"
	"net"
	"syscall"
	"testing"
	"time"
)

func TestNoConnectionWaitsLongForAMachineThatIsGone(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cfg, err := postgresConfig("postgres://u@db/x?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := cfg.DialFunc(context.Background(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var set int
	if control := raw.Control(func(fd uintptr) {
		set, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout)
	}); control != nil || err != nil {
		t.Fatal(control, err)
	}
	if got := time.Duration(set) * time.Millisecond; got != unanswered {
		t.Errorf("it waits for %v, want %v", got, unanswered)
	}
}
