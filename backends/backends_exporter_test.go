package backends

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cdr2otel/internal/client"
	"cdr2otel/internal/testenv"
)

// exporterOptions say how a sidecar is run.
type exporterOptions struct {
	// Dir holds its store and configuration; "" is a new folder. With the folder
	// of another it goes on from there.
	Dir string
	// Env are OTEL_ variables, "NAME=value": where telemetry goes.
	Env []string
	// Config is YAML of further top-level keys of its configuration: correlation,
	// mapping, …
	Config string
	// Source is YAML of further keys of its source "default": resource, agents, …
	Source string
	// Store is YAML of further keys of its store, "keep_bodies: 1h".
	Store string
	// StoreURL is the database of it and its replicas; "" is a file in Dir.
	StoreURL string
	// At is one that has ended, whose addresses it takes; nil: free ports.
	At *exporterProcess
}

// exporterProcess is a running "cdr2otel serve".
type exporterProcess struct {
	*process
	client.Client
	options exporterOptions
	// Webhook, Health and Admin are the host:port of its listeners; /metrics is on the
	// last.
	Webhook, Health, Admin string
}

// startExporter builds cdr2otel, runs it on free loopback ports and returns when
// it is ready.
func startExporter(t testing.TB, o exporterOptions) *exporterProcess {
	t.Helper()
	binary, err := buildExporter()
	if err != nil {
		t.Fatal(err)
	}
	if o.Dir == "" {
		o.Dir = scratch(t)
	}
	if o.StoreURL == "" {
		o.StoreURL = "sqlite:" + filepath.Join(o.Dir, "cdr2otel.db")
	}
	e := &exporterProcess{options: o}
	if o.At != nil {
		e.Webhook, e.Health, e.Admin = o.At.Webhook, o.At.Health, o.At.Admin
	} else {
		e.Webhook, e.Health, e.Admin = testenv.FreeAddress(t), testenv.FreeAddress(t), testenv.FreeAddress(t)
	}
	e.Client = client.Client{URL: "http://" + e.Webhook + "/webhook", Secret: "purple unicorn"}
	source := strings.ReplaceAll(strings.TrimSpace(o.Source), "\n", "\n    ")
	config := fmt.Sprintf(`webhook: {endpoint: %q}
health: {endpoint: %q}
admin: {endpoint: %q}
store: {url: %q, %s}
sources:
  default:
    auth: {jwt: {secrets: [%q]}}
    %s
%s`, e.Webhook, e.Health, e.Admin, o.StoreURL, o.Store, string(e.Secret), source, o.Config)
	path := filepath.Join(o.Dir, "cdr2otel.yaml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	e.process = startProcess(t, o.Dir, binary, []string{"serve", "--config", path}, o.Env)
	e.awaitReady(t, func(ctx context.Context) error {
		_, err := get(ctx, "http://"+e.Admin+"/readyz")
		return err
	})
	return e
}

// again runs a sidecar on the store of e, which has ended.
func (e *exporterProcess) again(t testing.TB) *exporterProcess {
	t.Helper()
	return startExporter(t, e.options)
}

// post sends webhook bodies as the platform does; all must be acknowledged.
func (e *exporterProcess) post(t testing.TB, bodies ...[]byte) {
	t.Helper()
	for _, body := range bodies {
		status, _, err := e.Post(t.Context(), body)
		if err != nil || status != http.StatusOK {
			t.Fatalf("post webhook: status %d, error %v", status, err)
		}
	}
}

// readiness is what /readyz says.
type readiness struct {
	Delivery map[string]string `json:"delivery"`
	Events   map[string]int64  `json:"events"`
	Refused  int64             `json:"refused_webhooks"`
	Rejected int64             `json:"rejected_spans"`
}

func (e *exporterProcess) readiness(ctx context.Context) (r readiness, err error) {
	err = getJSON(ctx, "http://"+e.Admin, "/readyz", nil, &r)
	return r, err
}

// awaitExported returns once n webhooks were delivered since the store is new.
func (e *exporterProcess) awaitExported(t testing.TB, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d webhooks are exported", n), func(ctx context.Context) error {
		r, err := e.readiness(ctx)
		if err == nil && r.Events["exported"] < int64(n) {
			err = fmt.Errorf("events %v, delivery %v", r.Events, r.Delivery)
		}
		return err
	})
}
