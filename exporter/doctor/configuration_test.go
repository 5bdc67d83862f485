package doctor_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"cdr2otel/exporter/doctor"
	"cdr2otel/internal/otlptest"
)

func TestEveryProblemOfTheConfigurationIsAFinding(t *testing.T) {
	t.Parallel()
	s := surround(t, otlptest.New(t, otlptest.Options{}))
	s.yaml = "shutdown_timeout: -1s\n"
	s.auth = "{jwt: {secret_files: [" + s.dir + "/absent]}}"
	f := s.examine(&doctor.TestCall{})
	f.want("config", doctor.Fail, "shutdown_timeout")
	f.want("test call", doctor.Skip, "repair the configuration first")
	f.want("store", doctor.Skip, "repair the configuration first")
	f.want("otlp traces", doctor.OK)

	s.yaml = ""
	f = s.examine(nil)
	f.want("config", doctor.Fail, "sources.default.auth.jwt.secret_files[0]", "no such file")
	if failed := f.Failed(); !slices.Equal(failed, []string{"config"}) {
		t.Errorf("%q failed", failed)
	}

	s.auth = "{jwt: {secrets: [" + secret + "]}}"
	s.env["OTEL_EXPORTER_OTLP_PROTOCOL"], s.env["OTEL_METRICS_EXPORTER"] = "carrier-pigeon", "smoke"
	f = s.examine(nil)
	f.want("config", doctor.Fail, "OTEL_EXPORTER_OTLP_PROTOCOL")
	f.want("config", doctor.Fail, "OTEL_METRICS_EXPORTER")
}

func TestWhatIsOpenToStrangersIsAWarning(t *testing.T) {
	t.Parallel()
	s := surround(t, otlptest.New(t, otlptest.Options{}))
	s.yaml = `webhook: {endpoint: "0.0.0.0:0"}
admin: {endpoint: "0.0.0.0:0"}
sources:
  guarded: {auth: {jwt: {secrets: [hunter2hunter2]}}}
  header: {auth: {header: {name: X-Key, values: [hunter2]}}}
  open: {auth: {none: true}}
`
	f := s.examine(nil)
	f.want("secrets", doctor.Warn, "secret 1 of source guarded has 14 bytes", "32 bytes or more")
	f.want("secrets", doctor.Warn, "secret 1 of source header has 7 bytes", "16 bytes or more")
	f.want("secrets", doctor.Warn, "source open takes webhooks from anybody")
	f.want("exposure", doctor.Warn, "the webhook listener", "plain http", "webhook.tls")
	f.want("exposure", doctor.Warn, "the admin listener", "without a password", "admin.web_config")
	if failed := f.Failed(); failed != nil {
		t.Errorf("%q failed", failed)
	}
}

func TestAWebConfigurationThatProtectsHalfIsAWarning(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		file string
		want []string
	}{
		"neither":    {"http_server_config: {http2: false}\n", []string{"without a password"}},
		"plain http": {"basic_auth_users: {anna: $2y$04$4Lux0Hgxn1aHYHBXlyCZT.O7y2Xh4zTKX8q6bpvV0V4G7M8YqEOVW}\n", []string{"speaks plain http", "tls_server_config"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := surround(t, otlptest.New(t, otlptest.Options{}))
			s.yaml = `admin: {endpoint: "0.0.0.0:0", web_config: "` + s.file("web.yaml", []byte(test.file)) + "\"}\n"
			s.examine(nil).want("exposure", doctor.Warn, append(test.want, "the admin listener")...)
		})
	}
}

// I5.
func TestNoFindingHoldsASecret(t *testing.T) {
	t.Parallel()
	const canary = "canary-6f1a2b3c4d"
	r := otlptest.New(t, otlptest.Options{})
	for _, answer := range []otlptest.Answer{
		{},
		{Status: 400, Message: "no such key " + canary},
		{Status: 500, Header: map[string]string{"Content-Type": "text/plain"}, Body: []byte("GET /v1/traces?key=" + canary + " Bearer " + canary)},
		{Partial: &otlptest.Partial{Message: "key " + canary + " ends soon"}},
	} {
		s := surround(t, r)
		s.auth = "{jwt: {secrets: [" + canary + "]}}"
		s.env["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] = r.HTTPEndpoint() + "/v1/traces?key=" + canary
		s.env["OTEL_EXPORTER_OTLP_HEADERS"] = "authorization=Bearer%20" + canary
		r.SetAnswer(scripted(answer))
		f := s.examine(&doctor.TestCall{})
		var encoded bytes.Buffer
		if err := json.NewEncoder(&encoded).Encode(f.Report); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{f.String(), encoded.String()} {
			if strings.Contains(text, canary) || strings.Contains(text, "+1800555") {
				t.Errorf("a secret or a number left:\n%s", text)
			}
		}
	}
	if r.Count() == 0 {
		t.Error("nothing was sent")
	}
}

// Some receivers have a token in the path of their address, or as its user.
func TestATokenInAnAddressIsShownNeitherInItNorInErrors(t *testing.T) {
	t.Parallel()
	const canary = "c4narY6f1a2b3c4d"
	r := otlptest.New(t, otlptest.Options{})
	at := strings.TrimPrefix(r.HTTPEndpoint(), "http://")
	for _, test := range []struct {
		endpoint string
		state    doctor.State
		want     string
	}{
		{"http://" + at + "/otlp/" + canary + "/v1/traces", doctor.OK, "http://" + at + "/otlp/…/v1/traces: "},
		{"http://127.0.0.1:1/" + canary + "?key=" + canary, doctor.Fail, "http://127.0.0.1:1/…: nobody listens there"},
		{"https://" + at + "/" + canary + "%2Fx", doctor.Fail, "https://" + at + "/…: it speaks without TLS"},
		{"http://" + canary + ":" + canary + "@127.0.0.1:1/v1/traces", doctor.Skip, "repair the OTEL_* variables"},
	} {
		s := surround(t, r)
		s.env["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] = test.endpoint
		f := s.examine(&doctor.TestCall{URL: test.endpoint, Deadline: time.Second})
		if text := f.String(); strings.Contains(text, canary) {
			t.Errorf("%s: the token left:\n%s", test.endpoint, text)
		}
		f.want("otlp traces", test.state, test.want)
	}
}

func TestTheLastLineNamesWhatFailed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		report doctor.Report
		want   string
	}{
		"well": {doctor.Report{{Check: "a", State: doctor.OK}, {Check: "b", State: doctor.Note}}, "\n1 check, all is well\n"},
		"warn": {doctor.Report{{Check: "a", State: doctor.OK}, {Check: "a", State: doctor.Warn}}, "\n1 check, none failed, look at: a\n"},
		"fail": {doctor.Report{{Check: "a", State: doctor.Fail}, {Check: "a", State: doctor.Fail}, {Check: "b", State: doctor.Warn}}, "\n1 of 2 checks failed: a\n"},
	} {
		var out strings.Builder
		if (doctor.Printer{Out: &out}).Summary(test.report); out.String() != test.want {
			t.Errorf("%s: %q, want %q", name, out.String(), test.want)
		}
	}
	var out strings.Builder
	doctor.Printer{Out: &out, Color: true}.Finding(doctor.Finding{Check: "store", State: doctor.Fail, Seen: "gone", Do: "find it"})
	if want := "\x1b[1;31mFAIL\x1b[0m  store             gone; find it\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}
