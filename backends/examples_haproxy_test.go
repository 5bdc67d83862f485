package backends

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cdr2otel/internal/client"
	"cdr2otel/internal/otlptest"
	"cdr2otel/internal/postgrestest"
	"cdr2otel/internal/sample"
	"cdr2otel/internal/schematest"
	"cdr2otel/internal/testenv"
)

// haproxyPath is Debian's program. Without it the test ends as testenv.Missing says.
func haproxyPath(t testing.TB) string {
	t.Helper()
	return testenv.Program(t, "haproxy", "Debian: apt-get install haproxy")
}

// startHAProxy runs HAProxy with examples/haproxy.cfg, of which only the addresses
// are replaced, and returns where it listens once it has a replica to send to.
func startHAProxy(t testing.TB, replicas ...*exporterProcess) string {
	t.Helper()
	address := testenv.FreeAddress(t)
	replace := []string{"bind :8080\n", "bind " + address + "\n"}
	for i, r := range replicas {
		name := fmt.Sprintf("replica-%d", i+1)
		replace = append(replace, fmt.Sprintf("server %s %s:8080\n", name, name), fmt.Sprintf("server %s %s port %d\n", name, r.Webhook, portOf(t, r.Health)),
			fmt.Sprintf("server waiting-%d %s:8080 ", i+1, name), fmt.Sprintf("server waiting-%d %s ", i+1, r.Webhook))
	}
	text := readExample(t, repoPath("examples", "haproxy.cfg"))
	for i := 0; i < len(replace); i += 2 {
		if strings.Count(text, replace[i]) != 1 {
			t.Fatalf("haproxy.cfg has not one %q", replace[i])
		}
	}
	dir := scratch(t)
	file := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(file, []byte(strings.NewReplacer(replace...).Replace(text)), 0o600); err != nil {
		t.Fatal(err)
	}
	binary := haproxyPath(t)
	check := exec.CommandContext(t.Context(), binary, "-c", "-f", file)
	if out, err := check.CombinedOutput(); err != nil || strings.Contains(string(out), "[WARNING]") {
		t.Fatalf("haproxy -c: %v\n%s", err, out)
	}
	startProcess(t, dir, binary, []string{"-db", "-f", file}, nil).awaitReady(t, func(ctx context.Context) error {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err == nil {
			err = conn.Close()
		}
		return err
	})
	return address
}

// The platform sends each webhook once: what is not answered 200 is lost.
func TestWebhooksBehindHAProxyOutliveAReplicaThatIsKilledAndOneThatEnds(t *testing.T) {
	t.Parallel()
	haproxyPath(t)
	schema, _ := schematest.New(t)
	receiver := otlptest.New(t, otlptest.Options{})
	start := func(at *exporterProcess) *exporterProcess {
		return startExporter(t, exporterOptions{
			StoreURL: schema, At: at,
			Config: "correlation: {grace: 1s}\nshutdown_delay: 1s\n",
			Env:    []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + receiver.HTTPEndpoint(), "OTEL_METRICS_EXPORTER=none"},
		})
	}
	first, second := start(nil), start(nil)
	posts := &posting{client: first.Client}
	posts.client.URL = "http://" + startHAProxy(t, first, second) + "/webhook"
	posts.client.HTTPClient = client.NewHTTPClient(8)

	posts.during(t, first.kill)
	first = start(first)
	posts.during(t, func() { second.terminate(t) })
	if len(posts.lost) > 0 {
		t.Errorf("%d of %d webhooks were lost, the first: %s", len(posts.lost), posts.sent, posts.lost[0])
	}
	// What the killed one had claimed is exported when its claims end, in a minute.
	r, err := first.readiness(t.Context())
	if kept := r.Events["pending"] + r.Events["exported"]; err != nil || kept != int64(posts.sent-len(posts.lost)) {
		t.Errorf("%d webhooks were answered 200, the store has %d (%v)", posts.sent-len(posts.lost), kept, err)
	}
	confirmed(t, "%d webhooks through HAProxy while one replica was killed and the other ended: %d lost", posts.sent, len(posts.lost))
}

// While the database restarts no replica is ready.
func TestWebhooksBehindHAProxyWaitForADatabaseThatRestarts(t *testing.T) {
	t.Parallel()
	haproxyPath(t)
	server, receiver := postgrestest.Start(t), otlptest.New(t, otlptest.Options{})
	options := exporterOptions{
		StoreURL: server.URL(),
		Env:      []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + receiver.HTTPEndpoint(), "OTEL_METRICS_EXPORTER=none"},
	}
	first, second := startExporter(t, options), startExporter(t, options)
	posts := &posting{client: first.Client}
	posts.client.URL = "http://" + startHAProxy(t, first, second) + "/webhook"
	posts.client.HTTPClient = client.NewHTTPClient(8)

	var away time.Duration
	posts.during(t, func() {
		began := time.Now()
		server.Stop(false)
		<-time.After(2 * time.Second) // HAProxy asks twice a second whether they are ready
		server.Launch()
		away = time.Since(began)
	})
	if len(posts.lost) > 0 {
		t.Errorf("%d of %d webhooks were lost, the first: %s", len(posts.lost), posts.sent, posts.lost[0])
	}
	confirmed(t, "%d webhooks through HAProxy while the database was away for %v: %d lost", posts.sent, away.Round(time.Millisecond), len(posts.lost))
}

// The platform's bodies come after their headers, in pieces: all of one must be there
// before any of it is passed on, or nothing can be sent again.
func TestAWebhookThatComesInPiecesIsSentToAnotherReplicaWhenOneRefusesIt(t *testing.T) {
	t.Parallel()
	haproxyPath(t)
	begun := make(chan struct{}, 8)
	var tries atomic.Int32
	bodies := make(chan string, 8)
	replica := func() *exporterProcess {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/readyz" {
				return
			}
			begun <- struct{}{}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			bodies <- string(body)
			if tries.Add(1) == 1 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
		t.Cleanup(server.Close)
		at := server.Listener.Addr().String()
		return &exporterProcess{Webhook: at, Health: at}
	}
	address := startHAProxy(t, replica(), replica())

	in, out := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/webhook", in)
	if err != nil {
		t.Fatal(err)
	}
	first, last := strings.Repeat("a", 10_000), strings.Repeat("b", 10_000)
	req.ContentLength = int64(len(first) + len(last))
	go func() {
		_, _ = io.WriteString(out, first)
		select { // a wrong one passes it on by then
		case <-begun:
		case <-time.After(200 * time.Millisecond):
		}
		_, _ = io.WriteString(out, last)
		_ = out.Close()
	}()
	client := client.NewHTTPClient(1)
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || tries.Load() != 2 {
		t.Errorf("it is answered %d after %d tries, want 200 after two", resp.StatusCode, tries.Load())
	}
	for range tries.Load() {
		if <-bodies != first+last {
			t.Error("a replica got another body")
		}
	}
}

// posting sends the webhooks of test calls, each once and several at a time.
type posting struct {
	client client.Client
	mu     sync.Mutex
	calls  int // given out
	sent   int // webhooks
	lost   []string
}

// during posts some calls before, all through and some after what happens.
func (p *posting) during(t *testing.T, happens func()) {
	t.Helper()
	const posters, before, after = 8, 20, 60 // calls
	var happened atomic.Bool
	begun := make(chan struct{})
	var done sync.WaitGroup
	first, last := p.calls, p.calls+before+after
	for range posters {
		done.Go(func() {
			for {
				n := p.next()
				if n == first+before {
					close(begun)
				}
				if n >= last && happened.Load() {
					return
				}
				p.postCall(t, n)
			}
		})
	}
	<-begun
	happens()
	happened.Store(true)
	done.Wait()
}

func (p *posting) next() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	return p.calls - 1
}

func (p *posting) postCall(t *testing.T, n int) {
	call, err := sample.NewTestCall(fmt.Sprintf("haproxy-%d", n), time.Now())
	if err != nil {
		t.Error(err)
		return
	}
	for _, body := range call.Bodies {
		status, _, err := p.client.Post(t.Context(), body)
		p.mu.Lock()
		p.sent++
		if err != nil || status != http.StatusOK {
			p.lost = append(p.lost, fmt.Sprintf("status %d, error %v", status, err))
		}
		p.mu.Unlock()
	}
}
