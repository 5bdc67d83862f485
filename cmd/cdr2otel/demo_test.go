package main

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"syscall"
	"testing"
)

func TestTheDemonstrationEndsWithTheAddressOfThePagesAndStaysUp(t *testing.T) {
	t.Parallel()
	for name, endpoint := range map[string]string{"with its own receiver": "", "with a collector that does not answer": "http://127.0.0.1:1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			demonstrate(t, endpoint, syscall.SIGINT)
		})
	}
}

func TestTheDemonstrationLeavesNothingWhenItsTerminalIsClosed(t *testing.T) {
	t.Parallel()
	if left := demonstrate(t, "", syscall.SIGHUP); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
}

// demonstrate runs one until a signal ends it, and returns what it left.
func demonstrate(t *testing.T, endpoint string, end os.Signal) []os.DirEntry {
	t.Helper()
	dir := t.TempDir()
	// The test binary is cdr2otel when it is called so (TestMain).
	demo := &exec.Cmd{
		Path: executable(t), Args: []string{"cdr2otel", "demo"}, Dir: dir,
		Env: append(os.Environ(), "OTEL_EXPORTER_OTLP_ENDPOINT="+endpoint, "TMPDIR="+dir),
	}
	out, err := demo.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := demo.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = demo.Process.Kill() }) // it has ended unless the test failed
	pages := regexp.MustCompile(`^(http://127\.0\.0\.1:\d+/)$`)
	var address string
	for lines := bufio.NewScanner(out); address == "" && lines.Scan(); {
		if found := pages.FindStringSubmatch(lines.Text()); found != nil {
			address = found[1]
		}
	}
	if address == "" {
		t.Fatal("it ended without naming the pages")
	}
	for _, page := range []string{"", "calls", "calls/4eae7c9761713ed777ee4e9598579fac", "deliveries/1", "metrics"} {
		answer, err := http.Get(address + page)
		if err != nil {
			t.Fatal(err)
		}
		if err := answer.Body.Close(); err != nil || answer.StatusCode != http.StatusOK {
			t.Errorf("/%s is answered %d, %v", page, answer.StatusCode, err)
		}
	}
	if err := demo.Process.Signal(end); err != nil {
		t.Fatal(err)
	}
	if err := demo.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return left
}
