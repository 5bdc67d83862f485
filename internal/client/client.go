// Package client posts webhook bodies as the platform does: over HTTP, with a
// short-lived JSON Web Token signed with the secret of the webhook settings, or
// with the header or basic authentication that a source can have instead.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.opentelemetry.io/collector/config/configopaque"
)

const (
	// DefaultTTL is the lifetime of a token, as IBM's test client gives it.
	DefaultTTL     = 30 * time.Second
	defaultTimeout = 30 * time.Second
	// maxAnswer is what is read of an answer, in bytes, to use the connection again.
	maxAnswer = 64 << 10
	maxReason = 256
)

var errEmptySecret = errors.New("secret is empty; use the one of the webhook settings")

// Client posts to one webhook URL. Safe for concurrent use.
type Client struct {
	// URL of the source, like https://host:8080/webhook/live.
	URL string
	// Secret as in the webhook settings: raw bytes, not base64.
	Secret configopaque.String
	// Header, unless empty, names the header that has the secret as its value; no
	// token is sent then.
	Header string
	// User, unless empty, is the user of basic authentication, and the secret the
	// password; no token is sent then. Header goes before.
	User string
	// HTTPClient; nil is one with a time-out of 30 s that follows no redirect, as
	// a redirect would hand the token on.
	HTTPClient *http.Client
	// TTL of a token; 0 is DefaultTTL.
	TTL time.Duration
}

// Token is a JWT as the platform would send it, issued at now. An empty secret is
// refused: anyone could sign with it.
func (c *Client) Token(now time.Time) (string, error) {
	if c.Secret == "" {
		return "", errEmptySecret
	}
	ttl := c.TTL
	if ttl == 0 {
		ttl = DefaultTTL
	}
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.RegisteredClaims{
		Subject:   "user",
		Issuer:    "cdr2otel",
		IssuedAt:  jwt.NewNumericDate(now),
		ExpiresAt: jwt.NewNumericDate(now.Add(ttl)),
	})
	return token.SignedString([]byte(c.Secret))
}

// Answer is what became of a body.
type Answer struct {
	Status     int
	RetryAfter time.Duration // 0: there was none
	// Reason is what a refusal of cdr2otel says in its "error", cut to
	// maxReason bytes; "" from anybody else. It is the server's text: quote it.
	Reason string
}

// Post sends one body with a fresh token. It returns the status of the answer and
// its Retry-After, 0 if there is none. An error means that there was no answer.
func (c *Client) Post(ctx context.Context, body []byte) (status int, retryAfter time.Duration, err error) {
	answer, err := c.Send(ctx, body)
	return answer.Status, answer.RetryAfter, err
}

// Send is Post with the whole answer.
func (c *Client) Send(ctx context.Context, body []byte) (Answer, error) {
	now := time.Now()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, bytes.NewReader(body))
	if err != nil {
		return Answer{}, fmt.Errorf("webhook url: %w", err)
	}
	if err := c.authorize(req, now); err != nil {
		return Answer{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.httpClient().Do(req)
	if err != nil {
		return Answer{}, fmt.Errorf("post webhook: %w", err)
	}
	defer resp.Body.Close()
	// The status is the answer; the body is read to use the connection again, and
	// that it breaks off changes nothing.
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	answer := Answer{Status: resp.StatusCode, RetryAfter: parseRetryAfter(resp.Header.Get("Retry-After"), now)}
	if resp.StatusCode >= http.StatusBadRequest {
		answer.Reason = reason(text)
	}
	return answer, nil
}

func (c *Client) authorize(req *http.Request, now time.Time) error {
	if c.Secret == "" {
		return errEmptySecret
	}
	switch {
	case c.Header != "":
		req.Header.Set(c.Header, string(c.Secret))
	case c.User != "":
		req.SetBasicAuth(c.User, string(c.Secret))
	default:
		token, err := c.Token(now)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", token)
	}
	return nil
}

// reason is the "error" of a JSON object, "" if text is something else.
func reason(text []byte) string {
	var refusal struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(text, &refusal) != nil {
		return ""
	}
	if len(refusal.Error) > maxReason {
		return refusal.Error[:maxReason]
	}
	return refusal.Error
}

func (c *Client) httpClient() *http.Client {
	if c.HTTPClient != nil {
		return c.HTTPClient
	}
	return &http.Client{Timeout: defaultTimeout, CheckRedirect: followNone}
}

// NewHTTPClient keeps that many connections for as many concurrent posters. It has
// a time-out of 30 s and follows no redirect.
func NewHTTPClient(connections int) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = connections, connections
	return &http.Client{Transport: transport, Timeout: defaultTimeout, CheckRedirect: followNone}
}

// followNone: a redirect would hand the token on.
func followNone(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// parseRetryAfter reads both forms of RFC 9110 §10.2.3; anything else is 0.
func parseRetryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}
