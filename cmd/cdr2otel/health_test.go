package main

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// health runs the command and returns what it printed, and its exit code.
func health(address string, more ...string) (out, errs string, code int) {
	var stdout, stderr bytes.Buffer
	code = run(append([]string{"health", "--endpoint", address}, more...), strings.NewReader(""), &stdout, &stderr)
	return stdout.String(), stderr.String(), code
}

func TestHealthOfARunningSidecarIsReady(t *testing.T) {
	t.Parallel()
	p := launchServe(t, serveConfig)
	out, errs, code := health(field(t, p.await("msg=ready"), "health"))
	if out != "ready; traces nothing sent yet; logs nothing sent yet; 0 events pending, 0 dead\n" && out != "ready; traces nothing sent yet; logs not used; 0 events pending, 0 dead\n" || errs != "" || code != exitOK {
		t.Errorf("exit code %d, out %q, errors %q", code, out, errs)
	}
}

func TestHealthOfASidecarWithoutItsDatabaseIsNotReady(t *testing.T) {
	t.Parallel()
	p := launchServe(t, serveConfig+`store: {url: "postgres://u@127.0.0.1:1/x"}`)
	out, errs, code := health(field(t, p.await("not ready: waiting for the database"), "health"))
	if !strings.HasPrefix(out, "not ready: ") || !strings.Contains(out, "refused") || !strings.Contains(out, "; traces unknown; ") ||
		!strings.HasSuffix(out, "; the events can't be read\n") || strings.Contains(out, "sending") || errs != "" || code != exitFailed {
		t.Errorf("exit code %d, out %q, errors %q", code, out, errs)
	}
}

func TestHealthSaysWhenSomethingElseAnswersOrNothingDoes(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(server.Close)
	address := server.Listener.Addr().String()
	_, errs, code := health(address)
	if want := "cdr2otel: no answer from " + address + ": http://" + address + "/readyz is not the health listener of cdr2otel: it answers 404\n"; errs != want || code != exitFailed {
		t.Errorf("exit code %d, errors %q", code, errs)
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	_, errs, code = health(silent.Addr().String(), "--timeout", "50ms")
	if want := "cdr2otel: no answer from " + silent.Addr().String() + " within 50ms\n"; errs != want || code != exitFailed {
		t.Errorf("exit code %d, errors %q", code, errs)
	}
}
