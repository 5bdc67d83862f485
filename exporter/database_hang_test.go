package exporter_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"cdr2otel/internal/otlptest"
	"cdr2otel/internal/schematest"
)

// A network that swallows everything, a machine that was unplugged: nobody is told that
// the database is gone.
func TestAShutdownEndsAlthoughTheDatabaseHangs(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute: run without -short")
	}
	t.Parallel()
	s, way := startBehindSwallowing(t)
	call := callTemplate(t).call("hangs")
	s.accepted(t, call[0].body)
	way.swallows.Store(true)
	answered := make(chan int)
	go func() {
		status, _, _ := s.Post(t.Context(), call[1].body)
		answered <- status
	}()
	began := time.Now()
	if status, _ := s.readiness(t); status != http.StatusServiceUnavailable {
		t.Errorf("readyz is %d, want 503", status)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("readyz took %v", took)
	}
	if status := <-answered; status != http.StatusServiceUnavailable {
		t.Errorf("a webhook was answered %d, want 503", status)
	}
	began = time.Now()
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	// A transaction of the writer has 20 s, then the connection is cut off. A reader without a bound took 150 s and more.
	if took := time.Since(began); took > 45*time.Second {
		t.Errorf("it ended after %v", took)
	}
}

func TestPagesSayThatTheDatabaseDoesNotAnswer(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute: run without -short")
	}
	t.Parallel()
	s, way := startBehindSwallowing(t)
	s.accepted(t, callTemplate(t).call("hangs")[0].body)
	way.swallows.Store(true)
	for _, path := range []string{"/deliveries", "/calls", "/deliveries/1", "/lookup?log_id=a"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			status, page := get(t, "http://"+s.AdminAddr()+path)
			if status != http.StatusServiceUnavailable || !strings.Contains(page, "The store does not answer") {
				t.Errorf("%s is answered %d: %.500s", path, status, page)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("%s took %v", path, took)
			}
		})
	}
}

func TestTheOverviewSaysWhatItCanNotReadWhileTheDatabaseDoesNotAnswer(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute: run without -short")
	}
	t.Parallel()
	s, way := startBehindSwallowing(t)
	s.accepted(t, callTemplate(t).call("hangs")[0].body)
	way.swallows.Store(true)
	p := s.visit(t, "/")
	if p.status != http.StatusOK || p.id("hour-unread") == nil || p.id("ledger-unread") == nil || p.id("chart") != nil {
		t.Errorf("the overview is answered %d: %.2000s", p.status, p.text)
	}
	if got := content(p.id("tile-waiting")); !strings.Contains(got, "unknown") {
		t.Errorf("what waits is shown as %q", got)
	}
}

// startBehindSwallowing starts a sidecar, and returns its way to the database.
func startBehindSwallowing(t *testing.T) (*sidecar, *swallowing) {
	t.Helper()
	at, way := newSwallowing(t)
	cfg := replicaConfiguration(t, at)
	cfg.ShutdownDelay, cfg.ShutdownTimeout = 0, 2*time.Second
	return start(t, cfg, overriding(otlptest.New(t, otlptest.Options{}), otlptest.ProtocolGRPC)), way
}

// swallowing is the way to the database.
type swallowing struct {
	network, address string
	swallows         atomic.Bool
	running          sync.WaitGroup

	mu    sync.Mutex // guards what follows
	over  bool
	conns []net.Conn
}

// newSwallowing is the URL of a schema, and the way there.
func newSwallowing(t *testing.T) (at string, w *swallowing) {
	t.Helper()
	at, _ = schematest.New(t)
	cfg, err := pgx.ParseConfig(at)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w = &swallowing{}
	w.network, w.address = pgconn.NetworkAddress(cfg.Host, cfg.Port)
	w.running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			w.running.Go(func() { w.pass(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		w.end()
	})
	host, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"host": host, "port": port, "user": cfg.User, "password": cfg.Password, "sslmode": "disable"} {
		at = schematest.With(t, at, name, value)
	}
	return at, w
}

func (w *swallowing) pass(client net.Conn) {
	server, err := net.Dial(w.network, w.address)
	if err != nil {
		client.Close()
		return
	}
	if !w.keep(client, server) {
		return
	}
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
		both.Go(func() {
			_, _ = io.Copy(swallower{way[0], &w.swallows}, way[1]) // until either end closes
			way[0].Close()
			way[1].Close()
		})
	}
	both.Wait()
}

// keep closes them at the end, or now when that came first.
func (w *swallowing) keep(conns ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns = append(w.conns, conns...)
	if w.over {
		for _, c := range conns {
			c.Close()
		}
	}
	return !w.over
}

func (w *swallowing) end() {
	w.mu.Lock()
	w.over = true
	for _, c := range w.conns {
		c.Close()
	}
	w.mu.Unlock()
	w.running.Wait()
}

type swallower struct {
	to       io.Writer
	swallows *atomic.Bool
}

func (s swallower) Write(b []byte) (int, error) {
	if s.swallows.Load() {
		return len(b), nil
	}
	return s.to.Write(b)
}
