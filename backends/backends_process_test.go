package backends

import (
	"bytes"
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	// patience is how long a test waits for another program to do what it should.
	patience = time.Minute
	// askInterval is how often it asks meanwhile.
	askInterval = 50 * time.Millisecond
)

// process is a program that a test started.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string        // path of what it printed
	done chan struct{} // closed when it has ended
}

// processes are those that run.
type processes struct {
	mu  sync.Mutex
	all map[*process]bool
	// closed refuses further starts: the run is being cleaned up.
	closed bool
}

var running = &processes{all: map[*process]bool{}}

// killAll ends all of them, waits for their end, and lets none start any more.
func (ps *processes) killAll() {
	ps.mu.Lock()
	ps.closed = true
	left := slices.Collect(maps.Keys(ps.all))
	for _, p := range left {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // it may have ended
	}
	ps.mu.Unlock()
	for _, p := range left {
		<-p.done
	}
}

func (ps *processes) start(p *process) error {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.closed {
		return context.Canceled
	}
	failed := make(chan error)
	starts <- func() { failed <- p.cmd.Start() }
	if err := <-failed; err != nil {
		return err
	}
	ps.all[p] = true
	go func() {
		_ = p.cmd.Wait() // how it ended is in ProcessState
		ps.mu.Lock()
		delete(ps.all, p)
		ps.mu.Unlock()
		close(p.done)
	}()
	return nil
}

// startProcess starts a program that is killed when the test ends. env is added
// to an environment without OTEL_ variables. What it prints is shown when the
// test fails.
func startProcess(t testing.TB, dir, path string, args, env []string) *process {
	t.Helper()
	name := filepath.Base(path)
	log, err := os.CreateTemp(scratchRoot, name+"-*.log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close() // the program has its own descriptor
	p := &process{name: name, cmd: exec.Command(path, args...), log: log.Name(), done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Env = dir, append(cleanEnvironment(), env...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = ownGroup()
	if err := running.start(p); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("the end of what %s printed:\n%s", name, p.printed())
		}
		_ = os.Remove(p.log) // the folder goes anyway
	})
	return p
}

// cleanEnvironment is this process's without what configures telemetry.
func cleanEnvironment() []string {
	var env []string
	for _, entry := range os.Environ() {
		if !bytes.HasPrefix([]byte(entry), []byte("OTEL_")) && !bytes.HasPrefix([]byte(entry), []byte("CDR2OTEL_")) {
			env = append(env, entry)
		}
	}
	return env
}

// kill ends the program as a power cut would, and waits for its end.
func (p *process) kill() {
	select {
	case <-p.done:
		return // its id may be another's now
	default:
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // it may be ending
	<-p.done
}

// terminate asks the program to end, and fails the test if it does not.
func (p *process) terminate(t testing.TB) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatalf("%s: %v", p.name, err)
	}
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatalf("%s did not end within %v of SIGTERM", p.name, patience)
	}
}

// awaitReady returns once ready does not fail any more, or fails the test when
// the program has ended.
func (p *process) awaitReady(t testing.TB, ready func(context.Context) error) {
	t.Helper()
	eventually(t, p.name+" is ready", func(ctx context.Context) error {
		select {
		case <-p.done:
			t.Fatalf("%s ended (%v); the end of what it printed:\n%s", p.name, p.cmd.ProcessState, p.printed())
		default:
		}
		return ready(ctx)
	})
}

// printed is the end of what the program printed.
func (p *process) printed() []byte {
	const most = 8 << 10
	content, err := os.ReadFile(p.log)
	if err != nil {
		return []byte(err.Error())
	}
	return content[max(0, len(content)-most):]
}

// eventually asks until check returns nil, at most for patience; then the test
// fails with what check said last.
func eventually(t testing.TB, what string, check func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ticker := time.NewTicker(askInterval)
	defer ticker.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within %v: %v", what, patience, err)
		case <-ticker.C:
		}
	}
}
