// Package postgrestest is a PostgreSQL server of a test's own, which the test may
// stop, kill and launch again without disturbing anybody else.
package postgrestest

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cdr2otel/internal/testenv"
)

// endsWithin is how long the server may take to start and to stop.
const endsWithin = time.Minute

// maxSocket is what is left of the 107 bytes of a socket's path for its folder.
const maxSocket = 107 - len("/.s.PGSQL.5432")

// Server is a server with a folder of its own. It may be used from several goroutines.
type Server struct {
	t      testing.TB
	binary string // the folder of initdb and postgres
	dir    string // holds data, socket and log
	more   []string
	user   *user // nil: as whom the test runs

	mu      sync.Mutex // guards what follows
	process *os.Process
	ended   chan struct{} // closed when it has ended
}

// Need asks for a PostgreSQL that Start can run. Without one the test ends as
// testenv.Missing says. Start asks too: a test calls Need where it does something else
// before.
func Need(t testing.TB) {
	t.Helper()
	needed(t)
}

// needed is the folder of the programs, and as whom the server runs.
func needed(t testing.TB) (binary string, as *user) {
	t.Helper()
	binary, err := binaries()
	if err != nil {
		testenv.Missing(t, "%v", err)
	}
	as, err = otherUser()
	switch {
	case errors.Is(err, errNoUser):
		testenv.Missing(t, "%v", err)
	case err != nil:
		t.Fatal(err)
	}
	return binary, as
}

// Start makes a server and launches it. It ends with the test, which shows its log
// when it failed. Settings are NAME=VALUE. It needs what Need asks for.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	binary, as := needed(t)
	s := &Server{t: t, binary: binary, user: as, more: settings}
	if err := s.create(); err != nil {
		t.Fatal(err)
	}
	s.Launch()
	return s
}

// create makes the folder of a server, without the server.
func (s *Server) create() error {
	if err := s.makeFolder(); err != nil {
		return err
	}
	// Nothing of it is worth a sync: if this machine stops, so does the test.
	initdb := s.command("initdb", "--pgdata", s.data(), "--username", "postgres", "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

func (s *Server) makeFolder() (err error) {
	if s.dir, err = folder(); err != nil {
		return err
	}
	s.t.Cleanup(s.remove)
	return s.user.own(s.dir)
}

// folder is one whose sockets have a path that is short enough.
func folder() (string, error) {
	dir, err := os.MkdirTemp("", "pg")
	if err != nil || len(dir) <= maxSocket {
		return dir, err
	}
	return os.MkdirTemp("/tmp", "pg")
}

// Standby makes a server that follows this one, which must run with wal_level=replica
// and max_wal_senders, and launches it.
func (s *Server) Standby() *Server {
	s.t.Helper()
	standby := &Server{t: s.t, binary: s.binary, user: s.user, more: s.more}
	if err := standby.makeFolder(); err != nil {
		s.t.Fatal(err)
	}
	backup := standby.command("pg_basebackup", "--pgdata", standby.data(), "--host", s.dir, "--username", "postgres",
		"--write-recovery-conf", "--wal-method", "stream", "--checkpoint", "fast", "--no-sync")
	if out, err := backup.CombinedOutput(); err != nil {
		s.t.Fatalf("pg_basebackup: %v\n%s", err, out)
	}
	standby.Launch()
	return standby
}

// Folder holds the server's socket: it is the host of its URL.
func (s *Server) Folder() string { return s.dir }

// URL leads to the server's database, as its superuser.
func (s *Server) URL() string {
	return "postgres:///postgres?" + url.Values{"host": {s.dir}, "user": {"postgres"}}.Encode()
}

// Launch starts the server and returns when it takes connections. One that runs is
// left alone.
func (s *Server) Launch() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil {
		return
	}
	log, err := os.OpenFile(s.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Error(err)
		return
	}
	defer log.Close()
	args := []string{
		"-D", s.data(), "-k", s.dir, "-c", "listen_addresses=", "-c", "fsync=on",
		"-c", "shared_buffers=16MB", "-c", "wal_level=minimal", "-c", "max_wal_senders=0", "-c", "log_line_prefix=%m [%p] ",
	}
	for _, setting := range s.more {
		args = append(args, "-c", setting)
	}
	cmd := s.command("postgres", args...)
	cmd.Stdout, cmd.Stderr = log, log
	ended := make(chan struct{})
	started := make(chan error, 1)
	go run(cmd, started, ended)
	if err := <-started; err != nil {
		s.t.Errorf("postgres: %v", err)
		return
	}
	s.process, s.ended = cmd.Process, ended
	if err := s.ready(); err != nil {
		s.t.Errorf("postgres did not start: %v", err)
	}
}

// run is a process from its start to its end, in one thread: the kernel takes the end
// of the thread that started it for the end of the test.
func run(cmd *exec.Cmd, started chan<- error, ended chan<- struct{}) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Start()
	started <- err
	if err == nil {
		_ = cmd.Wait() // however it ended
		close(ended)
	}
}

// ready waits for the line of the server's file that says so.
func (s *Server) ready() error {
	limit := time.After(endsWithin)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		file, _ := os.ReadFile(filepath.Join(s.data(), "postmaster.pid")) // not there yet
		lines := strings.Split(string(file), "\n")
		if len(lines) > 7 && lines[0] == fmt.Sprint(s.process.Pid) {
			if state := strings.TrimSpace(lines[7]); state == "ready" || state == "standby" {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-s.ended:
			s.process = nil
			return errors.New("it ended")
		case <-limit:
			return fmt.Errorf("it was not ready after %v", endsWithin)
		}
	}
}

// Stop ends the server and returns when it is gone: in order, with what is under way
// undone and its connections told, or immediately, as a crash whose next start
// recovers. One that is down stays so.
func (s *Server) Stop(immediate bool) {
	s.t.Helper()
	how := syscall.SIGINT
	if immediate {
		how = syscall.SIGQUIT
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return
	}
	_ = s.process.Signal(how) // or it has ended
	select {
	case <-s.ended:
	case <-time.After(endsWithin):
		s.t.Errorf("postgres did not stop within %v", endsWithin)
		killAll(s.process)
		<-s.ended
	}
	s.process = nil
}

// Restart is Stop, in order, and Launch.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop(false)
	s.Launch()
}

// Kill ends all processes of the server with SIGKILL and returns when they are gone.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return
	}
	killAll(s.process)
	<-s.ended
	s.process = nil
}

// remove leaves nothing behind.
func (s *Server) remove() {
	s.Stop(true)
	if s.t.Failed() {
		s.t.Logf("the log of PostgreSQL ends with\n%s", s.lastLines(16<<10))
	}
	forgetMemory(s.data())
	if err := os.RemoveAll(s.dir); err != nil {
		s.t.Error(err)
	}
}

func (s *Server) lastLines(bytes int) string {
	log, err := os.ReadFile(s.log())
	if err != nil {
		return err.Error()
	}
	return string(log[max(0, len(log)-bytes):])
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) log() string { return filepath.Join(s.dir, "log") }

func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.binary, name), args...)
	cmd.Dir = s.dir
	cmd.SysProcAttr = s.user.attributes()
	// What libpq reads must not lead to another server.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	return cmd
}
