package receiver

import (
	"log/slog"
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
	// Idle is how long a connection is kept for its next request; 120 s.
	Idle time.Duration
	// MaxHeaderBytes; 64 KiB. More is answered 431.
	MaxHeaderBytes int
}

// NewServer returns the server of the webhook listener. What clients do wrong
// below HTTP is logged at debug level: scanners would fill the log otherwise.
func NewServer(handler http.Handler, limits ServerLimits, logger *slog.Logger) *http.Server {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	if limits.MaxHeaderBytes == 0 {
		limits.MaxHeaderBytes = 64 << 10
	}
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: orDefault(limits.ReadHeader, 10*time.Second),
		ReadTimeout:       orDefault(limits.Read, 30*time.Second),
		WriteTimeout:      orDefault(limits.Write, 60*time.Second),
		IdleTimeout:       orDefault(limits.Idle, 120*time.Second),
		MaxHeaderBytes:    limits.MaxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
}
