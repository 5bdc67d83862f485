package exporter_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	sqlite3 "modernc.org/sqlite/lib"

	"cdr2otel/exporter"
	"cdr2otel/exporter/config"
	"cdr2otel/exporter/internal/store/disktest"
	"cdr2otel/internal/client"
)

func writeFile(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// wantRefusal wants New to fail with these words, in one line.
func wantRefusal(t *testing.T, cfg config.Config, opts exporter.Options, words string) {
	t.Helper()
	e, err := exporter.New(t.Context(), cfg, opts)
	switch {
	case err == nil:
		t.Errorf("opened, want %q: %v", words, e.HealthAddr())
	case !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "\n"):
		t.Errorf("got %q, want one line with %q", err, words)
	}
}

// An error of the disk on a commit: nobody is told 200, Run ends with an error, and
// the next start holds what was acknowledged. What failed may be there or not.
func TestAnErrorOfTheDiskOnACommitEndsTheSidecarWithoutALie(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]disktest.Fault{
		"sync failed":             {Code: sqlite3.SQLITE_IOERR_FSYNC},
		"sync failed, persisted":  {Code: sqlite3.SQLITE_IOERR_FSYNC, Persisted: true},
		"write failed":            {Code: sqlite3.SQLITE_IOERR_WRITE},
		"write failed, persisted": {Code: sqlite3.SQLITE_IOERR_WRITE, Persisted: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			failOnCommit(t, fault)
		})
	}
}

func failOnCommit(t *testing.T, fault disktest.Fault) {
	dir := t.TempDir()
	disk := disktest.Watch(t, dir)
	cfg := configuration(dir)
	off := exporter.Options{Getenv: environment(map[string]string{"OTEL_TRACES_EXPORTER": "none"})}
	e, err := exporter.New(t.Context(), cfg, off)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- e.Run(context.Background()) }()
	<-e.Started()
	transport := newTransport()
	defer transport.CloseIdleConnections()
	hooks := &client.Client{URL: e.WebhookURL(config.DefaultSource), Secret: secret, HTTPClient: &http.Client{Transport: transport}}
	message := func(n int) []byte { return callTemplate(t).call(fmt.Sprint("c", n))[1].body }
	for n := range 10 {
		if status, _, err := hooks.Post(t.Context(), message(n)); err != nil || status != http.StatusOK {
			t.Fatalf("status %d, error %v", status, err)
		}
	}
	kind := disktest.Write
	if fault.Code == sqlite3.SQLITE_IOERR_FSYNC {
		kind = disktest.Sync
	}
	var failed atomic.Bool
	disk.Fail(func(o disktest.Op) disktest.Fault {
		if o.Kind != kind || !strings.HasSuffix(o.File, "-wal") || failed.Swap(true) {
			return disktest.Fault{}
		}
		return fault
	})
	if status, _, err := hooks.Post(t.Context(), message(10)); err == nil && status != http.StatusServiceUnavailable {
		t.Errorf("the webhook whose commit failed is answered %d", status)
	}
	for n := 11; n < 20; n++ { // until its listener is closed, and no more 200
		if status, _, err := hooks.Post(t.Context(), message(n)); err == nil && status == http.StatusOK {
			t.Errorf("a webhook is acknowledged by a store that can't be trusted")
		}
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "can't be trusted") {
		t.Errorf("the sidecar ended with %v, want an error", err)
	}
	if !failed.Load() {
		t.Fatal("nothing failed")
	}
	disk.Fail(nil)
	_, r := start(t, cfg, off).readiness(t)
	if n := r.Events["accepted"]; n != 10 && n != 11 {
		t.Errorf("%d events after a restart; 10 were acknowledged, one failed", n)
	}
}
