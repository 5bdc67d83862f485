package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"cdr2otel/internal/otlptest"
	"cdr2otel/internal/testenv"
)

func TestDoctorSendsATestCallThroughServe(t *testing.T) {
	t.Parallel()
	r := otlptest.New(t, otlptest.Options{})
	dir, webhook := t.TempDir(), testenv.FreeAddress(t)
	path := filepath.Join(dir, "cdr2otel.yaml")
	config := strings.ReplaceAll(serveConfig, "purple unicorn", "purple unicorn that nobody will ever guess")
	for _, address := range []string{webhook, testenv.FreeAddress(t), testenv.FreeAddress(t)} {
		config = strings.Replace(config, "127.0.0.1:0", address, 1)
	}
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	command := func(args ...string) *exec.Cmd {
		return &exec.Cmd{
			Path: executable(t), Args: append([]string{"cdr2otel"}, args...), Dir: dir,
			Env: append(os.Environ(), "OTEL_EXPORTER_OTLP_ENDPOINT="+r.GRPCEndpoint(), "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"),
		}
	}
	p := &process{t: t, config: path, Cmd: command("serve", "--config", path)}
	stderr, err := p.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stderr = bufio.NewScanner(stderr)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill() }) // it has ended unless the test failed
	p.await("msg=ready")

	out, err := command("doctor", "--config", path, "--send-test-call").Output()
	if err != nil {
		t.Errorf("doctor: %v", err)
	}
	// The folder of temporary files may be in memory.
	printed := strings.Replace(string(out), ", none failed, look at: store\n", ", all is well\n", 1)
	for _, want := range []string{
		"\nok    sidecar           it runs and is ready",
		"\nok    otlp traces       " + r.GRPCEndpoint() + ": an empty request was accepted\n",
		"\nok    test call         3 webhooks acknowledged by http://" + webhook + "/webhook/default within ",
		"exported after ",
		", all is well\n",
	} {
		if !strings.Contains(printed, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if len(r.Spans()) != 9 {
		t.Errorf("%d spans were exported, want 9", len(r.Spans()))
	}
	p.signal(syscall.SIGTERM)
	if err := p.end(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}
