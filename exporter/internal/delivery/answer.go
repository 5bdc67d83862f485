package delivery

import (
	"context"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
)

// Client sends encoded OTLP requests of one signal, each once: it never retries.
type Client interface {
	// Send sends the bytes as they are and returns what came back. It returns
	// within the configured time-out, sooner when ctx ends, and may be called
	// concurrently.
	Send(ctx context.Context, body []byte) Answer
	// Close gives the connections back, after the last Send has returned.
	Close() error
}

// Origin says where an Answer came from.
type Origin int

// Origins. The zero value is the one that loses nothing.
const (
	NoAnswer    Origin = iota // no connection, DNS, TLS, time-out
	FromGRPC                  // Answer.Code counts
	FromHTTP                  // Answer.Status counts
	Written                   // printed (OTEL_TRACES_EXPORTER=console)
	Unencodable               // our own bytes are not what they should be; nothing was sent
)

// Answer is what came back for one request, as it came; outcome.go judges it.
type Answer struct {
	Origin Origin
	Code   codes.Code // of gRPC
	Status int        // of HTTP

	// RetryInfo says that the answer held a google.rpc.RetryInfo or a Retry-After,
	// RetryAfter how long it asks to wait.
	RetryInfo  bool
	RetryAfter time.Duration

	// Partial is the partial_success of an accepting answer; nil if it has none.
	Partial *Partial

	// Foreign says that the answer accepts, but not in the words of an OTLP receiver: it
	// is a login page, or of something that says OK to everything.
	Foreign bool

	// Detail is the answer in words, at most 512 bytes, without the values of
	// our own headers and the tokens in our address of the receiver.
	Detail string
}

// Partial is an OTLP partial success.
type Partial struct {
	Rejected int64  // spans or log records, as the receiver claims
	Message  string // at most 512 bytes
}

// detailSize bounds text from the other side, in bytes.
const detailSize = 512

// minSecret is the length from which a secret is looked for in texts:
// replacing every "1" would garble them and protect nothing.
const minSecret = 6

// words bounds text that came from the other side and removes what must not be
// stored or logged: control characters, and header values and tokens of the address
// of ours that a receiver echoes (I5).
func words(text string, secrets []string) string {
	text = without(text, secrets)
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	return strings.TrimSpace(cut(text, detailSize))
}

// cut at a rune, to at most size bytes.
func cut(text string, size int) string {
	if len(text) <= size {
		return text
	}
	for size > 0 && !utf8.RuneStart(text[size]) {
		size--
	}
	return text[:size]
}

// secretsOf are the texts in header values that must not come back: the values
// and, of "Bearer abc", the credentials alone.
func secretsOf(headers map[string]string) []string {
	var secrets []string
	for _, value := range headers {
		secrets = append(append(secrets, value), strings.Fields(value)...)
	}
	return longestFirst(secrets)
}
