package doctor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/config/configopaque"

	"cdr2otel/exporter/config"
	"cdr2otel/exporter/internal/delivery"
	"cdr2otel/internal/client"
	"cdr2otel/internal/sample"
	"cdr2otel/mapping"
)

// TestCall is how a test call is sent.
type TestCall struct {
	// Source it is posted to; empty: "default", or the only one.
	Source string
	// URL of the webhook; empty: of the running sidecar, as the configuration has it.
	URL string
	// Deadline is how long it may take to leave; default 30 s.
	Deadline time.Duration
}

const defaultDeadline = 30 * time.Second

// testCall posts a call as the platform does and waits until it left.
func (x *examination) testCall(ctx context.Context, t TestCall) {
	if x.running == nil && t.URL == "" {
		x.fail(checkTestCall, "start cdr2otel serve first, or name its webhook with --url", "no sidecar answers on health.endpoint (%s)", x.cfg.Health.Endpoint)
		return
	}
	source, err := x.sourceOf(t.Source)
	if err != nil {
		x.fail(checkTestCall, "", "%v", err)
		return
	}
	platform, err := x.platform(ctx, source, t.URL)
	if err != nil {
		x.fail(checkTestCall, "", "%v", err)
		return
	}
	defer platform.HTTPClient.CloseIdleConnections()
	call, err := sample.NewTestCall(strings.ToLower(rand.Text()[:16]), time.Now())
	if err != nil {
		x.fail(checkTestCall, "report it", "%v", err)
		return
	}
	began := time.Now()
	if !x.post(ctx, platform, x.webhooks(source, call)) {
		return
	}
	x.note(checkTestCall, "it is counted and shown like a real one; its session is %s, its assistant cdr2otel-doctor", call.SessionID)
	kind, seed := mapping.Seed(mapping.Identity{SIPCallID: call.SIPCallID}, [32]byte{})
	trace := mapping.NewTraceID(source, kind, seed).String()
	x.follow(ctx, t, source, call.ID, trace, began)
}

// sourceOf is the source to post to.
func (x *examination) sourceOf(name string) (string, error) {
	if name == "" {
		name = config.DefaultSource
		if _, ok := x.sources[name]; !ok && len(x.sources) == 1 {
			for only := range x.sources {
				name = only
			}
		}
	}
	if _, ok := x.sources[name]; !ok {
		return "", fmt.Errorf("source %q is not configured; name one that is with --source", name)
	}
	return name, nil
}

// webhooks of the call that the source expects, the CDR last: the messages of a real
// call come while it lasts.
func (x *examination) webhooks(source string, call sample.TestCall) [][]byte {
	if x.sources[source].Messages == config.MessagesNone {
		return call.Bodies[:1]
	}
	return append(slices.Clone(call.Bodies[1:]), call.Bodies[0])
}

// platform posts to a source as watsonx Assistant would.
func (x *examination) platform(ctx context.Context, source, url string) (*client.Client, error) {
	c := &client.Client{URL: url, HTTPClient: client.NewHTTPClient(1)}
	if url == "" {
		if err := x.own(ctx, c, source); err != nil {
			return nil, err
		}
	}
	s := x.sources[source]
	switch {
	case s.Auth.None:
		c.Secret = configopaque.String(rand.Text()) // nobody looks at the token
		return c, nil
	case s.Auth.Header != nil:
		c.Header = s.Auth.Header.Name
	case s.Auth.Basic != nil:
		c.User = s.Auth.Basic.Username
	case !slices.Contains(s.Auth.JWT.Algorithms, "HS256"):
		return nil, fmt.Errorf("source %s does not take tokens of HS256, and this signs with nothing else; add it to auth.jwt.algorithms", source)
	}
	c.Secret = configopaque.String(s.Secrets[0])
	return c, nil
}

// own makes the client one of the sidecar's own webhook listener.
func (x *examination) own(ctx context.Context, c *client.Client, source string) error {
	w := x.cfg.Webhook
	host, port, err := net.SplitHostPort(w.Endpoint)
	switch {
	case err != nil:
		return fmt.Errorf("webhook.endpoint: %w", err)
	case port == "0":
		return errors.New("webhook.endpoint has a port of the system's choice; name the URL with --url")
	case w.TLS.ClientCAFile != "":
		return errors.New("webhook.tls.client_ca_file asks for a client certificate, which this has not; name a URL that needs none with --url")
	}
	scheme := "http"
	c.HTTPClient = plainClient()
	if w.TLSEnabled() {
		chain, err := x.webhookChain(ctx)
		if err != nil {
			return err
		}
		scheme, c.HTTPClient = "https", pinnedClient(chain[0])
	}
	c.HTTPClient.Timeout = defaultDeadline // a busy sidecar lets a webhook wait
	c.URL = scheme + "://" + net.JoinHostPort(reachable(host), port) + w.Path + "/" + source
	return nil
}

// post posts the webhooks, one after the other, and tells whether all were
// acknowledged.
func (x *examination) post(ctx context.Context, platform *client.Client, bodies [][]byte) bool {
	began := time.Now()
	for _, body := range bodies {
		answer, err := platform.Send(ctx, body)
		switch {
		case err != nil:
			seen := explainSilence(delivery.WithoutURLSecrets(err.Error(), platform.URL), destination{}).seen
			x.fail(checkTestCall, "check the URL and that the sidecar runs there", "no answer from %s: %s", delivery.ShownURL(platform.URL), seen)
			return false
		case answer.Status != http.StatusOK:
			x.fail(checkTestCall, refusal(answer.Status), "%s refused a webhook (%d %s) %s", delivery.ShownURL(platform.URL), answer.Status,
				http.StatusText(answer.Status), oneLine(answer.Reason, quoted))
			return false
		}
	}
	x.ok(checkTestCall, "%s acknowledged by %s within %v", count(len(bodies), "webhook"), delivery.ShownURL(platform.URL), time.Since(began).Round(time.Millisecond))
	return true
}

func refusal(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "the running sidecar has another secret: send it a SIGHUP, or give this the same environment"
	case http.StatusNotFound:
		return "the running sidecar has another webhook.path or no such source: restart it with this configuration"
	case http.StatusServiceUnavailable:
		return "it is full or shutting down, see its /readyz and docs/runbook.md"
	default:
		return "see docs/runbook.md"
	}
}
