package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"cdr2otel/internal/otlptest"
)

// forgetting is a sidecar as its operator runs it, whose calls are to be forgotten.
type forgetting struct {
	t       *testing.T
	db      string
	config  string // path of the file; once serve runs, with the port that it got
	webhook string
	process *process
}

// start runs serve until stop.
func (f *forgetting) start(admin string, environment ...string) {
	f.t.Helper()
	dir := f.t.TempDir()
	if f.db == "" {
		f.db = filepath.Join(dir, "store.db")
	}
	f.config = filepath.Join(dir, "cdr2otel.yaml")
	p := &process{t: f.t, config: f.config}
	content := fmt.Sprintf(`
webhook: {endpoint: "127.0.0.1:0"}
sources: {default: {auth: {none: true}, messages: none}}
health: {endpoint: "127.0.0.1:0"}
admin: {endpoint: "127.0.0.1:0"%s}
store: {url: "sqlite:%s"}
`, admin, filepath.ToSlash(f.db))
	p.write(content)
	p.Cmd = &exec.Cmd{
		Path: executable(f.t), Args: []string{"cdr2otel", "serve", "--config", f.config}, Dir: dir,
		Env: append(append(os.Environ(), nobody), environment...),
	}
	stderr, err := p.StderrPipe()
	if err != nil {
		f.t.Fatal(err)
	}
	p.stderr = bufio.NewScanner(stderr)
	if err := p.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = p.Process.Kill() }) // it has ended unless the test failed
	ready := p.await("msg=ready")
	f.process, f.webhook = p, field(f.t, ready, "webhook")
	p.write(strings.Replace(content, `admin: {endpoint: "127.0.0.1:0"`, fmt.Sprintf("admin: {endpoint: %q", field(f.t, ready, "admin")), 1))
}

// field of a line of the log.
func field(t *testing.T, line, name string) string {
	t.Helper()
	found := regexp.MustCompile(" " + name + `=(\S+)`).FindStringSubmatch(line)
	if found == nil {
		t.Fatalf("no %s in %s", name, line)
	}
	return found[1]
}

func (f *forgetting) stop() {
	f.t.Helper()
	f.process.signal(os.Interrupt)
	if err := f.process.end(); err != nil {
		f.t.Errorf("serve ended with %v", err)
	}
}

// post sends the bodies of an example's call.
func (f *forgetting) post(names ...string) {
	f.t.Helper()
	for _, name := range names {
		body, err := os.Open(filepath.Join("../../examples/webhooks", name))
		if err != nil {
			f.t.Fatal(err)
		}
		response, err := http.Post("http://"+f.webhook+"/webhook/default", "application/json", body)
		if err != nil {
			f.t.Fatal(err)
		}
		if response.Body.Close() != nil || response.StatusCode != http.StatusOK {
			f.t.Fatalf("%s: %d", name, response.StatusCode)
		}
	}
}

// gone wants that the files of the store hold none of these texts.
func (f *forgetting) gone(texts ...string) {
	f.t.Helper()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		data, err := os.ReadFile(f.db + suffix)
		if err != nil && !os.IsNotExist(err) {
			f.t.Fatal(err)
		}
		for _, text := range texts {
			if strings.Contains(string(data), text) {
				f.t.Errorf("%q is in store.db%s", text, suffix)
			}
		}
	}
}

var traceIDs = regexp.MustCompile(`(?m)^[0-9a-f]{32}$`)

func TestForgetAsksTheSidecarThatRunsAndOpensTheStoreOfOneThatDoesNot(t *testing.T) {
	t.Parallel()
	receiver := otlptest.New(t, otlptest.Options{})
	f := &forgetting{t: t}
	f.start("", "OTEL_EXPORTER_OTLP_ENDPOINT="+receiver.GRPCEndpoint(), "OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_METRICS_EXPORTER=none")
	f.post("dtmf_call.cdr.json")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := receiver.Wait(ctx, func(rs []otlptest.Request) bool { return len(rs) > 0 }); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := command(t, "", "forget", "--config", f.config, "--caller", "+1 888 555 0456")
	if code != 0 || len(traceIDs.FindAllString(stdout, -1)) != 1 || !strings.HasPrefix(stderr, "forgot 1 event of source default, ") {
		t.Errorf("running: exit %d\n%s%s", code, stdout, stderr)
	}
	f.stop()

	f.start("")
	f.post("dtmf_call.cdr.json", "webchat_conversational_search.message.json")
	f.stop()
	code, stdout, stderr = command(t, "", "forget", "--config", f.config, "--customer-id", "anonymous_IBMuid-727c0302-6fd7-4abb-b7ee-f06b4bf30e99")
	if code != 0 || stdout != "" || stderr != "forgot 1 event of source default, 1 of them not exported; 0 traces to delete in the back end\n" {
		t.Errorf("stopped: exit %d\n%s%s", code, stdout, stderr)
	}
	f.gone("anonymous_IBMuid-727c0302", "17465345_115257202")
	code, stdout, stderr = command(t, "", "forget", "--config", f.config, "--caller", "18885550456")
	if code != 0 || stdout != "" || stderr != "nothing of that person is in the store of source default\n" {
		t.Errorf("again: exit %d\n%s%s", code, stdout, stderr)
	}
	code, _, stderr = command(t, "", "forget", "--config", f.config, "--source", "nowhere", "--session-id", "x")
	if code != 1 || stderr != "cdr2otel: there is no source of that name, and nothing ever came from one\n" {
		t.Errorf("unknown source: exit %d\n%s", code, stderr)
	}
}

func TestForgetShowsTheAdminListenerThePasswordInAFile(t *testing.T) {
	t.Parallel()
	hashed, err := bcrypt.GenerateFromPassword([]byte("hunter2"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	web, password := filepath.Join(dir, "web.yaml"), filepath.Join(dir, "password")
	for path, content := range map[string]string{web: "basic_auth_users: {ada: " + string(hashed) + "}\n", password: "hunter2\n"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := &forgetting{t: t}
	f.start(fmt.Sprintf(", web_config: %q", web))
	defer f.stop()
	f.post("webchat_conversational_search.message.json")
	who := []string{"forget", "--config", f.config, "--customer-id", "anonymous_IBMuid-727c0302-6fd7-4abb-b7ee-f06b4bf30e99"}
	code, _, stderr := command(t, "", who...)
	if code != 1 || stderr != "cdr2otel: the admin listener wants a password (admin.web_config): use --admin-user and --admin-password-file\n" {
		t.Errorf("without a password: exit %d\n%s", code, stderr)
	}
	code, _, stderr = command(t, "", append(who, "--admin-user", "ada", "--admin-password-file", password)...)
	if code != 0 || !strings.HasPrefix(stderr, "forgot 1 event ") {
		t.Errorf("with it: exit %d\n%s", code, stderr)
	}
}
