package exporter

import (
	"crypto/tls"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// renewal serves a certificate that is renewed while the sidecar runs: it reads it as
// often as the configuration says, and at a reload. When it can't be read, the last
// one that could be is served: between a renewed certificate and its renewed key no
// webhook is turned away, and a renewal that went wrong is an error in the log
// instead of an outage.
type renewal struct {
	read atomic.Pointer[certificateReader]
	last atomic.Pointer[tls.Certificate]
	say  rate.Sometimes
	log  *slog.Logger
}

type certificateReader = func(*tls.ClientHelloInfo) (*tls.Certificate, error)

func newRenewal(read certificateReader, log *slog.Logger) *renewal {
	r := &renewal{say: rate.Sometimes{First: 1, Interval: time.Minute}, log: log}
	r.swap(read)
	return r
}

// swap changes where the certificate is read.
func (r *renewal) swap(read certificateReader) {
	if certificate, err := read(&tls.ClientHelloInfo{}); err == nil {
		r.last.Store(certificate)
	}
	r.read.Store(&read)
}

// certificate is a tls.Config's GetCertificate.
func (r *renewal) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	certificate, err := (*r.read.Load())(hello)
	if err == nil {
		r.last.Store(certificate)
		return certificate, nil
	}
	kept := r.last.Load()
	if kept == nil {
		return nil, err
	}
	r.say.Do(func() { r.log.Error("certificate can't be read, the last one is served", "error", err) })
	return kept, nil
}
