package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestCtrlCEndsAReplayInOrderAndItGoesOn(t *testing.T) {
	t.Parallel()
	bodies := numbered(200)
	interrupted, release := make(chan struct{}), make(chan struct{})
	server := newScripted(t, func(body string, _ int) int {
		if body == bodies[100] {
			close(interrupted)
			<-release
		}
		return http.StatusOK
	})
	dir := t.TempDir()
	path := writeLines(t, bodies)
	start := func() (*exec.Cmd, *strings.Builder) {
		var said strings.Builder
		c := &exec.Cmd{
			Path: executable(t), Dir: dir, Stdout: &said, Stderr: &said,
			Args: []string{"cdr2otel", "replay", "--to", server.URL, "--concurrency", "4", path},
			Env:  append(os.Environ(), "CDR2OTEL_WEBHOOK_SECRET=purple unicorn"),
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		return c, &said
	}
	first, said := start()
	<-interrupted
	if err := first.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	// The request under way ends only after the interruption.
	close(release)
	var exit *exec.ExitError
	err := first.Wait()
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).ExitStatus() != exitFailed {
		t.Errorf("it ended with %v", err)
	}
	if !strings.Contains(said.String(), "\ncdr2otel: interrupted; the same command goes on from here: cdr2otel-replay.state remembers what was acknowledged\n") {
		t.Errorf("said %s", said)
	}
	before := len(server.posted())
	if before == len(bodies) {
		t.Error("it went on to the end")
	}
	second, said := start()
	if err := second.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	server.acknowledgedOnce(t, bodies)
	if _, err := os.Stat(filepath.Join(dir, defaultState)); !os.IsNotExist(err) {
		t.Errorf("the state is still there (%v)", err)
	}
}

// Replay as its user runs it, against a server whose paths answer as they are
// called: testdata/replay.
func TestReplayCommand(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/replay",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			mux := http.NewServeMux()
			mux.HandleFunc("POST /ok", func(http.ResponseWriter, *http.Request) {})
			mux.HandleFunc("POST /too-large", func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusRequestEntityTooLarge)
			})
			mux.HandleFunc("POST /unauthorized", func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusUnauthorized)
			})
			mux.HandleFunc("POST /later", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "3600")
				w.WriteHeader(http.StatusServiceUnavailable)
			})
			server := httptest.NewServer(mux)
			env.Defer(server.Close)
			env.Setenv("URL", server.URL)
			return nil
		},
	})
}
