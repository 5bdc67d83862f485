package backends

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"cdr2otel/internal/testenv"
)

// exporterEnv is the path of a cdr2otel to try instead of building one.
const exporterEnv = "CDR2OTEL_TEST_EXPORTER"

// scratchRoot holds every temporary file of this run, those of t.TempDir too.
var scratchRoot string

func TestMain(m *testing.M) { os.Exit(run(m)) }

// run leaves no process and no file behind, whether the tests pass, fail or are
// interrupted. When this process is killed or panics at its deadline, the system
// ends the programs (backends_linux_test.go) and only files are left.
func run(m *testing.M) int {
	root, err := os.MkdirTemp("", "cdr2otel-backends-")
	if err == nil {
		err = errors.Join(os.Setenv("TMPDIR", root), os.Chmod(root, 0o711)) // PostgreSQL, another user, passes through
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	scratchRoot = root
	defer cleanUp()
	go startOnOneThread()

	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-interrupted
		cleanUp()
		os.Exit(130)
	}()
	return m.Run()
}

// cleanUp ends every program that is still running and removes every file.
func cleanUp() {
	running.killAll()
	if err := os.RemoveAll(scratchRoot); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// starts are functions for startOnOneThread.
var starts = make(chan func())

// startOnOneThread runs what starts programs on a thread that lives as long as
// this process: Linux sends a child its death signal when the thread ends that
// started it.
func startOnOneThread() {
	runtime.LockOSThread()
	for start := range starts {
		start()
	}
}

// repoPath is a path below the root of the repository.
func repoPath(elements ...string) string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(append([]string{filepath.Dir(file), ".."}, elements...)...)
}

// toolPath is a program that "make tools" builds: otelcol, jaeger, prometheus,
// promtool. Without it the test ends as testenv.Missing says.
func toolPath(t testing.TB, name string) string {
	t.Helper()
	path := repoPath(".tools", "bin", name)
	if _, err := os.Stat(path); err != nil {
		testenv.Missing(t, "%s is not built (run: make tools)", name)
	}
	return path
}

// scratch is a folder of the test, with a short name: it is removed when the
// test ends.
func scratch(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(scratchRoot, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// buildExporter builds cdr2otel once for all tests.
var buildExporter = sync.OnceValues(func() (string, error) {
	if given := os.Getenv(exporterEnv); given != "" {
		return given, nil
	}
	path := filepath.Join(scratchRoot, "cdr2otel")
	build := exec.CommandContext(context.Background(), "go", "build", "-o", path, "./cmd/cdr2otel")
	build.Dir = repoPath()
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build cdr2otel: %w\n%s", err, out)
	}
	return path, nil
})

// confirmed prints one line about what was seen to hold, unless the test has
// failed: then nothing is certain.
func confirmed(t testing.TB, format string, args ...any) {
	t.Helper()
	if !t.Failed() {
		t.Logf("ok: "+format, args...)
	}
}
