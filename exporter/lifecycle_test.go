package exporter_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/collector/config/configopaque"

	"cdr2otel/exporter"
	"cdr2otel/exporter/config"
	"cdr2otel/internal/client"
	"cdr2otel/internal/otlptest"
)

// readiness is the part of /readyz that the tests look at.
type readiness struct {
	NotReady string            `json:"not_ready"`
	Delivery map[string]string `json:"delivery"`
	Events   map[string]int64  `json:"events"`
	Refused  int64             `json:"refused_webhooks"`
	Reasons  map[string]int64  `json:"refused_by_reason"`
}

func get(t testing.TB, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	http.DefaultClient.CloseIdleConnections()
	return resp.StatusCode, string(body)
}

func (s *sidecar) readiness(t testing.TB) (int, readiness) {
	t.Helper()
	status, body := get(t, "http://"+s.HealthAddr()+"/readyz")
	var r readiness
	if err := json.Unmarshal([]byte(body), &r); err != nil {
		t.Fatalf("%q: %v", body, err)
	}
	return status, r
}

// awaitReadiness asks until the answer is right, for a minute.
func (s *sidecar) awaitReadiness(t testing.TB, right func(status int, r readiness) bool) {
	t.Helper()
	limit := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		status, r := s.readiness(t)
		if right(status, r) {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("readyz stays at %d with %+v", status, r)
		}
	}
}

func TestItIsReadyAndAcknowledgesWhileTheCollectorIsDownAndDrainsWhenItReturns(t *testing.T) {
	t.Parallel()
	receiver := otlptest.New(t, otlptest.Options{})
	receiver.SetDown(true)
	s := start(t, configuration(t.TempDir()), overriding(receiver, otlptest.ProtocolGRPC))
	tpl := callTemplate(t)
	for n := range 5 {
		for _, e := range tpl.call(fmt.Sprint("c", n)) {
			s.accepted(t, e.body)
		}
	}
	status, r := s.readiness(t)
	if status != http.StatusOK || r.Events["accepted"] != 20 || r.Events["pending"] != 20 {
		t.Errorf("readyz is %d with %v; want 200 and 20 accepted events pending", status, r.Events)
	}
	receiver.SetDown(false)
	awaitRequests(t, receiver, 5)
}

func TestWhatWaitedIsExportedAfterARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	receiver := otlptest.New(t, otlptest.Options{})
	receiver.SetDown(true)
	first := start(t, configuration(dir), overriding(receiver, otlptest.ProtocolHTTP))
	for _, e := range callTemplate(t).call("c") {
		first.accepted(t, e.body)
	}
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	receiver.SetDown(false)
	start(t, configuration(dir), overriding(receiver, otlptest.ProtocolHTTP))
	awaitRequests(t, receiver, 1)
}

func TestShuttingDownUnderLoadLosesNothingThatWasAcknowledged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	receiver := otlptest.New(t, otlptest.Options{})
	receiver.SetDown(true)
	s := start(t, configuration(dir), overriding(receiver, otlptest.ProtocolGRPC))
	tpl := callTemplate(t)
	var acknowledged atomic.Int64
	enough := make(chan struct{})
	var once sync.Once
	var wg sync.WaitGroup
	for p := range 8 {
		wg.Go(func() {
			for n := 0; ; n++ {
				for _, e := range tpl.call(fmt.Sprintf("c%d-%d", p, n)) {
					status, _, err := s.Post(t.Context(), e.body)
					if err != nil || status == http.StatusServiceUnavailable {
						return // it has closed
					}
					if status != http.StatusOK {
						t.Errorf("status %d", status)
						return
					}
					if acknowledged.Add(1) == 200 {
						once.Do(func() { close(enough) })
					}
				}
			}
		})
	}
	<-enough
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	again := start(t, configuration(dir), overriding(receiver, otlptest.ProtocolGRPC))
	_, r := again.readiness(t)
	// A request whose answer was cut off may be stored without the poster knowing.
	if got := r.Events["accepted"]; got < acknowledged.Load() {
		t.Errorf("%d events stored, %d were acknowledged", got, acknowledged.Load())
	}
}

func TestSecretsAreSwappedUnderLoadWithoutOneRefusedRequest(t *testing.T) {
	t.Parallel()
	cfg := configuration(t.TempDir())
	both := withSecrets(cfg, secret, "orange unicorn")
	after := withSecrets(cfg, "orange unicorn")
	s := start(t, both, exporter.Options{Getenv: environment(map[string]string{"OTEL_TRACES_EXPORTER": "none"})})
	rotated := &client.Client{URL: s.URL, Secret: "orange unicorn", HTTPClient: s.HTTPClient}
	tpl := callTemplate(t)
	stop := make(chan struct{})
	var posted atomic.Int64
	var wg sync.WaitGroup
	for p := range 4 {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if status, _, err := rotated.Post(t.Context(), tpl.call(fmt.Sprintf("c%d-%d", p, n))[0].body); err != nil || status != http.StatusOK {
					t.Errorf("status %d, error %v", status, err)
					return
				}
				posted.Add(1)
			}
		})
	}
	for range 20 {
		for _, next := range []config.Config{after, both} {
			if err := s.Reload(as(next)); err != nil {
				t.Error(err)
			}
		}
	}
	if err := s.Reload(as(after)); err != nil {
		t.Error(err)
	}
	close(stop)
	wg.Wait()
	if status, _, err := s.Post(t.Context(), []byte(`{}`)); err != nil || status != http.StatusUnauthorized {
		t.Errorf("the retired secret gets status %d, error %v; want 401", status, err)
	}
}

func TestAnInvalidReloadChangesNothing(t *testing.T) {
	t.Parallel()
	cfg := configuration(t.TempDir())
	s := start(t, cfg, exporter.Options{Getenv: environment(map[string]string{"OTEL_TRACES_EXPORTER": "none"})})
	without := withSecrets(cfg, "")
	if err := s.Reload(as(without)); err == nil {
		t.Error("an empty secret was taken")
	}
	open := configuration(t.TempDir())
	open.Sources = map[string]config.Source{config.DefaultSource: {Messages: config.MessagesExpected}}
	if err := s.Reload(as(open)); err == nil {
		t.Error("a source without auth was taken")
	}
	s.accepted(t, sample(t, "dtmf_call.cdr.json"))
}

// as is a configuration that was read without trouble.
func as(cfg config.Config) func() (config.Config, error) {
	return func() (config.Config, error) { return cfg, nil }
}

func withSecrets(cfg config.Config, secrets ...configopaque.String) config.Config {
	source := cfg.Sources[config.DefaultSource]
	jwt := *source.Auth.JWT
	jwt.Secrets = secrets
	source.Auth.JWT = &jwt
	cfg.Sources = map[string]config.Source{config.DefaultSource: source}
	return cfg
}

func TestItRefusesToStartWhenASourceHasNoAuth(t *testing.T) {
	t.Parallel()
	cfg := configuration(t.TempDir())
	cfg.Sources = map[string]config.Source{"live": {Messages: config.MessagesExpected}}
	_, err := exporter.New(t.Context(), cfg, exporter.Options{})
	if err == nil || !strings.Contains(err.Error(), "sources.live.auth") {
		t.Errorf("got %v, want an error that names sources.live.auth", err)
	}
}

func TestASecondProcessOnTheSameStoreIsRefused(t *testing.T) {
	t.Parallel()
	cfg := configuration(t.TempDir())
	off := exporter.Options{Getenv: environment(map[string]string{"OTEL_TRACES_EXPORTER": "none"})}
	start(t, cfg, off)
	if second, err := exporter.New(t.Context(), cfg, off); err == nil {
		t.Errorf("a second exporter opened the store: %v", second)
	}
}

func TestEachListenerServesItsOwnPagesOnly(t *testing.T) {
	t.Parallel()
	s := start(t, configuration(t.TempDir()), exporter.Options{Getenv: environment(map[string]string{"OTEL_TRACES_EXPORTER": "none"})})
	webhook := strings.TrimSuffix(s.URL, "/webhook/default")
	for _, tt := range []struct {
		url  string
		want int
	}{
		{"http://" + s.HealthAddr() + "/healthz", 200},
		{"http://" + s.HealthAddr() + "/readyz", 200},
		{"http://" + s.HealthAddr() + "/", 404},
		{"http://" + s.HealthAddr() + "/debug/pprof/", 404},
		{"http://" + s.HealthAddr() + "/about", 404},
		{"http://" + s.AdminAddr() + "/about", 200},
		{"http://" + s.AdminAddr() + "/", 200},
		{"http://" + s.AdminAddr() + "/healthz", 200},
		{"http://" + s.AdminAddr() + "/readyz", 200},
		{"http://" + s.AdminAddr() + "/debug/pprof/", 404},
		{"http://" + s.AdminAddr() + "/webhook/default", 404},
		{webhook + "/readyz", 405},
		{webhook + "/", 405},
	} {
		if got, body := get(t, tt.url); got != tt.want {
			t.Errorf("GET %s is %d, want %d: %s", tt.url, got, tt.want, body)
		}
	}
}

func TestHostileBodiesGetAnAnswerAndTheNextCallFlows(t *testing.T) {
	t.Parallel()
	receiver := otlptest.New(t, otlptest.Options{})
	cfg := configuration(t.TempDir())
	cfg.Correlation.Grace = 0
	s := start(t, cfg, overriding(receiver, otlptest.ProtocolGRPC))
	envelope := func(name, payload string) string {
		return `{"event":{"name":"` + name + `"},"payload":` + payload + `}`
	}
	for _, tt := range []struct {
		name, body string
		want       int
	}{
		{"cut short", `{"event":{"name":"cdr_logged"},"payload":{`, 400},
		{"not an object", `[1]`, 400},
		{"no event name", `{"event":{},"payload":{}}`, 400},
		{"payload of the wrong type", envelope("cdr_logged", `"text"`), 200},
		{"payload null", envelope("message_logged", `null`), 200},
		{"unknown event", envelope("audio_logged", `{}`), 200},
		{"empty record", envelope("cdr_logged", `{}`), 200},
		{"nulls everywhere", envelope("cdr_logged", `{"global_session_id":null,"call":null,"session_initiation_protocol":{"headers":null},"assistant_interaction_summaries":[null,{"turns":[null,{"assistant":null,"request":null,"response":[null]}]}],"warnings_and_errors":[null]}`), 200},
		{"wrong types everywhere", envelope("cdr_logged", `{"global_session_id":7,"call":[],"assistant_interaction_summaries":{"turns":1}}`), 200},
		{"a record in 9999", envelope("cdr_logged", `{"global_session_id":"far","call":{"start_timestamp":"9999-12-31T23:59:59Z","stop_timestamp":"1970-01-01T00:00:00Z","milliseconds_elapsed":-5}}`), 200},
		{"a million turns", envelope("cdr_logged", `{"global_session_id":"many","assistant_interaction_summaries":[{"turns":[`+strings.Repeat("{},", 1_000_000)+`{}]}]}`), 200},
		{"a megabyte of id", envelope("cdr_logged", `{"global_session_id":"`+strings.Repeat("x", 1<<20)+`"}`), 200},
		{"ten megabytes", envelope("cdr_logged", `{"a":"`+strings.Repeat("x", 10<<20)+`"}`), 413},
		{"nested without end", envelope("cdr_logged", strings.Repeat("[", 1<<20)), 400},
	} {
		if status, _, err := s.Post(t.Context(), []byte(tt.body)); err != nil || status != tt.want {
			t.Errorf("%s: status %d, error %v; want %d", tt.name, status, err, tt.want)
		}
	}
	before := receiver.Count()
	for _, e := range callTemplate(t).call("good") {
		s.accepted(t, e.body)
	}
	awaitRequests(t, receiver, before+1)
	status, r := s.readiness(t)
	if status != http.StatusOK || r.Events["dead"] != 3 {
		t.Errorf("readyz is %d with %v; want three dead letters", status, r.Events)
	}
}
