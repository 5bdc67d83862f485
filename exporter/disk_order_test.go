package exporter_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"cdr2otel/exporter"
	"cdr2otel/internal/client"
	"cdr2otel/internal/testenv"
)

// tracedEnv makes this test a sidecar whose store lies in that folder, until its
// standard input ends.
const tracedEnv = "CDR2OTEL_TEST_TRACED"

// The system calls of a running sidecar, in the order in which the kernel saw them:
// before each answer 200 the log is written, then synced, and the sync has come back.
func TestTheKernelSeesTheSyncOfTheLogBeforeTheAnswer(t *testing.T) {
	if dir := os.Getenv(tracedEnv); dir != "" {
		s := start(t, configuration(dir), exporter.Options{Getenv: environment(map[string]string{"OTEL_TRACES_EXPORTER": "none"})})
		fmt.Println("posts to", s.URL)
		_, _ = io.Copy(io.Discard, os.Stdin)
		return
	}
	strace := needStrace(t)
	t.Parallel()
	dir, log := t.TempDir(), filepath.Join(t.TempDir(), "calls")
	cmd := exec.CommandContext(t.Context(), strace, "-f", "-y", "-s", "20", "-o", log,
		"-e", "trace=pwrite64,fsync,fdatasync,write,rename,renameat", os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), tracedEnv+"="+dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	if err != nil {
		t.Fatalf("the sidecar under strace: %v, %v", err, cmd.Wait())
	}
	transport := newTransport()
	defer transport.CloseIdleConnections()
	hooks := &client.Client{URL: strings.TrimSpace(strings.TrimPrefix(line, "posts to")), Secret: secret, HTTPClient: &http.Client{Transport: transport}}
	const posts = 20
	for n := range posts {
		// A message of a call that goes on: nothing but its acceptance is written.
		status, _, err := hooks.Post(t.Context(), callTemplate(t).call(fmt.Sprint("c", n))[1].body)
		if err != nil || status != http.StatusOK {
			t.Fatalf("status %d, error %v", status, err)
		}
	}
	transport.CloseIdleConnections()
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, lines)
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	calls, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if answers := inOrder(t, string(calls), dir); answers != posts {
		t.Errorf("%d answers were seen, want %d", answers, posts)
	}
}

// needStrace returns strace, which shows the order of system calls.
func needStrace(t testing.TB) string {
	t.Helper()
	strace := testenv.Program(t, "strace", "Debian: apt-get install strace")
	if out, err := exec.CommandContext(t.Context(), strace, "-o", os.DevNull, os.Args[0], "-test.list=^$").CombinedOutput(); err != nil {
		testenv.Missing(t, "strace may not trace here (a container needs the capability SYS_PTRACE): %v %s", err, out)
	}
	return strace
}

// tracedCall is a line of strace: thread, call with its file, result. A call that others
// come between has two lines.
var tracedCall = regexp.MustCompile(`^(\d+) +(?:<\.\.\. )?(\w+)(?:\((?:\d+<([^>]*)>)?| resumed>)(.*)$`)

// inOrder reads what strace wrote and counts the answers 200.
func inOrder(t *testing.T, calls, dir string) (answers int) {
	t.Helper()
	wal := filepath.Join(dir, "store.db-wal")
	unfinished := make(map[string]string) // file of the call that a thread is in
	var excerpt []string
	named, written, synced, more, followed := false, false, false, false, 0
	for line := range strings.Lines(calls) {
		m := tracedCall.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		thread, name, file, rest := m[1], m[2], m[3], m[4]
		ended := !strings.Contains(rest, "<unfinished")
		if !ended {
			unfinished[thread] = file
		} else if file == "" {
			file = unfinished[thread]
		}
		switch {
		case name == "fsync" && file == dir && ended && strings.HasSuffix(rest, "= 0"):
			named = true
		case name == "pwrite64" && file == wal:
			// After the sync it is the next commit, of how long answers took.
			written, more = true, synced
		case (name == "fdatasync" || name == "fsync") && file == wal && ended:
			synced = synced || written && strings.HasSuffix(rest, "= 0")
		case name == "write" && strings.Contains(rest, `"HTTP/1.1 200`):
			answers++
			if !named || !synced {
				t.Fatalf("answer %d was written before the log was synced (its name: %v, written %v, synced %v):\n%s",
					answers, named, written, synced, strings.Join(excerpt, ""))
			}
			if answers == 2 {
				t.Logf("from one answer to the next:\n%s%s", strings.Join(excerpt, ""), line)
			}
			if more {
				followed++
			}
			excerpt, written, synced, more = nil, false, false, false
			continue
		default:
			continue
		}
		excerpt = append(excerpt, line)
	}
	// It comes a few times a second; were it more, this would not tell the commits apart.
	if followed > answers/2 {
		t.Errorf("%d of %d answers were preceded by more than their own commit", followed, answers)
	}
	return answers
}
