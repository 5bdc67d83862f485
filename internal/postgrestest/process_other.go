//go:build !linux

package postgrestest

import (
	"os"
	"syscall"
)

// user is as whom the server runs: elsewhere as whom the test does.
type user struct{}

func otherUser() (*user, error) { return nil, nil }

func (*user) own(string) error { return nil }

func (*user) attributes() *syscall.SysProcAttr { return nil }

// killAll: the children notice that their parent is gone, and end.
func killAll(parent *os.Process) { _ = parent.Kill() }

// forgetMemory: what a killed server left in shared memory goes with the next one.
func forgetMemory(string) {}
