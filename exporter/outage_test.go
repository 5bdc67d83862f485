package exporter_test

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cdr2otel/internal/client"
	"cdr2otel/internal/otlptest"
)

// backlogEnv is how many events wait in the outage test; it is skipped unless set.
const backlogEnv = "CDR2OTEL_TEST_BACKLOG"

// memoryLimit is the resident memory that a backlog of any size may take.
const memoryLimit = 100 << 20

func TestMemoryStaysFlatWhileABacklogWaitsForACollectorThatIsDown(t *testing.T) {
	backlog, err := strconv.Atoi(os.Getenv(backlogEnv))
	if err != nil {
		t.Skip("takes minutes: make outage runs it, or set " + backlogEnv + "=100000")
	}
	var calls atomic.Int64
	drained := make(chan struct{})
	want := int64(backlog / 4)
	receiver := otlptest.New(t, otlptest.Options{Discard: true, OnRequest: func(otlptest.Request) {
		if calls.Add(1) == want {
			close(drained)
		}
	}})
	receiver.SetDown(true)
	p := &process{t: t, dir: t.TempDir(), endpoint: receiver.GRPCEndpoint(), up: make(chan struct{})}
	t.Cleanup(p.kill)
	p.launch()

	began := time.Now()
	postCalls(t, p.await(t.Context()), int(want))
	took := time.Since(began)
	filled := p.memory("VmHWM")
	receiver.SetDown(false)
	began = time.Now()
	select {
	case <-drained:
	case <-time.After(10 * time.Minute):
		t.Fatalf("%d of %d calls arrived within ten minutes of the collector's return", calls.Load(), want)
	}
	t.Logf("%d events taken in %v, peak resident memory %d MB; %d calls drained in %v, peak then %d MB",
		backlog, took.Round(time.Second), filled>>20, want, time.Since(began).Round(time.Second), p.memory("VmHWM")>>20)
	if peak := p.memory("VmHWM"); peak > memoryLimit {
		t.Errorf("peak resident memory is %d MB, the limit is %d MB", peak>>20, memoryLimit>>20)
	}
	p.terminate()
}

// postCalls posts n keypad calls, 64 webhooks at a time.
func postCalls(t testing.TB, url string, n int) {
	t.Helper()
	transport := newTransport()
	defer transport.CloseIdleConnections()
	hooks := &client.Client{URL: url, Secret: secret, HTTPClient: &http.Client{Transport: transport, Timeout: time.Minute}}
	tpl := callTemplate(t)
	names := make(chan string, posters)
	var wg sync.WaitGroup
	for range posters {
		wg.Go(func() {
			for name := range names {
				for _, e := range tpl.call(name) {
					if status, _, err := hooks.Post(t.Context(), e.body); err != nil || status != http.StatusOK {
						t.Errorf("status %d, error %v", status, err)
					}
				}
			}
		})
	}
	for i := range n {
		names <- fmt.Sprintf("o%d", i)
	}
	close(names)
	wg.Wait()
}
