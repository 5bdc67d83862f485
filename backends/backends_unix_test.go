//go:build unix && !linux

package backends

import "syscall"

// ownGroup gives a program a process group of its own, which can be killed as a
// whole.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
