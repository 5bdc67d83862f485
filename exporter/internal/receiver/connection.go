package receiver

import (
	"container/list"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
)

const (
	// freeBytes of a header that hasn't ended are not charged to its connection: a
	// TLS handshake, or most requests.
	freeBytes = 1 << 10
	// maxCharged bounds the bytes of all unfinished headers above that. As header
	// lines of a few bytes they take twenty times as much memory.
	maxCharged = 2 << 20
)

// connections bounds what connections cost before anybody is authenticated (I7):
// how many are open, and how much of unfinished headers they hold. Above either
// limit the one that has waited longest makes room, so strangers who hold
// connections open push each other out, and a request on its way in is the last to
// go.
type connections struct {
	limit  int
	budget int64

	mu      sync.Mutex // guards what follows, and the fields of every connection
	open    int
	charged int64
	waiting *list.List // of *connection without a whole header, the longest waiting first
}

func newConnections(limit int, budget int64) *connections {
	return &connections{limit: limit, budget: budget, waiting: list.New()}
}

// connection is one that a listener of connections accepted.
type connection struct {
	net.Conn
	of *connections

	waits  *list.Element // nil while a request is worked on, and after the end
	sent   int64         // bytes received since it waits
	closed bool
}

// limited is a listener whose connections are counted.
type limited struct {
	net.Listener
	*connections
}

func (l limited) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.connections.add(conn), nil
}

func (c *connections) add(conn net.Conn) *connection {
	added := &connection{Conn: conn, of: c}
	c.mu.Lock()
	c.open++
	added.waits = c.waiting.PushBack(added)
	var surplus *connection
	if c.open > c.limit {
		surplus = c.drop(c.waiting.Front())
	}
	c.mu.Unlock()
	surplus.cut()
	return added
}

// state is a server's ConnState.
func (c *connections) state(conn net.Conn, s http.ConnState) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	known, ok := conn.(*connection)
	if !ok {
		return // not from our listener
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case known.closed:
	case s == http.StateActive:
		c.stopWaiting(known)
	case s == http.StateIdle && known.waits == nil:
		known.waits = c.waiting.PushBack(known)
	}
}

func (c *connections) stopWaiting(conn *connection) {
	if conn.waits != nil {
		c.waiting.Remove(conn.waits)
		c.charged -= conn.charge()
		conn.waits, conn.sent = nil, 0
	}
}

// drop takes a waiting connection off the books; nil drops nothing.
func (c *connections) drop(waits *list.Element) *connection {
	if waits == nil {
		return nil
	}
	conn := waits.Value.(*connection)
	c.forget(conn)
	return conn
}

func (c *connections) forget(conn *connection) {
	if conn.closed {
		return
	}
	conn.closed = true
	c.open--
	c.stopWaiting(conn)
}

// received charges n bytes and returns the connection that must make room for them.
func (c *connections) received(conn *connection, n int) *connection {
	c.mu.Lock()
	defer c.mu.Unlock()
	if conn.waits == nil {
		return nil
	}
	before := conn.charge()
	conn.sent += int64(n)
	c.charged += conn.charge() - before
	if c.charged <= c.budget {
		return nil
	}
	for waits := c.waiting.Front(); waits != nil; waits = waits.Next() {
		if waits.Value.(*connection).charge() > 0 {
			return c.drop(waits)
		}
	}
	return nil
}

func (c *connection) charge() int64 { return max(0, c.sent-freeBytes) }

func (c *connection) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.of.received(c, n).cut()
	return n, err
}

func (c *connection) Close() error {
	c.of.mu.Lock()
	c.of.forget(c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite lets net/http end its half first, so that a client that is still
// sending gets to read why it is refused. The other half ends 500 ms later whatever
// the client does; until then the connection is no longer one of those that keep
// others out.
func (c *connection) CloseWrite() error {
	c.of.mu.Lock()
	c.of.forget(c)
	c.of.mu.Unlock()
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}

// cut closes a connection that was dropped without a word: a goodbye in TLS could
// take seconds.
func (c *connection) cut() {
	if c != nil {
		_ = c.Conn.Close() // it is gone either way
	}
}
