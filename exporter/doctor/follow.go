package doctor

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"cdr2otel/exporter/config"
)

// lookEvery is how often the sidecar is asked where a call is.
const lookEvery = 100 * time.Millisecond

// follow asks the running sidecar where the call is until it left, and says through
// which states it went.
func (x *examination) follow(ctx context.Context, t TestCall, callID, trace string, began time.Time) {
	if t.Deadline <= 0 {
		t.Deadline = defaultDeadline
	}
	ctx, cancel := context.WithTimeout(ctx, t.Deadline)
	defer cancel()
	look, err := x.lookup(t, callID)
	if err != nil {
		x.fail(checkTestCall, "name the admin listener with --admin-url", "trace %s, but it can't be followed: %v", trace, err)
		return
	}
	states := []string{"acknowledged"}
	for {
		state, err := look(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			x.fail(checkTestCall, "see that the admin listener is that of the same sidecar", "trace %s, but it can't be followed: %s", trace, oneLine(err.Error(), 200))
			return
		case state != "" && state != states[len(states)-1]:
			states = append(states, state)
		}
		if x.left(state, states, trace, began) {
			return
		}
		if pause(ctx, lookEvery) != nil {
			x.fail(checkTestCall, "look at the otlp lines above and at the sidecar's log; it is sent when the receiver takes it",
				"trace %s has not left after %v: %s", trace, t.Deadline, strings.Join(states, ", "))
			return
		}
	}
}

// left says that a call is where it stays.
func (x *examination) left(state string, states []string, trace string, began time.Time) bool {
	way := strings.Join(states, ", ")
	switch state {
	case "exported":
		x.ok(checkTestCall, "%s after %v, as trace %s", way, time.Since(began).Round(time.Millisecond), trace)
	case "dead":
		x.fail(checkTestCall, "the delivery log has the reason", "trace %s was given up: %s", trace, way)
	case "dropped", "expired", "forgotten":
		x.fail(checkTestCall, "see docs/runbook.md", "trace %s will not leave: %s", trace, way)
	default:
		return false
	}
	return true
}

// lookup returns what asks the admin listener for the state of a call, "" as long as
// it has none.
func (x *examination) lookup(t TestCall, callID string) (func(context.Context) (string, error), error) {
	base, client, err := x.adminListener(t.AdminURL)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (string, error) {
		defer client.CloseIdleConnections()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/lookup?call_id="+url.QueryEscape(callID), nil)
		if err != nil {
			return "", err
		}
		request.Header.Set("Accept", "application/json")
		if t.AdminUser != "" {
			request.SetBasicAuth(t.AdminUser, string(t.AdminPassword))
		}
		response, err := do(client, request)
		if err != nil {
			return "", err
		}
		return stateOf(response)
	}, nil
}

func stateOf(a answer) (string, error) {
	var found struct {
		State string `json:"state"`
	}
	readable := json.Unmarshal(a.body, &found) == nil
	switch {
	case a.status == http.StatusUnauthorized:
		return "", errors.New("it wants a password (admin.web_config): use --admin-user and --admin-password-file")
	case a.status == http.StatusBadRequest && !readable:
		return "", errors.New("it does not speak plain http: name it with --admin-url https://…")
	case a.status == http.StatusNotFound && readable:
		return "", nil
	case a.status != http.StatusOK || !readable:
		return "", fmt.Errorf("/lookup answers %d", a.status)
	}
	return found.State, nil
}

// adminListener is where the sidecar's pages are, and what asks there.
func (x *examination) adminListener(configured string) (base string, client *http.Client, err error) {
	return AdminListener(x.cfg, configured)
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
	certificate, err := adminCertificate(cfg.Admin.WebConfig)
	switch {
	case err != nil:
		return "", nil, fmt.Errorf("admin.web_config: %w", err)
	case certificate != nil:
		return "https://" + address, pinnedClient(certificate), nil
	}
	return "http://" + address, plainClient(), nil
}

// adminCertificate is the one that a web configuration names, nil if it names none.
func adminCertificate(webConfig string) (*x509.Certificate, error) {
	if webConfig == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(webConfig)
	if err != nil {
		return nil, err
	}
	var cfg struct {
		TLS struct {
			Cert     string `yaml:"cert"`
			CertFile string `yaml:"cert_file"`
		} `yaml:"tls_server_config"`
	}
	if yaml.Unmarshal(raw, &cfg) != nil { // whose error would quote it
		return nil, errors.New("it is not YAML as the toolkit wants it")
	}
	chain := []byte(cfg.TLS.Cert)
	if file := cfg.TLS.CertFile; file != "" {
		if !filepath.IsAbs(file) { // relative to the file that names it
			file = filepath.Join(filepath.Dir(webConfig), file)
		}
		if chain, err = os.ReadFile(file); err != nil {
			return nil, err
		}
	}
	if len(chain) == 0 {
		return nil, nil
	}
	block, _ := pem.Decode(chain)
	if block == nil {
		return nil, errors.New("no PEM certificate")
	}
	return x509.ParseCertificate(block.Bytes)
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
