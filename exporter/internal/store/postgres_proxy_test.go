package store_test

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"cdr2otel/exporter/internal/store"
)

// proxy is an address at which the database can be there or not.
type proxy struct {
	t                testing.TB
	network, address string      // of the database
	at               string      // own
	hangs            atomic.Bool // nothing comes through, and nobody is told

	mu       sync.Mutex // guards what follows
	listener net.Listener
	conns    map[net.Conn]bool
	running  sync.WaitGroup
}

// newProxy is one that refuses connections, the URL through it, and the URL beside it.
func newProxy(t *testing.T) (p *proxy, through, beside string) {
	t.Helper()
	beside, _ = store.NewTestSchema(t)
	cfg, err := pgx.ParseConfig(beside)
	if err != nil {
		t.Fatal(err)
	}
	p = &proxy{t: t, conns: make(map[net.Conn]bool)}
	p.network, p.address = pgconn.NetworkAddress(cfg.Host, cfg.Port)
	p.at = store.OwnAddress(t)
	t.Cleanup(p.down)
	u, err := url.Parse(beside)
	if err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(p.at)
	if err != nil {
		t.Fatal(err)
	}
	u.Host, u.User = "", nil
	through = with(t, u.String(), "host", host, "port", port, "user", cfg.User, "password", cfg.Password, "sslmode", "disable")
	return p, through, beside
}

// up lets connections through from now on.
func (p *proxy) up() {
	p.t.Helper()
	listener, err := net.Listen("tcp", p.at)
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	p.listener = listener
	p.mu.Unlock()
	p.running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			p.running.Go(func() { p.pass(conn) })
		}
	})
}

// down ends all connections and refuses new ones.
func (p *proxy) down() {
	p.mu.Lock()
	if p.listener != nil {
		p.listener.Close()
		p.listener = nil
	}
	for conn := range p.conns {
		conn.Close()
	}
	p.mu.Unlock()
	p.running.Wait()
}

func (p *proxy) pass(client net.Conn) {
	server, err := net.Dial(p.network, p.address)
	if err != nil {
		client.Close()
		return
	}
	p.mu.Lock()
	p.conns[client], p.conns[server] = true, true
	if p.listener == nil { // down came first
		client.Close()
		server.Close()
	}
	p.mu.Unlock()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
		both.Go(func() {
			_, _ = io.Copy(hole{p, way[0]}, way[1]) // until either end closes
			way[0].Close()
			way[1].Close()
		})
	}
	both.Wait()
	p.mu.Lock()
	delete(p.conns, client)
	delete(p.conns, server)
	p.mu.Unlock()
}

// hole is one end of a connection.
type hole struct {
	*proxy
	end net.Conn
}

func (h hole) Write(b []byte) (int, error) {
	if h.hangs.Load() {
		return len(b), nil
	}
	return h.end.Write(b)
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
