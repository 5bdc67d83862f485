package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const serveConfig = `
webhook: {endpoint: "127.0.0.1:0"}
sources: {default: {auth: {jwt: {secrets: [purple unicorn]}}}}
health: {endpoint: "127.0.0.1:0"}
admin: {endpoint: "127.0.0.1:0"}
`

// nobody is an endpoint that takes nothing: the default one may be a collector of whoever
// runs the tests.
const nobody = "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1"

// process is a running "cdr2otel serve".
type process struct {
	*exec.Cmd
	t      *testing.T
	config string // path of its file
	stderr *bufio.Scanner
}

// startServe runs serve with a configuration and returns when it is ready.
func startServe(t *testing.T, config string) *process {
	t.Helper()
	p := launchServe(t, config)
	p.await("msg=ready")
	return p
}

// launchServe runs serve with a configuration and further arguments.
func launchServe(t *testing.T, config string, args ...string) *process {
	t.Helper()
	dir := t.TempDir()
	p := &process{t: t, config: filepath.Join(dir, "cdr2otel.yaml")}
	p.write(config)
	// The test binary is cdr2otel when it is called so (TestMain).
	p.Cmd = &exec.Cmd{
		Path: executable(t), Args: append([]string{"cdr2otel", "serve", "--config", p.config}, args...), Dir: dir,
		Env: append(os.Environ(), nobody),
	}
	stderr, err := p.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stderr = bufio.NewScanner(stderr)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill() }) // it has ended unless the test failed
	return p
}

func executable(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func (p *process) write(config string) {
	p.t.Helper()
	if err := os.WriteFile(p.config, []byte(config), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// await returns the next line of the log that holds text.
func (p *process) await(text string) string {
	p.t.Helper()
	var seen []string
	for p.stderr.Scan() {
		if seen = append(seen, p.stderr.Text()); strings.Contains(p.stderr.Text(), text) {
			return p.stderr.Text()
		}
	}
	p.t.Fatalf("%q never came; the log:\n%s", text, strings.Join(seen, "\n"))
	return ""
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// end reads the log to its end and returns how the process ended.
func (p *process) end() error {
	var rest []string
	for p.stderr.Scan() {
		rest = append(rest, p.stderr.Text())
	}
	err := p.Wait()
	if err != nil {
		p.t.Logf("the end of the log:\n%s", strings.Join(rest, "\n"))
	}
	return err
}

func TestTheLogOfServeIsJSONAndShowsDebugLinesWhenAskedTo(t *testing.T) {
	t.Parallel()
	p := launchServe(t, strings.Replace(serveConfig, "jwt: {secrets: [purple unicorn]}", "none: true", 1), "--log.format", "JSON", "--log.level", "Debug")
	var ready struct {
		Webhook string `json:"webhook"`
	}
	if err := json.Unmarshal([]byte(p.await(`"msg":"ready"`)), &ready); err != nil {
		t.Fatal(err)
	}
	answer, err := http.Post("http://"+ready.Webhook+"/webhook/default", "application/json", strings.NewReader(`{"event":{"name":"cdr_logged"},"payload":{}}`))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if line := p.await(`"msg":"webhook acknowledged"`); !strings.Contains(line, `"level":"DEBUG"`) {
		t.Errorf("it says %s", line)
	}
	p.signal(syscall.SIGTERM)
	if err := p.end(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func TestServeEndsInOrderOnSIGTERM(t *testing.T) {
	t.Parallel()
	p := startServe(t, serveConfig)
	p.signal(syscall.SIGTERM)
	if err := p.end(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func TestASecondSignalEndsServeAtOnce(t *testing.T) {
	t.Parallel()
	p := startServe(t, serveConfig+"shutdown_delay: 1h\n")
	p.signal(syscall.SIGTERM)
	p.await("shutting down")
	p.signal(syscall.SIGTERM)
	var exit *exec.ExitError
	if err := p.end(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("it ended with %v, want death by SIGTERM", err)
	}
}

func TestSIGHUPTakesAGoodConfigurationAndKeepsTheOldForABadOne(t *testing.T) {
	t.Parallel()
	p := startServe(t, serveConfig)
	p.write(serveConfig + "correlation: {late: event}\n")
	p.signal(syscall.SIGHUP)
	if line := p.await("reload refused, the old configuration stays"); !strings.Contains(line, "correlation.late") {
		t.Errorf("the key is missing: %s", line)
	}
	p.write(serveConfig + "correlation: {late: drop}\n")
	p.signal(syscall.SIGHUP)
	p.await("configuration reloaded")
	p.signal(syscall.SIGTERM)
	if err := p.end(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}
