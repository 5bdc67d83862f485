package receiver

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// ServerLimits bound what a client may cost before and around its request. Zero
// values are the defaults.
type ServerLimits struct {
	// ReadHeader is the time for a request's header; 10 s.
	ReadHeader time.Duration
	// Read is the time for the whole request, waiting for room included; 30 s.
	// Too short loses large bodies on slow lines.
	Read time.Duration
	// Write is the time from the end of the header to the end of the answer; 60 s.
	// It must exceed Read, or answers to slow requests are lost.
	Write time.Duration
	// Stall is how long a client may take nothing of its answer; 5 s.
	Stall time.Duration
	// Idle is how long a connection is kept for its next request; 120 s.
	Idle time.Duration
	// MaxHeaderBytes; 16 KiB, twice the longest credentials. More is answered 431. A
	// header of short lines takes ten times its length in memory.
	MaxHeaderBytes int
	// MaxConnections may be open; Connections(DefaultMaxInFlight). Above it the one
	// that waited longest for a request is closed, one that was never authenticated
	// first.
	MaxConnections int
}

// Connections is the MaxConnections for a receiver with this MaxInFlight and the
// default MaxWaiting: what is in Accept and what waits for it takes two thirds at
// most, even when the store hangs. The last third is for those who are answered at
// once.
func Connections(maxInFlight int) int { return 3 * max(maxInFlight, DefaultMaxInFlight) }

// Server is an http.Server that also bounds its connections.
type Server struct {
	*http.Server
	connections *connections
}

// Serve is that of http.Server.
func (s *Server) Serve(l net.Listener) error {
	return s.Server.Serve(s.Limit(l))
}

// ServeTLS serves https with the certificates of TLSConfig.
func (s *Server) ServeTLS(l net.Listener) error {
	return s.Server.ServeTLS(s.Limit(l), "", "")
}

// OnBelow has report told of what fails below the handler, which sees nothing of it: a
// TLS handshake, or what net/http refuses by itself. Of an Answer it has the reason, the
// status, the client's address and the detail. Call it before Serve.
func (s *Server) OnBelow(report func(Answer)) { s.connections.below.report = report }

// Limit returns l with the bounds of the server's connections, for a caller that must
// call Serve or ServeTLS of the http.Server.
func (s *Server) Limit(l net.Listener) net.Listener { return limited{l, s.connections} }

// NewServer returns a server of HTTP/1.1, for strangers. What clients do wrong below
// HTTP is logged at debug level: scanners would fill the log otherwise. OnBelow is told
// of it too.
func NewServer(handler http.Handler, limits ServerLimits, logger *slog.Logger) *Server {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	open := newConnections(orDefault(limits.MaxConnections, Connections(DefaultMaxInFlight)), maxCharged, orDefault(limits.Stall, 5*time.Second))
	server := &http.Server{
		Handler: handler,
		// Else "OPTIONS *" would be answered without the handler, and uncounted.
		DisableGeneralOptionsHandler: true,
		// docs/decisions/0016-http1-alone.md
		Protocols: new(http.Protocols),

		ReadHeaderTimeout: orDefault(limits.ReadHeader, 10*time.Second),
		ReadTimeout:       orDefault(limits.Read, 30*time.Second),
		WriteTimeout:      orDefault(limits.Write, 60*time.Second),
		IdleTimeout:       orDefault(limits.Idle, 120*time.Second),
		MaxHeaderBytes:    orDefault(limits.MaxHeaderBytes, 2*maxCredential),
		ConnState:         open.state,
		ConnContext:       open.context,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
	server.Protocols.SetHTTP1(true)
	open.below.longHeader = int64(server.MaxHeaderBytes) + readAhead
	// At the start of Serve, because a caller may have put a check of credentials in
	// front of the handler by then.
	server.BaseContext = func(net.Listener) context.Context {
		server.Handler = released(delimited(server.Handler))
		return context.Background()
	}
	return &Server{Server: server, connections: open}
}

// released gives up the header once the request was answered: net/http holds the
// request for 500 ms more when a body was left unread, even if the connection is cut.
func released(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if conn := connectionOf(req); conn != nil {
			conn.handled.Store(true)
		}
		next.ServeHTTP(w, req)
		req.Header = nil
	})
}

// delimited closes the connection after a request that a proxy in front may end
// elsewhere than net/http, so that its rest is not taken for the next one. These are
// chunked ones with a Content-Length, and those of HTTP/1.0 with a Transfer-Encoding
// (RFC 9112 §6.1). net/http removes the fields that tell, so it is all chunked ones and
// all of HTTP/1.0.
func delimited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if len(req.TransferEncoding) > 0 || !req.ProtoAtLeast(1, 1) {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, req)
	})
}
