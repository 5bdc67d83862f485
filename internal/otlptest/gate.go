package otlptest

import (
	"net"
	"sync"
)

// gate is a listener that can cut what it accepted.
type gate struct {
	net.Listener

	mu      sync.Mutex // guards what follows
	down    bool
	refused int
	open    map[string]net.Conn // by remote address
}

// Accept returns the next connection while the gate is up and resets those that
// come while it is down.
func (g *gate) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c, ok := g.admit(c); ok {
			return c, nil
		}
	}
}

func (g *gate) admit(c net.Conn) (net.Conn, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.down {
		g.refused++
		reset(c)
		return nil, false
	}
	g.open[c.RemoteAddr().String()] = c
	return &conn{Conn: c, gate: g}, true
}

// SetDown cuts all connections and those to come.
func (g *gate) SetDown(down bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.down = down
	if !down {
		return
	}
	for _, c := range g.open {
		reset(c)
	}
}

// Refused counts the connections that came while the gate was down.
func (g *gate) Refused() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refused
}

// cut resets the connection from a remote address.
func (g *gate) cut(remote string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c, ok := g.open[remote]; ok {
		reset(c)
	}
}

// reset closes with RST: the other side sees an error, not the end of a stream.
func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}

// conn forgets itself when it is closed.
type conn struct {
	net.Conn
	gate *gate
}

func (c *conn) Close() error {
	c.gate.mu.Lock()
	delete(c.gate.open, c.RemoteAddr().String())
	c.gate.mu.Unlock()
	return c.Conn.Close()
}
