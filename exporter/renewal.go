package exporter

import (
	"crypto/tls"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// keepLast reads a certificate with read and, when that fails, serves the last one
// that could be read: between a renewed certificate and its renewed key no webhook
// is turned away, and a renewal that went wrong is an error in the log instead of
// an outage.
func keepLast(read certificateReader, log *slog.Logger) certificateReader {
	var last atomic.Pointer[tls.Certificate]
	if certificate, err := read(&tls.ClientHelloInfo{}); err == nil {
		last.Store(certificate)
	}
	say := rate.Sometimes{First: 1, Interval: time.Minute}
	return func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		certificate, err := read(hello)
		if err == nil {
			last.Store(certificate)
			return certificate, nil
		}
		kept := last.Load()
		if kept == nil {
			return nil, err
		}
		say.Do(func() { log.Error("certificate can't be read, the last one is served", "error", err) })
		return kept, nil
	}
}

type certificateReader = func(*tls.ClientHelloInfo) (*tls.Certificate, error)
