package disktest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"cdr2otel/internal/testenv"
)

// mountedEnv names the test that runs where it may mount.
const mountedEnv = "CDR2OTEL_TEST_MOUNTED"

// Small is a file system of its own, in memory, of that many bytes.
type Small struct {
	Dir string
	t   testing.TB
}

// OnSmallDisk runs the rest of a test on a file system of its own. To mount one, the
// test binary runs that test again in a mount namespace (and, unless it is root's, a
// user namespace), which takes everything with it when it ends. Where the system
// allows neither, the test is skipped. Call it first, from a top-level test.
func OnSmallDisk(t *testing.T, size int64, test func(*testing.T, *Small)) {
	t.Helper()
	if os.Getenv(mountedEnv) != t.Name() {
		elsewhere(t)
		return
	}
	s := &Small{Dir: t.TempDir(), t: t}
	if err := s.mount(size); err != nil {
		testenv.Missing(t, "no file system can be mounted here (run the tests as root, in a container with the capability SYS_ADMIN): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(s.Dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	test(t, s)
}

func (s *Small) mount(size int64) error {
	// What is mounted here is nobody else's.
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return err
	}
	return syscall.Mount("tmpfs", s.Dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=700", size))
}

// elsewhere runs the calling test in namespaces of its own.
func elsewhere(t *testing.T) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+regexp.QuoteMeta(t.Name())+"$", "-test.v", "-test.count=1")
	cmd.Env = append(os.Environ(), mountedEnv+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exit):
		testenv.Missing(t, "no mount namespace can be made here (run the tests as root, in a container with the capability SYS_ADMIN): %v", err)
	case err != nil:
		t.Fatalf("on a small disk: %v\n%s", err, out)
	case strings.Contains(string(out), "--- SKIP"):
		t.Skipf("in its namespace: %s", out)
	}
	t.Logf("on a small disk: %s", out)
}

// Free is what is left, in bytes.
func (s *Small) Free() int64 {
	s.t.Helper()
	var fs syscall.Statfs_t
	if err := syscall.Statfs(s.Dir, &fs); err != nil {
		s.t.Fatal(err)
	}
	return int64(fs.Bavail) * fs.Bsize
}

// Fill takes everything that is left but rest bytes, as another program does. What
// it returns gives that back.
func (s *Small) Fill(rest int64) (giveBack func()) {
	s.t.Helper()
	f, err := os.CreateTemp(s.Dir, "of another program")
	if err != nil {
		s.t.Fatal(err)
	}
	chunk := make([]byte, 4096)
	for s.Free() > rest {
		if _, err := f.Write(chunk); err != nil {
			if errors.Is(err, syscall.ENOSPC) {
				break
			}
			s.t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		s.t.Fatal(err)
	}
	return func() {
		if err := os.Remove(f.Name()); err != nil {
			s.t.Error(err)
		}
	}
}

// ReadOnly makes the file system read-only until the test ends.
func (s *Small) ReadOnly() {
	s.t.Helper()
	if err := syscall.Mount("", s.Dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		s.t.Fatal(err)
	}
}
