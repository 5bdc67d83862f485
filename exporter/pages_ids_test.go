package exporter_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cdr2otel/exporter"
	"cdr2otel/exporter/config"
	"cdr2otel/internal/otlptest"
)

func TestAnIdWithANumberIsMaskedOnThePagesAndFoundByLookup(t *testing.T) {
	t.Parallel()
	const number = "15555550142"
	for name, c := range map[string]struct {
		change func(*config.Config)
		shown  string // what stands on spans and pages in the place of the number
	}{
		"by default":   {func(*config.Config) {}, "[number]"},
		"with a key":   {func(c *config.Config) { c.Mapping.CallerHashKeyFile = "hash.key" }, "h:"},
		"all, hashed":  {func(c *config.Config) { c.Mapping.CallerHashKeyFile, c.Mapping.HashIDs = "hash.key", config.HashAll }, "h:"},
		"as they come": {func(c *config.Config) { c.Mapping.HashIDs = config.HashNone }, number},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			cfg := configuration(dir)
			cfg.Correlation.Grace = 0
			c.change(&cfg)
			if cfg.Mapping.CallerHashKeyFile != "" {
				cfg.Mapping.CallerHashKeyFile = filepath.Join(dir, cfg.Mapping.CallerHashKeyFile)
				if err := os.WriteFile(cfg.Mapping.CallerHashKeyFile, []byte("a key"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			receiver := otlptest.New(t, otlptest.Options{})
			s := start(t, cfg, exporter.Options{Getenv: environment(map[string]string{
				"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.GRPCEndpoint(), "OTEL_EXPORTER_OTLP_PROTOCOL": otlptest.ProtocolGRPC,
			})})
			ids := strings.NewReplacer(sampleSIP, "+"+number+"@10.0.0.1", sampleSession, "s-"+number, sampleCall, "c-"+number, sampleLog, "l-"+number)
			s.accepted(t, []byte(ids.Replace(string(sample(t, "dtmf_call.message-1-start.json")))))
			s.accepted(t, []byte(ids.Replace(string(sample(t, "dtmf_call.cdr.json")))))
			s.awaitState(t, "exported", 2)

			out := s.visit(t, "/deliveries").text
			for _, path := range []string{"/deliveries/1", "/deliveries/2", "/deliveries/1?tab=span", "/deliveries/2?tab=span"} {
				out += s.visit(t, path).text
			}
			for _, q := range receiver.Requests() {
				out += string(q.Body)
			}
			for query, id := range map[string]string{"sip_call_id": "+" + number + "@10.0.0.1", "session_id": "s-" + number, "call_id": "c-" + number, "log_id": "l-" + number} {
				p := s.visit(t, "/lookup?"+query+"="+url.QueryEscape(id))
				if p.status != http.StatusSeeOther || !strings.HasPrefix(p.header.Get("Location"), "/calls/") {
					t.Errorf("lookup by %s: status %d to %q, want the call", query, p.status, p.header.Get("Location"))
				} else if query == "log_id" {
					out += s.visit(t, p.header.Get("Location")).text
				}
			}
			if left := strings.Contains(out, number); left != (c.shown == number) || !strings.Contains(out, c.shown) {
				t.Errorf("the number is shown: %t, want %q in its place", left, c.shown)
			}
		})
	}
}
