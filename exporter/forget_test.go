package exporter_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"cdr2otel/exporter"
)

// ask sends a request to the admin listener and returns its answer.
func (s *sidecar) ask(t *testing.T, method, path, body string, header map[string]string) (status int, answer string, h http.Header) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.AdminAddr()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	for name, value := range header {
		request.Header.Set(name, value)
	}
	response, err := s.HTTPClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text), response.Header
}

func (s *sidecar) forgets(t *testing.T, who string, header map[string]string) exporter.Forgotten {
	t.Helper()
	status, answer, _ := s.ask(t, http.MethodPost, "/forget", who, header)
	var gone exporter.Forgotten
	if err := json.Unmarshal([]byte(answer), &gone); err != nil || status != http.StatusOK {
		t.Fatalf("forget %s: %d, %s (%v)", who, status, answer, err)
	}
	return gone
}

// Whatever of its payloads names a person, the whole call goes.
func TestACallIsForgottenByWhateverItsPayloadsSayOfThePerson(t *testing.T) {
	t.Parallel()
	s := start(t, configuration(t.TempDir()), exporter.Options{Getenv: noExporters})
	for _, who := range []string{
		`{"source":"default","caller":"+1 (888) 555-0456"}`,
		`{"source":"default","call_id":"17465345_115257202@10.90.150.99"}`,
	} {
		gone := s.forgets(t, who, nil)
		if gone.Events != 0 {
			t.Errorf("before it came, %s forgets %+v", who, gone)
		}
	}
	names := []string{"dtmf_call.cdr.json", "dtmf_call.message-1-start.json", "dtmf_call.message-2-dtmf.json", "dtmf_call.message-3-hangup.json"}
	for _, name := range names {
		s.accepted(t, sample(t, name))
	}
	s.accepted(t, sample(t, "webchat_conversational_search.message.json"))
	if gone := s.forgets(t, `{"source":"default","caller":"tel:001-888-555-0456"}`, nil); gone.Events != len(names) {
		t.Errorf("by the caller's number %+v, want %d events", gone, len(names))
	}
	if gone := s.forgets(t, `{"source":"default","customer_id":"anonymous_IBMuid-727c0302-6fd7-4abb-b7ee-f06b4bf30e99"}`, nil); gone.Events != 1 {
		t.Errorf("by the customer's id %+v, want 1 event", gone)
	}
	// A redelivery is not taken in again.
	for _, name := range names {
		s.accepted(t, sample(t, name))
	}
	if gone := s.forgets(t, `{"source":"default","caller":"18885550456"}`, nil); gone.Events != 0 {
		t.Errorf("after its redelivery %+v, want nothing", gone)
	}
}

// noExporters: nothing is sent, so an assembled call is exported at once.
func noExporters(name string) string {
	if strings.HasSuffix(name, "_EXPORTER") {
		return "none"
	}
	return ""
}

func TestForgetAnswersOnlyARequestThatNoOtherSiteCanMakeABrowserSend(t *testing.T) {
	t.Parallel()
	s := start(t, configuration(t.TempDir()), exporter.Options{Getenv: noExporters})
	s.accepted(t, sample(t, "dtmf_call.cdr.json"))
	const who = `{"source":"default","caller":"18885550456"}`
	for name, c := range map[string]struct {
		method, body string
		header       map[string]string
		status       int
	}{
		"GET":                {http.MethodGet, "", nil, http.StatusMethodNotAllowed},
		"PUT":                {http.MethodPut, who, nil, http.StatusMethodNotAllowed},
		"another site":       {http.MethodPost, who, map[string]string{"Sec-Fetch-Site": "cross-site"}, http.StatusForbidden},
		"another origin":     {http.MethodPost, who, map[string]string{"Origin": "https://evil.example"}, http.StatusForbidden},
		"a form":             {http.MethodPost, "source=default&caller=18885550456", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, http.StatusUnsupportedMediaType},
		"text":               {http.MethodPost, who, map[string]string{"Content-Type": "text/plain"}, http.StatusUnsupportedMediaType},
		"no JSON":            {http.MethodPost, "{", nil, http.StatusBadRequest},
		"an unknown member":  {http.MethodPost, `{"source":"default","callr":"1"}`, nil, http.StatusBadRequest},
		"nobody":             {http.MethodPost, `{"source":"default"}`, nil, http.StatusBadRequest},
		"two":                {http.MethodPost, `{"source":"default","caller":"18885550456","session_id":"x"}`, nil, http.StatusBadRequest},
		"no number":          {http.MethodPost, `{"source":"default","caller":"anonymous"}`, nil, http.StatusBadRequest},
		"an unknown source":  {http.MethodPost, `{"source":"nowhere","caller":"18885550456"}`, nil, http.StatusNotFound},
		"more than a person": {http.MethodPost, `{"source":"` + strings.Repeat("x", 100_000) + `"}`, nil, http.StatusBadRequest},
	} {
		status, answer, header := s.ask(t, c.method, "/forget", c.body, c.header)
		if status != c.status || strings.Contains(answer, "18885550456") {
			t.Errorf("%s: %d, %s; want %d", name, status, answer, c.status)
		}
		if status == http.StatusMethodNotAllowed && header.Get("Allow") != http.MethodPost {
			t.Errorf("%s: Allow is %q", name, header.Get("Allow"))
		}
	}
	if gone := s.forgets(t, who, map[string]string{"Sec-Fetch-Site": "same-origin"}); gone.Events != 1 {
		t.Errorf("forgotten: %+v, want the one event that all those left", gone)
	}
	if status, _ := get(t, "http://"+s.HealthAddr()+"/forget"); status != http.StatusNotFound {
		t.Errorf("the health listener answers %d", status)
	}
}

func TestForgetWantsThePasswordOfTheAdminListener(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cfg := configuration(dir)
	cfg.Admin.WebConfig = filepath.Join(dir, "web.yaml")
	hash, err := bcrypt.GenerateFromPassword([]byte("open"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	write(t, cfg.Admin.WebConfig, []byte("basic_auth_users:\n  admin: "+string(hash)+"\n"))
	var log bytes.Buffer
	s := start(t, cfg, exporter.Options{Getenv: noExporters, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	s.accepted(t, sample(t, "dtmf_call.cdr.json"))
	const who = `{"source":"default","caller":"18885550456"}`
	for _, header := range []map[string]string{nil, {"Authorization": "Basic YWRtaW46d3Jvbmc="}} {
		if status, _, _ := s.ask(t, http.MethodPost, "/forget", who, header); status != http.StatusUnauthorized {
			t.Errorf("with %v: %d, want 401", header, status)
		}
	}
	if gone := s.forgets(t, who, map[string]string{"Authorization": "Basic YWRtaW46b3Blbg=="}); gone.Events != 1 {
		t.Errorf("forgotten: %+v", gone)
	}
	if err := s.stop(); err != nil { // from here on the log is ours
		t.Fatal(err)
	}
	if text := log.String(); !strings.Contains(text, `msg="events were forgotten" events=1`) || !strings.Contains(text, "user=admin") ||
		strings.Contains(text, "18885550456") || strings.Contains(text, "17465345") {
		t.Errorf("the log says\n%s", text)
	}
}
