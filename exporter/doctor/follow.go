package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"cdr2otel/exporter/config"
)

// lookEvery is how often the sidecar is asked where a call is.
const lookEvery = 100 * time.Millisecond

// lookedUp is what the sidecar knows of a call.
type lookedUp struct {
	TraceID string `json:"trace_id"`
	SpanID  string `json:"span_id"`
	State   string `json:"state"` // "": its CDR is not there
}

// follow asks the running sidecar where the call is until it left, and says through
// which states it went.
func (x *examination) follow(ctx context.Context, t TestCall, source, callID, trace string, began time.Time) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(t.Deadline, defaultDeadline))
	defer cancel()
	ask, err := x.lookup(source, callID)
	if err != nil {
		x.fail(checkTestCall, "name the admin listener with --admin-url", "trace %s can't be followed: %v", trace, err)
		return
	}
	states := []string{"acknowledged"}
	for {
		found, err := ask(ctx)
		if err != nil && ctx.Err() == nil {
			x.fail(checkTestCall, "see that the admin listener is that of the same sidecar", "trace %s can't be followed: %s", trace, oneLine(err.Error(), 200))
			return
		}
		if found.State != "" && found.State != states[len(states)-1] {
			states = append(states, found.State)
		}
		if x.settled(found, strings.Join(states, ", "), time.Since(began)) {
			return
		}
		if pause(ctx, lookEvery) != nil {
			x.fail(checkTestCall, "look at the otlp lines above and at the sidecar's log; it leaves when the receiver takes it",
				"trace %s has not left after %v: %s", trace, time.Since(began).Round(time.Second), strings.Join(states, ", "))
			return
		}
	}
}

// settled says that a call is where it stays.
func (x *examination) settled(found lookedUp, way string, took time.Duration) bool {
	switch found.State {
	case "exported":
		x.ok(checkTestCall, "%s after %v: trace %s", way, took.Round(time.Millisecond), found.TraceID)
		if template := x.cfg.Admin.TraceURL; template != "" {
			x.note(checkTestCall, "%s", strings.NewReplacer("{trace_id}", found.TraceID, "{span_id}", found.SpanID).Replace(template))
		}
	case "dead":
		x.fail(checkTestCall, "the delivery log has the reason", "trace %s was given up: %s", found.TraceID, way)
	case "dropped", "expired", "forgotten":
		x.fail(checkTestCall, "see docs/runbook.md", "trace %s will not leave: %s", found.TraceID, way)
	default:
		return false
	}
	return true
}

// lookup returns what asks the admin listener for a call.
func (x *examination) lookup(source, callID string) (func(context.Context) (lookedUp, error), error) {
	ask, err := x.adminPage("/lookup?" + url.Values{"source": {source}, "call_id": {callID}}.Encode())
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (found lookedUp, err error) {
		status, err := ask(ctx, &found)
		if status == http.StatusNotFound {
			return lookedUp{}, nil
		}
		return found, err
	}, nil
}

// adminPage returns what reads a page of the admin listener that is JSON. It errs unless
// the status is 200, and gives another one only with JSON.
func (x *examination) adminPage(page string) (func(ctx context.Context, to any) (status int, err error), error) {
	base, client, err := AdminListener(x.cfg, x.opts.Admin.URL)
	if err != nil {
		return nil, err
	}
	path, _, _ := strings.Cut(page, "?")
	return func(ctx context.Context, to any) (int, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+page, nil)
		if err != nil {
			return 0, err
		}
		request.Header.Set("Accept", "application/json")
		if x.opts.Admin.User != "" {
			request.SetBasicAuth(x.opts.Admin.User, string(x.opts.Admin.Password))
		}
		a, err := do(client, request)
		if err != nil {
			return 0, err
		}
		unreadable := json.Unmarshal(a.body, to) != nil
		switch {
		case a.status == http.StatusUnauthorized:
			return 0, errors.New("it wants a password (admin.web_config): use --admin-user and --admin-password-file")
		case a.status == http.StatusBadRequest && unreadable:
			return 0, errors.New("it does not speak plain http: name it with --admin-url https://…")
		case unreadable:
			return 0, fmt.Errorf("%s answers %d", path, a.status)
		case a.status != http.StatusOK:
			return a.status, fmt.Errorf("%s answers %d", path, a.status)
		}
		return a.status, nil
	}, nil
}

// AdminListener is where the pages of the sidecar with this configuration are, or
// where they are said to be, and a client that trusts its certificate.
func AdminListener(cfg config.Config, configured string) (base string, client *http.Client, err error) {
	if configured != "" {
		return strings.TrimSuffix(configured, "/"), plainClient(), nil
	}
	host, port, err := net.SplitHostPort(cfg.Admin.Endpoint)
	if err != nil {
		return "", nil, err
	}
	if port == "0" {
		return "", nil, errors.New("admin.endpoint has a port of the system's choice")
	}
	address := net.JoinHostPort(reachable(host), port)
	web, err := cfg.Admin.Web()
	switch {
	case err != nil:
		return "", nil, fmt.Errorf("admin.web_config: %w", err)
	case web.Certificate != nil:
		return "https://" + address, pinnedClient(web.Certificate), nil
	}
	return "http://" + address, plainClient(), nil
}

// pause returns after d, or with an error as soon as ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
