package delivery

import (
	"strings"
	"testing"

	"cdr2otel/internal/otlptest"
)

func TestAnAddressIsShownWithoutWhatMayBeAKey(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"http://localhost:4318/v1/traces":                    "http://localhost:4318/v1/traces",
		"https://otlp.example/api/v2/otlp/v1/logs":           "https://otlp.example/api/v2/otlp/v1/logs",
		"https://otlp.example/webhook/live":                  "https://otlp.example/webhook/live",
		"https://otlp.example/e/dt0c01.AB12/v1/traces":       "https://otlp.example/e/…/v1/traces",
		"https://otlp.example/otlp/7c9e6679f2a1/v1/traces":   "https://otlp.example/otlp/…/v1/traces",
		"https://otlp.example/abcdefghijklmnopqrst/v1/logs":  "https://otlp.example/…/v1/logs",
		"https://otlp.example/v1234/x?api_key=s3cret#s3cret": "https://otlp.example/…/x",
		"https://anna:s3cret@otlp.example/":                  "https://otlp.example/",
		"https://otlp.example/a%2Fb":                         "https://otlp.example/…",
		"unix:run/otel.sock":                                 "unix:run/otel.sock",
		"anna:s3cret@otlp.example":                           "an address that is no URL",
		"\x7f":                                               "an address that is no URL",
		"collector:4317":                                     "collector:4317",
		"[::1]:4317":                                         "[::1]:4317",
		"unix:///run/otel.sock":                              "unix:///run/otel.sock",
		"s3cret@collector:4317":                              "an address that is no URL",
		"s3cret":                                             "an address that is no URL",
	} {
		if got := ShownURL(raw); got != want {
			t.Errorf("%q is shown as %q, want %q", raw, got, want)
		}
	}
}

func TestWhereASignalGoesToIsShown(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]Settings{
		"the console":                                 {Exporter: ExporterConsole},
		"http://localhost:4317 (the default)":         {Protocol: ProtocolGRPC},
		"http://localhost:4318/v1/logs (the default)": {Protocol: ProtocolHTTP},
		"https://otlp.example/v1/logs":                {Protocol: ProtocolHTTP, Endpoint: "https://anna:s3cret@otlp.example/v1/logs"},
	} {
		if got := s.ShownEndpoint(SignalLogs); got != want {
			t.Errorf("%+v goes to %q, want %q", s, got, want)
		}
	}
}

// A web server names what was asked for on its page of an error.
func TestATokenInTheAddressThatAReceiverEchoesIsNotInItsAnswer(t *testing.T) {
	t.Parallel()
	const token, key = "dt0c01.AB12", "k3y/with space"
	r := otlptest.New(t, otlptest.Options{Answer: answering(otlptest.Answer{
		Status: 404, Header: map[string]string{"Content-Type": "text/plain"},
		Body: []byte("no /e/" + token + "/v1/traces?key=k3y%2Fwith+space here (key " + key + ")"),
	})})
	a := dial(t, Settings{Endpoint: r.HTTPEndpoint() + "/e/" + token + "/v1/traces?key=k3y%2Fwith+space"}).Send(t.Context(), encoded(t, "call"))
	if a.Status != 404 || !strings.Contains(a.Detail, "no /e/[redacted]/v1/traces?[redacted] here (key [redacted])") {
		t.Errorf("the answer is %d %q", a.Status, a.Detail)
	}
}
