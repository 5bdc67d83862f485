package exporter_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cdr2otel/exporter"
	"cdr2otel/exporter/config"
	"cdr2otel/internal/otlptest"
)

func TestStrangeAddressesAndMethodsOfPagesAreAnsweredAndLeadNowhereElse(t *testing.T) {
	t.Parallel()
	log := &buffer{}
	s := telephoned(t, func(c *config.Config) { c.Admin.TraceURL = "https://jaeger.example/trace/{trace_id}" }, exporter.Options{Logger: textLog(log)})
	long := strings.Repeat("x", 6<<10)
	paths := []string{
		"//evil.example/", "///evil.example", "/%2F/evil.example", "/\\evil.example", "/%5Cevil.example", "/..//evil.example/", "/.//evil.example/%2e%2e",
		"/deliveries/../../evil.example", "/deliveries/..%2f..%2fetc%2fpasswd", "/deliveries/%2e%2e/calls", "/assets/../templates/layout.html", "/assets/..%2ftemplates%2flayout.html", "/assets/", "/assets/%00", "/deliveries//1",
		"/deliveries/0", "/deliveries/-1", "/deliveries/01", "/deliveries/+1", "/deliveries/1e3", "/deliveries/9223372036854775807", "/deliveries/9223372036854775808", "/deliveries/1%00",
		"/deliveries?before=9223372036854775807", "/deliveries?before=9223372036854775808", "/deliveries?before=-1", "/deliveries?from=0000-01-01&to=9999-12-31", "/deliveries?from=9999-12-31T23:59:59Z", "/deliveries?from=0001-01-01",
		"/deliveries?from=1600-01-01", "/deliveries?to=2500-01-01",
		"/deliveries?tab=refused&status=99999999999999999999", "/deliveries?tab=refused&status=-1", "/deliveries?source=" + long, "/deliveries?event=" + long, "/deliveries?id=" + long, "/deliveries?" + strings.Repeat("a&", 3_000),
		"/deliveries?a;b=%zz", "/deliveries?state=%00", "/deliveries?id=%ff%fe",
		"/calls?after=9223372036854775807.9223372036854775807", "/calls?after=-9223372036854775808.1", "/calls?after=1.9223372036854775808&sort=worst", "/calls?source=" + long,
		"/calls/" + strings.ToUpper(sampleTrace), "/calls/" + strings.Repeat("0", 32), "/calls/" + sampleTrace + "0", "/calls/" + sampleTrace + "?page=99999999999999999999", "/calls/" + sampleTrace + "?page=-1", "/calls/" + sampleTrace + "/", "/calls/" + sampleTrace + "%0d%0aSet-Cookie:x=y",
		"/lookup?session_id=" + sampleSession + "&source=//evil.example", "/lookup?sip_call_id=" + sampleSIP, "/lookup?log_id=" + sampleLog + "%0d%0aLocation:%20https://evil.example", "/lookup?id=" + long,
	}
	asked := 0
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPost, http.MethodDelete, "TRACE", "BREW"} {
		for _, path := range paths {
			asked++
			p := s.request(t, method, "", func(r *http.Request) {
				r.URL.Opaque = "//" + s.AdminAddr() + path // to the letter
			})
			shown := path[:min(len(path), 80)]
			if p.status >= http.StatusInternalServerError {
				t.Errorf("%s %s is answered %d", method, shown, p.status)
			}
			if to := p.header.Get("Location"); to != "" && to != "https://jaeger.example/trace/"+sampleTrace && (!local(to) || strings.HasPrefix(to, `/\`)) {
				t.Errorf("%s %s leads to %s", method, shown, to)
			}
			if p.header.Get("Set-Cookie") != "" || p.header.Get("Content-Security-Policy") == "" || p.header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s %s has headers %v", method, shown, p.header)
			}
			if method == http.MethodHead && p.text != "" {
				t.Errorf("HEAD %s has a body", shown)
			}
		}
	}
	if text := log.String(); strings.Contains(text, "level=ERROR") {
		t.Errorf("the log has errors:\n%s", text)
	}
	t.Logf("%d requests", asked)
}

// What left while the configuration allowed it is still in the stored requests.
func TestValuesThatTheConfigurationNoLongerAllowsAreHiddenOnTheCallToo(t *testing.T) {
	t.Parallel()
	personal := []string{"wxa.caller.hash", "wxa.custom.customer", "wxa.pii.caller.number"}
	const trace = "556237ee1b186c6e0badf1f12e8c24c7" // of speech_call
	cfg := configuration(t.TempDir())
	cfg.Correlation.Grace = time.Millisecond
	cfg.Mapping.CallerHashKeyFile = filepath.Join(t.TempDir(), "key")
	write(t, cfg.Mapping.CallerHashKeyFile, []byte("0123456789abcdef0123456789abcdef"))
	cfg.Mapping.CustomData = []config.CustomData{{Key: "/queue", Attribute: "wxa.custom.customer"}}
	cfg.Mapping.PII = []config.PII{config.PIICallerNumber}
	s := start(t, cfg, exporter.Options{Getenv: overriding(otlptest.New(t, otlptest.Options{}), otlptest.ProtocolGRPC).Getenv})
	s.accepted(t, sample(t, "speech_call.cdr.json"))
	s.awaitReadiness(t, func(_ int, r readiness) bool { return r.Events["exported"] == 1 })
	shown := func(name string) (found int) {
		for _, n := range s.visit(t, "/calls/"+trace).with("data-attribute") {
			if attr(n, "data-attribute") == name {
				found++
			}
		}
		for _, row := range s.visit(t, "/deliveries/1?tab=span").named("tr") {
			if text := content(row); strings.HasPrefix(text, name+" ") && !strings.Contains(text, "not shown here") {
				found++
			}
		}
		return found
	}
	for _, name := range personal {
		if n := shown(name); n != 2 {
			t.Errorf("%s is shown %d times while it is allowed, want on 2 pages", name, n)
		}
	}
	if err := s.Reload(func() (config.Config, error) { return configuration(t.TempDir()), nil }); err != nil {
		t.Fatal(err)
	}
	for _, name := range personal {
		if n := shown(name); n != 0 {
			t.Errorf("%s is still shown on %d pages", name, n)
		}
	}
}
