package receiver

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
)

const (
	// readAhead is what net/http reads of a header beyond MaxHeaderBytes.
	readAhead = 4 << 10
	// shortestAnswer is less than any answer takes in a TLS record, and more than an alert.
	shortestAnswer = 100
	// handshakeRecord is the first byte of a client that speaks TLS.
	handshakeRecord = 0x16
)

// below tells of what fails below the handler. It keeps nothing: the state of a
// connection and its first bytes say what it was. A client that sends nothing, as the
// check of a load balancer, or goes away in its header, was refused nothing.
type below struct {
	report     func(Answer) // nil: nobody is told
	longHeader int64        // bytes of a header that is refused for its length
}

// state is told of every change of a server's connection.
func (b *below) state(conn net.Conn, known *connection, s http.ConnState) {
	switch s {
	case http.StateActive:
		known.handled.Store(false)
	case http.StateIdle:
		known.ended.Store(false)
	case http.StateClosed:
		if b.report != nil {
			b.closed(conn, known)
		}
	}
}

// closed reports a connection that ended without a request, though its client spoke.
func (b *below) closed(conn net.Conn, known *connection) {
	came, first := known.began()
	if came == 0 {
		return
	}
	secure, ok := conn.(*tls.Conn)
	if !ok {
		if first == handshakeRecord && !known.handled.Load() {
			b.tell(known, ReasonTLSToPlain, "")
		}
		return
	}
	// It is not tried again: this is how it ended.
	err := secure.HandshakeContext(context.Background())
	switch other, _ := errors.AsType[tls.RecordHeaderError](err); {
	case err == nil, errors.Is(err, net.ErrClosed): // by us
	case likeHTTP(other.RecordHeader):
		b.tell(known, ReasonPlainToTLS, "")
	default:
		b.tell(known, ReasonHandshake, err.Error())
	}
}

// likeHTTP says whether net/http answers these first bytes with its 400.
func likeHTTP(first [5]byte) bool {
	switch string(first[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO":
		return true
	}
	return false
}

// answer reports what net/http answers by itself: p is the begin of an answer, and no
// handler gave it.
func (b *below) answer(conn *connection, p []byte) {
	if b.report == nil || conn.ended.Load() {
		return
	}
	came, first := conn.began()
	plain := bytes.HasPrefix(p, []byte("HTTP/"))
	switch {
	case plain && first == handshakeRecord: // reported when it is closed
	case plain && bytes.HasPrefix(p, []byte("HTTP/1.1 431 ")), !plain && len(p) > shortestAnswer && came >= b.longHeader:
		b.tell(conn, ReasonHeaderTooBig, "")
	case plain, len(p) > shortestAnswer:
		b.tell(conn, ReasonBadRequest, "")
	}
}

func (b *below) tell(conn *connection, reason Reason, detail string) {
	a := Answer{Reason: reason, Status: reason.Status(), Detail: display(detail)}
	if client, ok := address(conn.RemoteAddr().String()); ok {
		a.ClientAddress = client.String()
	}
	b.report(a)
}

// began is how much was received since the connection last waited for a request, and the
// first byte of it.
func (c *connection) began() (came int64, first byte) {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	return c.came, c.first
}
