// Package otlptest is a real OTLP receiver inside the process: one gRPC server
// and one HTTP server on loopback ports, which keep what they are sent and
// answer as they are told. Tests and the demo command use it where a collector
// would stand; nothing on the way to it is faked.
package otlptest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// AnswerFunc decides the answer to the n-th request (from 0, over both
// protocols and all signals). req is nil when the signal is not traces. It is
// called from several goroutines at once.
type AnswerFunc func(n int, req *coltracepb.ExportTraceServiceRequest) Answer

// Options of a receiver. The zero value receives without TLS and accepts all.
type Options struct {
	// Authority, when set, makes both servers speak TLS with a certificate that
	// it signed for 127.0.0.1 and localhost.
	Authority *Authority
	// RequireClientCertificate refuses connections without a client certificate
	// of Authority. It needs Authority.
	RequireClientCertificate bool
	// Answer decides the answers; nil accepts everything. See SetAnswer.
	Answer AnswerFunc
	// OnRequest, when set, is called once for each request, before its answer,
	// from several goroutines at once.
	OnRequest func(Request)
	// Discard keeps no requests: Count and OnRequest still see them. For long
	// runs whose memory must not grow.
	Discard bool
	// Undecoded leaves Request.Traces, Logs and Metrics nil: who looks at Body decodes it, for
	// benchmarks in a cheaper way.
	Undecoded bool
	// MaxReceiveSize bounds a gRPC message in bytes; 0 is gRPC's own 4 MiB. A
	// larger one is answered RESOURCE_EXHAUSTED without RetryInfo.
	MaxReceiveSize int
}

// Receiver is a running OTLP receiver. Close it.
type Receiver struct {
	options Options
	grpc    *gate
	http    *gate
	stop    func()
	served  sync.WaitGroup

	mu       sync.Mutex // guards what follows
	answer   AnswerFunc
	bySignal map[string]Answer
	count    int
	requests []Request
	arrived  chan struct{} // closed and replaced at each arrival
}

// Start listens on two free loopback ports and serves until Close.
func Start(o Options) (*Receiver, error) {
	if o.RequireClientCertificate && o.Authority == nil {
		return nil, errors.New("a client certificate can't be required without an authority")
	}
	r := &Receiver{options: o, answer: o.Answer, arrived: make(chan struct{})}
	tlsConfig, err := r.tlsConfig()
	if err != nil {
		return nil, err
	}
	if r.grpc, err = listen(); err != nil {
		return nil, err
	}
	if r.http, err = listen(); err != nil {
		return nil, errors.Join(err, r.grpc.Close())
	}
	r.serve(tlsConfig)
	return r, nil
}

func (r *Receiver) serve(tlsConfig *tls.Config) {
	options := []grpc.ServerOption{grpc.WaitForHandlers(true)}
	if tlsConfig != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(tlsConfig)))
	}
	if r.options.MaxReceiveSize > 0 {
		options = append(options, grpc.MaxRecvMsgSize(r.options.MaxReceiveSize))
	}
	grpcServer := r.grpcServer(options)
	httpServer := &http.Server{
		Handler:           r.httpHandler(),
		TLSConfig:         tlsConfig,
		ReadHeaderTimeout: time.Minute,
		ErrorLog:          log.New(io.Discard, "", 0), // refused handshakes are part of the script
	}

	// Serve returns when the server is stopped; its error then says just that.
	r.served.Go(func() { _ = grpcServer.Serve(r.grpc) })
	r.served.Go(func() {
		if tlsConfig != nil {
			_ = httpServer.ServeTLS(r.http, "", "")
			return
		}
		_ = httpServer.Serve(r.http)
	})
	r.stop = sync.OnceFunc(func() {
		// Connections are cut first: a handler that waits for Answer.Until ends
		// with the context of its connection.
		r.grpc.SetDown(true)
		r.http.SetDown(true)
		grpcServer.Stop()
		// Shutdown waits for handlers, Close would leave them behind.
		_ = httpServer.Shutdown(context.Background())
		r.served.Wait()
	})
}

func (r *Receiver) tlsConfig() (*tls.Config, error) {
	if r.options.Authority == nil {
		return nil, nil
	}
	certificate, err := r.options.Authority.serverCertificate()
	if err != nil {
		return nil, fmt.Errorf("server certificate: %w", err)
	}
	c := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	if r.options.RequireClientCertificate {
		c.ClientAuth = tls.RequireAndVerifyClientCert
		c.ClientCAs = r.options.Authority.pool()
	}
	return c, nil
}

// Close stops both servers and returns when their goroutines have ended.
func (r *Receiver) Close() { r.stop() }

// GRPCEndpoint is the URL for OTLP over gRPC.
func (r *Receiver) GRPCEndpoint() string { return r.scheme() + r.grpc.Addr().String() }

// HTTPEndpoint is the base URL for OTLP over HTTP; traces go to /v1/traces.
func (r *Receiver) HTTPEndpoint() string { return r.scheme() + r.http.Addr().String() }

func (r *Receiver) scheme() string {
	if r.options.Authority != nil {
		return "https://"
	}
	return "http://"
}

// SetAnswer replaces the script of answers; nil accepts everything.
func (r *Receiver) SetAnswer(f AnswerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

// SetSignalAnswer gives every request of one signal that answer, whatever the
// script says; nil ends that.
func (r *Receiver) SetSignalAnswer(signal string, a *Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.bySignal, signal)
	if a == nil {
		return
	}
	if r.bySignal == nil {
		r.bySignal = make(map[string]Answer)
	}
	r.bySignal[signal] = *a
}

// SetDown cuts every connection and resets each new one until it is called with
// false: a collector that is not there, at an address nobody else can take.
func (r *Receiver) SetDown(down bool) {
	r.grpc.SetDown(down)
	r.http.SetDown(down)
}

// Refused counts the connections that were reset because the receiver was down.
func (r *Receiver) Refused() int { return r.grpc.Refused() + r.http.Refused() }

// Count of requests so far, accepted or not.
func (r *Receiver) Count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count
}

// Requests that came so far, in order of arrival, accepted or not.
func (r *Receiver) Requests() []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.requests[:len(r.requests):len(r.requests)]
}

// Spans of all accepted requests, in order of arrival.
func (r *Receiver) Spans() []*tracepb.Span {
	var spans []*tracepb.Span
	for _, q := range r.Requests() {
		if q.Accepted() {
			spans = append(spans, q.Spans()...)
		}
	}
	return spans
}

// LogRecords of all accepted requests, in order of arrival.
func (r *Receiver) LogRecords() []*logspb.LogRecord {
	var records []*logspb.LogRecord
	for _, q := range r.Requests() {
		if q.Accepted() {
			records = append(records, q.LogRecords()...)
		}
	}
	return records
}

// Wait returns when enough says so of the requests that came so far, or with
// the context's error. enough is called at once and after each arrival.
func (r *Receiver) Wait(ctx context.Context, enough func([]Request) bool) error {
	for {
		r.mu.Lock()
		arrived := r.arrived
		r.mu.Unlock()
		if enough(r.Requests()) {
			return nil
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return fmt.Errorf("wait with %d requests there: %w", r.Count(), ctx.Err())
		}
	}
}

// take records a request and decides its answer.
func (r *Receiver) take(q Request) Request {
	q, onRequest := r.record(q)
	if onRequest != nil {
		onRequest(q)
	}
	return q
}

func (r *Receiver) record(q Request) (Request, func(Request)) {
	r.mu.Lock()
	q.N = r.count
	r.count++
	answer := r.answer
	fixed, isFixed := r.bySignal[q.Signal]
	r.mu.Unlock()

	// The script runs unlocked: it may ask the receiver what came so far.
	switch {
	case isFixed:
		q.Answer = fixed
	case answer != nil:
		q.Answer = answer(q.N, q.Traces)
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.options.Discard {
		r.requests = append(r.requests, q)
	}
	close(r.arrived)
	r.arrived = make(chan struct{})
	return q, r.options.OnRequest
}

// listen takes a free loopback port.
func listen() (*gate, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &gate{Listener: l, open: map[string]net.Conn{}}, nil
}
