// Package client posts webhook bodies as the platform does: over HTTP, with a
// short-lived JSON Web Token signed with the secret of the webhook settings.
package client

import (
	"bytes"
	"context"
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
)

// Client posts to one webhook URL. Safe for concurrent use.
type Client struct {
	// URL of the source, like https://host:8080/webhook/live.
	URL string
	// Secret as in the webhook settings: raw bytes, not base64.
	Secret configopaque.String
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
		return "", errors.New("secret is empty; use the one of the webhook settings")
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

// Post sends one body with a fresh token. It returns the status of the answer and
// its Retry-After, 0 if there is none. An error means that there was no answer.
func (c *Client) Post(ctx context.Context, body []byte) (status int, retryAfter time.Duration, err error) {
	now := time.Now()
	token, err := c.Token(now)
	if err != nil {
		return 0, 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, bytes.NewReader(body))
	if err != nil {
		return 0, 0, fmt.Errorf("webhook url: %w", err)
	}
	req.Header.Set("Authorization", token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.httpClient().Do(req)
	if err != nil {
		return 0, 0, fmt.Errorf("post webhook: %w", err)
	}
	defer resp.Body.Close()
	// Only to use the connection again: the status is the answer.
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer)
	return resp.StatusCode, parseRetryAfter(resp.Header.Get("Retry-After"), now), nil
}

func (c *Client) httpClient() *http.Client {
	if c.HTTPClient != nil {
		return c.HTTPClient
	}
	return &http.Client{
		Timeout:       defaultTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

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
