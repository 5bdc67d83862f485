package postgrestest

import (
	"errors"
	"fmt"
	"os"
	systemuser "os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// user is as whom the server runs: it refuses to run as root.
type user struct{ uid, gid int }

func otherUser() (*user, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := systemuser.Lookup("postgres")
	var unknown systemuser.UnknownUserError
	switch {
	case errors.As(err, &unknown):
		return nil, errNoUser
	case err != nil:
		return nil, err
	}
	uid, errUID := strconv.Atoi(u.Uid)
	gid, errGID := strconv.Atoi(u.Gid)
	return &user{uid, gid}, errors.Join(errUID, errGID)
}

func (u *user) own(path string) error {
	if u == nil {
		return nil
	}
	return os.Chown(path, u.uid, u.gid)
}

// attributes let the process end with the test, however that ends.
func (u *user) attributes() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if u != nil {
		attributes.Credential = &syscall.Credential{Uid: uint32(u.uid), Gid: uint32(u.gid)}
	}
	return attributes
}

// killAll kills a process and its children, which can't get more of them meanwhile,
// and returns when the children are gone.
func killAll(parent *os.Process) {
	_ = parent.Signal(syscall.SIGSTOP) // or it has ended
	children := childrenOf(parent.Pid)
	_ = parent.Kill()
	for _, pid := range children {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for _, pid := range children {
		for state, _ := status(pid); state != "" && state != "Z"; state, _ = status(pid) {
			<-tick.C
		}
	}
}

func childrenOf(parent int) (children []int) {
	entries, _ := os.ReadDir("/proc") // without it there are none
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if _, of := status(pid); of == parent {
			children = append(children, pid)
		}
	}
	return children
}

// status is the state of a process and its parent, "" when it is gone.
func status(pid int) (state string, parent int) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", 0
	}
	// The name, in brackets, may hold anything.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 2 {
		return "", 0
	}
	parent, _ = strconv.Atoi(fields[1]) // the kernel writes a number
	return fields[0], parent
}

// forgetMemory removes the shared memory of a server that was killed: its next start
// would, and there is none.
func forgetMemory(data string) {
	file, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return // it stopped, and has removed it
	}
	lines := strings.Split(string(file), "\n")
	if len(lines) < 7 {
		return
	}
	if fields := strings.Fields(lines[6]); len(fields) == 2 {
		if id, err := strconv.Atoi(fields[1]); err == nil {
			const remove = 0 // IPC_RMID
			_, _, _ = syscall.Syscall(syscall.SYS_SHMCTL, uintptr(id), remove, 0)
		}
	}
}
