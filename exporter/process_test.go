package exporter_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cdr2otel/exporter"
	"cdr2otel/exporter/config"
	"cdr2otel/internal/otlptest"
	"cdr2otel/internal/testenv"
)

// childEnv makes the test binary a sidecar whose store lies in that folder, or at
// storeEnv; endpointEnv is its collector, eventsEnv its mapping.events. waitEnv is how
// long a call waits for messages and a message for its call. launchEnv is what each
// request says in launchHeader.
const (
	childEnv     = "CDR2OTEL_TEST_CHILD"
	storeEnv     = "CDR2OTEL_TEST_STORE"
	endpointEnv  = "CDR2OTEL_TEST_ENDPOINT"
	eventsEnv    = "CDR2OTEL_TEST_EVENTS"
	waitEnv      = "CDR2OTEL_TEST_WAIT"
	launchEnv    = "CDR2OTEL_TEST_LAUNCH"
	launchHeader = "x-launch"
	// certificateEnv and keyEnv are the files with which the webhook listener speaks TLS.
	certificateEnv = "CDR2OTEL_TEST_CERTIFICATE"
	keyEnv         = "CDR2OTEL_TEST_KEY"
)

// child runs a sidecar until SIGTERM. It says its webhook URL and the addresses of
// its health and admin listeners on standard output once it is ready.
func child(dir string) int {
	debug.SetGCPercent(200) // as serve does
	cfg := childConfiguration(dir)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	e, err := exporter.New(ctx, cfg, exporter.Options{Version: version, Getenv: environment(map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": os.Getenv(endpointEnv),
		"OTEL_EXPORTER_OTLP_PROTOCOL": otlptest.ProtocolGRPC,
		"OTEL_EXPORTER_OTLP_HEADERS":  launchHeader + "=" + os.Getenv(launchEnv),
	})})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	go func() {
		for range hangup {
			if err := e.Reload(as(cfg)); err != nil {
				fmt.Fprintln(os.Stderr, "reload:", err)
			}
		}
	}()
	go func() {
		<-e.Started()
		fmt.Println(e.WebhookURL(config.DefaultSource), e.HealthAddr(), e.AdminAddr())
	}()
	if err := e.Run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func childConfiguration(dir string) config.Config {
	cfg := configuration(dir)
	// Short, so that the crash test also sees calls without all their messages,
	// late messages and conversations.
	cfg.Correlation.Grace = 200 * time.Millisecond
	cfg.Correlation.Window = 2 * time.Second
	if wait, err := time.ParseDuration(os.Getenv(waitEnv)); err == nil {
		cfg.Correlation.Grace, cfg.Correlation.Window = wait, wait
	}
	if events := os.Getenv(eventsEnv); events != "" {
		cfg.Mapping.Events = config.Events(events)
	}
	if store := os.Getenv(storeEnv); store != "" {
		cfg.Store.URL = store
	}
	cfg.Webhook.TLS.CertFile, cfg.Webhook.TLS.KeyFile = os.Getenv(certificateEnv), os.Getenv(keyEnv)
	return cfg
}

// process is a sidecar in a process of its own that can be killed and launched
// again on the same store.
type process struct {
	t        testing.TB
	dir      string
	endpoint string
	events   config.Events // "" is the default
	env      []string      // what else the child is told

	mu      sync.Mutex    // guards what follows
	url     string        // of the child that is up, "" when it is down
	health  string        // its health listener, host:port
	admin   string        // its admin listener, host:port
	up      chan struct{} // closed when it is up
	command *exec.Cmd
}

// launch starts the child and waits until it is ready.
func (p *process) launch() {
	p.t.Helper()
	if err := p.begin(); err != nil {
		p.t.Fatalf("the sidecar did not start: %v", err)
	}
}

// begin is launch that may fail.
func (p *process) begin() error {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+p.dir, endpointEnv+"="+p.endpoint, eventsEnv+"="+string(p.events))
	cmd.Env = append(cmd.Env, p.env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = cmd.Wait() // its reason is on standard error
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := fmt.Sscan(line, &p.url, &p.health, &p.admin); err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
		return fmt.Errorf("the sidecar said %q: %w", line, err)
	}
	p.command = cmd
	close(p.up)
	return nil
}

// await returns the URL of the child once it is up, "" when ctx ends first.
func (p *process) await(ctx context.Context) string {
	for {
		p.mu.Lock()
		url, up := p.url, p.up
		p.mu.Unlock()
		if url != "" {
			return url
		}
		select {
		case <-up:
		case <-ctx.Done():
			return ""
		}
	}
}

// settled returns the ledger of the child once nothing is pending. Each time it
// asks, the sidecar reads the store: that is what paces it.
func (p *process) settled() map[string]int64 {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 2*time.Minute)
	defer cancel()
	for {
		events := p.ledger(ctx)
		if !isPending(events) {
			return events
		}
	}
}

// isPending tells of a ledger whether it has events that wait, or could not be read.
func isPending(ledger map[string]int64) bool {
	pending, told := ledger["pending"]
	return !told || pending > 0
}

func (p *process) ledger(ctx context.Context) map[string]int64 {
	p.t.Helper()
	p.mu.Lock()
	health := p.health
	p.mu.Unlock()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+health+"/readyz", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatalf("ledger: %v", err)
	}
	defer resp.Body.Close()
	var ready readiness
	if err := json.NewDecoder(resp.Body).Decode(&ready); err != nil {
		p.t.Fatalf("ledger: %v", err)
	}
	return ready.Events
}

// down marks the child as gone, once, and returns it.
func (p *process) down() *exec.Cmd {
	p.mu.Lock()
	defer p.mu.Unlock()
	cmd := p.command
	if cmd != nil {
		p.url, p.command, p.up = "", nil, make(chan struct{})
	}
	return cmd
}

func (p *process) kill() {
	if cmd := p.down(); cmd != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	}
}

// signal sends the child a signal that it outlives.
func (p *process) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.command.Process.Signal(s); err != nil {
		p.t.Error(err)
	}
}

func (p *process) terminate() {
	cmd := p.down()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		p.t.Errorf("the sidecar ended with %v", err)
	}
}

// needProc asks for what memory reads.
func needProc(t testing.TB) {
	t.Helper()
	testenv.Linux(t, "resident memory is read from /proc")
}

// memory returns a field of the child's /proc status in bytes: VmRSS, VmHWM.
func (p *process) memory(field string) int64 {
	p.t.Helper()
	p.mu.Lock()
	pid := p.command.Process.Pid
	p.mu.Unlock()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		p.t.Fatal(err) // needProc has asked for it
	}
	_, rest, ok := strings.Cut(string(status), field+":")
	var kib int64
	if _, err := fmt.Sscan(rest, &kib); !ok || err != nil {
		p.t.Fatalf("no %s in /proc status", field)
	}
	return kib << 10
}
