package receiver

import (
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// freeBytes of a header are not charged to its connection: a TLS handshake, or
	// most requests.
	freeBytes = 1 << 10
	// maxCharged bounds the bytes of all headers above that. As header lines of a
	// few bytes they take twenty times as much memory.
	maxCharged = 2 << 20
	// stallBytes are what a client must take of an answer before it counts as stalled.
	stallBytes = 64 << 10
)

// connections bounds what connections cost (I7): how many are open, and how much of
// headers they hold. Above either limit one of them makes room.
//
// A connection is a stranger's until one of its requests was authenticated. A third
// of the places is for strangers. Above that they push each other out, the longest
// waiting first, for a request or in their answer. The others make room only when
// strangers have less than their third, and only while they wait for a request. A
// request whose answer has not begun is never cut.
type connections struct {
	limit  int
	budget int64
	stall  time.Duration
	below  below

	mu        sync.Mutex // guards what follows, and the fields of every connection
	open      int
	charged   int64
	strangers *list.List // of *connection, the one that asked last at the back
	kept      *list.List // of *connection that were authenticated and wait for a request, likewise
}

func newConnections(limit int, budget int64, stall time.Duration) *connections {
	return &connections{limit: limit, budget: budget, stall: stall, strangers: list.New(), kept: list.New()}
}

// connection is one that a listener of connections accepted.
type connection struct {
	net.Conn
	of      *connections
	writeBy atomic.Pointer[time.Time] // deadline of the whole answer; nil is none
	working atomic.Bool               // on a request whose answer has not begun
	handled atomic.Bool               // that request reached the handler
	ended   atomic.Bool               // reading failed since it last waited for a request

	authenticated bool
	place         *list.Element // in strangers or kept; nil while an authentic request is worked on, and after the end
	sent          int64         // bytes received since it began to wait for a request, while it has a place
	closed        bool
	came          int64 // bytes received since it last waited for a request
	first         byte  // of them
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
	added.place = c.strangers.PushBack(added)
	var surplus *connection
	if c.open > c.limit {
		surplus = c.drop(c.surplus())
	}
	c.mu.Unlock()
	surplus.cut()
	return added
}

// surplus is the connection that makes room for another.
func (c *connections) surplus() *list.Element {
	if c.strangers.Len() <= c.limit/3 && c.kept.Len() > 0 {
		return c.kept.Front()
	}
	for place := c.strangers.Front(); place != nil; place = place.Next() {
		if !place.Value.(*connection).working.Load() {
			return place
		}
	}
	return nil
}

// connectionKey is where the context of a request has its *connection.
type connectionKey struct{}

// context is a server's ConnContext.
func (c *connections) context(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, counted(conn))
}

// counted is the connection below TLS; nil when it is not of our listener.
func counted(conn net.Conn) *connection {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	known, _ := conn.(*connection)
	return known
}

// markAuthenticated says that the request was, so that its connection is no longer a
// stranger's.
func markAuthenticated(req *http.Request) {
	conn := connectionOf(req)
	if conn == nil {
		return
	}
	c := conn.of
	c.mu.Lock()
	defer c.mu.Unlock()
	if !conn.authenticated && !conn.closed {
		c.leave(conn)
		conn.authenticated = true
	}
}

// isAuthenticated says whether a request of its connection was.
func isAuthenticated(req *http.Request) bool {
	conn := connectionOf(req)
	if conn == nil {
		return false
	}
	conn.of.mu.Lock()
	defer conn.of.mu.Unlock()
	return conn.authenticated
}

// connectionOf is nil for a request that came through no listener of ours.
func connectionOf(req *http.Request) *connection {
	conn, _ := req.Context().Value(connectionKey{}).(*connection)
	return conn
}

// Authenticated marks the connections whose requests reach next as authenticated: for
// a server that is told of that by nothing else.
func Authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		markAuthenticated(req)
		next.ServeHTTP(w, req)
	})
}

// state is a server's ConnState.
func (c *connections) state(conn net.Conn, s http.ConnState) {
	known := counted(conn)
	if known == nil {
		return
	}
	known.working.Store(s == http.StateActive)
	c.below.state(conn, known, s)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case s == http.StateIdle:
		known.came = 0
		c.wait(known)
	case s == http.StateActive && known.authenticated:
		c.leave(known)
	}
}

// wait puts a connection behind those that wait for a request already.
func (c *connections) wait(conn *connection) {
	if conn.closed {
		return
	}
	c.leave(conn)
	if conn.authenticated {
		conn.place = c.kept.PushBack(conn)
	} else {
		conn.place = c.strangers.PushBack(conn)
	}
}

// leave takes the connection's place and charge from it.
func (c *connections) leave(conn *connection) {
	if conn.place == nil {
		return
	}
	if conn.authenticated {
		c.kept.Remove(conn.place)
	} else {
		c.strangers.Remove(conn.place)
	}
	c.charged -= conn.charge()
	conn.place, conn.sent = nil, 0
}

// drop takes the connection at a place off the books; nil drops nothing.
func (c *connections) drop(place *list.Element) *connection {
	if place == nil {
		return nil
	}
	conn := place.Value.(*connection)
	c.forget(conn)
	return conn
}

func (c *connections) forget(conn *connection) {
	if conn.closed {
		return
	}
	conn.closed = true
	c.open--
	c.leave(conn)
}

// received charges bytes and returns the connection that must make room for them.
// A stranger's are charged until its request was answered or authenticated.
func (c *connections) received(conn *connection, p []byte) *connection {
	n := len(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if conn.came == 0 && n > 0 {
		conn.first = p[0]
	}
	conn.came += int64(n)
	if conn.place == nil {
		return nil
	}
	before := conn.charge()
	conn.sent += int64(n)
	c.charged += conn.charge() - before
	if c.charged <= c.budget {
		return nil
	}
	for _, waiting := range []*list.List{c.strangers, c.kept} {
		for place := waiting.Front(); place != nil; place = place.Next() {
			if held := place.Value.(*connection); held.charge() > 0 && !held.working.Load() {
				return c.drop(place)
			}
		}
	}
	return nil
}

func (c *connection) charge() int64 { return max(0, c.sent-freeBytes) }

func (c *connection) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil {
		c.ended.Store(true)
	}
	c.of.received(c, p[:n]).cut()
	return n, err
}

// Write ends the connection of a client that does not take stallBytes of an answer
// within the time for a stall, or not all of it before the deadline.
func (c *connection) Write(p []byte) (written int, err error) {
	if c.working.Swap(false) && !c.handled.Load() {
		c.of.below.answer(c, p)
	}
	for {
		by := time.Now().Add(c.of.stall)
		if whole := c.writeBy.Load(); whole != nil && whole.Before(by) {
			by = *whole
		}
		if err := c.Conn.SetWriteDeadline(by); err != nil {
			return written, err
		}
		n, err := c.Conn.Write(p[written:min(len(p), written+stallBytes)])
		written += n
		if err != nil {
			c.reset()
			return written, err
		}
		if written == len(p) {
			return written, nil
		}
	}
}

// SetWriteDeadline sets the deadline of all later writes together. It does not end one
// that has begun: that ends with its stall.
func (c *connection) SetWriteDeadline(t time.Time) error {
	if t.IsZero() {
		c.writeBy.Store(nil)
	} else {
		c.writeBy.Store(&t)
	}
	return nil
}

func (c *connection) Close() error {
	c.of.mu.Lock()
	c.of.forget(c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite lets net/http end its half first, so that a client that is still
// sending gets to read why it is refused. The other half ends 500 ms later whatever
// the client does, or before when others need the place.
func (c *connection) CloseWrite() error {
	c.of.mu.Lock()
	if c.authenticated {
		c.of.wait(c)
	} // a stranger's has its place, and its charge, still
	c.of.mu.Unlock()
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}

// cut closes a connection that was dropped, without a word: a goodbye in TLS could
// take seconds. The system still sends what an authenticated one was answered.
func (c *connection) cut() {
	if c == nil {
		return
	}
	c.of.mu.Lock()
	authenticated := c.authenticated
	c.of.mu.Unlock()
	if !authenticated {
		c.reset()
		return
	}
	_ = c.Conn.Close() // it is gone either way
}

// reset closes the connection and has the system forget what the client did not take:
// else that would stay in its memory for minutes.
func (c *connection) reset() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // only on a connection that has ended
	}
	_ = c.Conn.Close() // it is gone either way
}
