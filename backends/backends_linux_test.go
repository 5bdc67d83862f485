package backends

import "syscall"

// ownGroup gives a program a process group of its own, which can be killed as a
// whole, and ends it when this process ends.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
