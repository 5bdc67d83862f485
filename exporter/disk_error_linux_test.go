package exporter_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"cdr2otel/internal/client"
	"cdr2otel/internal/otlptest"
	"cdr2otel/internal/testenv"
)

// The real thing: the system refuses to let the files of a running sidecar grow. It
// exits with an error, and the next one exports everything that was acknowledged.
func TestASidecarWhoseFilesCanNotGrowExitsAndLosesNothing(t *testing.T) {
	if err := limit(0, nil); err != nil { // reads that of this process
		testenv.Missing(t, "prlimit can't set the limits of a process here (a container must allow that system call): %v", err)
	}
	t.Parallel()
	seen := newSightings()
	receiver := otlptest.New(t, otlptest.Options{OnRequest: seen.note, Discard: true})
	p := &process{t: t, dir: t.TempDir(), endpoint: receiver.GRPCEndpoint(), up: make(chan struct{})}
	t.Cleanup(p.kill)
	transport := newTransport()
	defer transport.CloseIdleConnections()
	var acknowledged []string
	for round := range 3 {
		p.launch()
		hooks := &client.Client{URL: p.await(t.Context()), Secret: secret, HTTPClient: &http.Client{Transport: transport, Timeout: 10 * time.Second}}
		tpl, refused := callTemplate(t), 0
		for n := 0; refused == 0 && n < 10_000; n++ {
			if n == 20 {
				p.limitFiles()
			}
			for _, e := range tpl.call(fmt.Sprintf("r%d-%d", round, n)) {
				status, _, err := hooks.Post(t.Context(), e.body)
				switch {
				case err == nil && status == http.StatusOK:
					acknowledged = append(acknowledged, e.id)
				case err == nil && status != http.StatusServiceUnavailable:
					t.Errorf("status %d", status)
				default:
					refused++
				}
			}
		}
		if code := p.exitCode(); code != 1 {
			t.Errorf("exit code %d, want 1", code)
		}
	}
	p.launch()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if missing := seen.await(ctx, acknowledged); len(missing) > 0 {
		t.Errorf("%d of %d acknowledged events never arrived, the first: %v", len(missing), len(acknowledged), missing[0])
	}
	p.terminate()
	t.Logf("3 exits, %d webhooks acknowledged, lost: 0", len(acknowledged))
}

// limitFiles lets no file of the child grow beyond the size its log has now.
func (p *process) limitFiles() {
	p.t.Helper()
	info, err := os.Stat(filepath.Join(p.dir, "store.db-wal"))
	if err != nil {
		p.t.Fatal(err)
	}
	size := uint64(info.Size()) + 10_000
	p.mu.Lock()
	pid := p.command.Process.Pid
	p.mu.Unlock()
	if err := limit(pid, &syscall.Rlimit{Cur: size, Max: size}); err != nil {
		p.t.Fatalf("prlimit: %v", err)
	}
}

// limit sets how large the files of a process may grow; nil sets nothing.
func limit(pid int, size *syscall.Rlimit) error {
	_, _, errno := syscall.Syscall6(syscall.SYS_PRLIMIT64, uintptr(pid), 1 /* RLIMIT_FSIZE */, uintptr(unsafe.Pointer(size)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// exitCode waits for the child, which ends by itself.
func (p *process) exitCode() int {
	p.t.Helper()
	err := p.down().Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		p.t.Fatalf("the sidecar ended with %v", err)
	}
	return exit.ExitCode()
}
