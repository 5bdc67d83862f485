package exporter_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"cdr2otel/exporter"
)

// adminPaths are everything that is served for operators, and ways to spell it.
var adminPaths = []string{
	"/", "/metrics", "/about", "/healthz", "/readyz", "/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline",
	"//metrics", "/./metrics", "/webhook/../metrics", "/webhook/default/../../metrics", "/webhook/%2e%2e/metrics", "/webhook/..%2fmetrics",
	"/%6detrics", "/metrics/", "/metrics;x", "/webhook/metrics", "/webhook/default/metrics", "/metrics?source=default", "*", "/METRICS",
}

func TestTheAdminPagesCannotBeReachedThroughTheWebhookListener(t *testing.T) {
	t.Parallel()
	cfg := configuration(t.TempDir())
	cfg.Admin.PProf = true
	s := start(t, cfg, off())
	if status, _ := get(t, "http://"+s.AdminAddr()+"/debug/pprof/"); status != got200 {
		t.Fatalf("the admin listener has no profiles: %d", status)
	}
	credentials := authorized(sign(hs256, `{}`, string(secret)))
	tried := 0
	for _, path := range adminPaths {
		for _, target := range []string{path, "http://" + s.AdminAddr() + path, "http://localhost" + path} {
			for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS", "CONNECT", "PRI"} {
				for _, lines := range []string{"", credentials, line("X-Original-URL", path) + line("X-Forwarded-Host", s.AdminAddr())} {
					tried++
					got := say(t, s.address(t), fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\n%sContent-Length: 0\r\nConnection: close\r\n\r\n", method, target, s.AdminAddr(), lines))
					if got.status < 400 {
						t.Errorf("%s %s: status %d: %.80s", method, target, got.status, got.body)
					}
				}
			}
		}
	}
	if n := s.taken(t); n != 0 {
		t.Errorf("%d events were stored", n)
	}
	t.Logf("%d requests for admin pages tried on the webhook listener, answered: 0", tried)
}

func TestWebhooksCannotBePostedToTheOtherListeners(t *testing.T) {
	t.Parallel()
	s := start(t, configuration(t.TempDir()), off())
	credentials := authorized(sign(hs256, `{}`, string(secret)))
	for _, address := range []string{s.AdminAddr(), s.HealthAddr()} {
		for _, path := range []string{"/webhook", "/webhook/default", "/", "/healthz", "/readyz", "/metrics", "//webhook/default", "/webhook/default/"} {
			if got := say(t, address, post(path, credentials, hook("elsewhere"))); got.status < 300 {
				t.Errorf("POST %s: status %d", path, got.status)
			}
		}
	}
	for _, path := range []string{"/metrics", "/debug/pprof/", "/", "/webhook/default"} {
		if status, _ := get(t, "http://"+s.HealthAddr()+path); status != http.StatusNotFound {
			t.Errorf("GET %s on the health listener: status %d, want 404", path, status)
		}
	}
	if n := s.taken(t); n != 0 {
		t.Errorf("%d events were stored", n)
	}
}

func TestNoMethodButPOSTIsTaken(t *testing.T) {
	t.Parallel()
	s := start(t, configuration(t.TempDir()), off())
	credentials := authorized(sign(hs256, `{}`, string(secret)))
	for _, method := range []string{"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "post", "Post", "POSTS", "PRI", "PROPFIND"} {
		body := hook("method-" + method)
		got := say(t, s.address(t), fmt.Sprintf("%s /webhook/default HTTP/1.1\r\nHost: h\r\n%sX-HTTP-Method: POST\r\nX-HTTP-Method-Override: POST\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
			method, credentials, len(body), body))
		if got.status != http.StatusMethodNotAllowed && got.status != http.StatusBadRequest || strings.Contains(got.body, "method-") {
			t.Errorf("%s: status %d: %s", method, got.status, got.body)
		}
	}
	if n := s.taken(t); n != 0 {
		t.Errorf("%d events were stored", n)
	}
}

// A refused request says nothing of the ones that a stranger hides behind it: each
// is authenticated by its own header, and a body is not taken for requests.
func TestARequestInARequestIsNotTaken(t *testing.T) {
	t.Parallel()
	s := start(t, configuration(t.TempDir()), off())
	credentials := authorized(sign(hs256, `{}`, string(secret)))
	inner := post("/webhook/default", credentials, hook("inner"))
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(inner), inner)
	for name, text := range map[string]string{
		"in the body of a refused one":         post("/webhook/default", "", inner),
		"in the body of an unknown source":     post("/webhook/absent", "", inner),
		"in the body of a GET":                 strings.Replace(post("/webhook/default", "", inner), "POST", "GET", 1),
		"in chunks of a refused one":           "POST /webhook/default HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked,
		"after chunks that a length denies":    fmt.Sprintf("POST /webhook/default HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%s", len(inner)+5, inner),
		"behind two lengths":                   "POST /webhook/default HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n" + inner,
		"behind a length with a sign":          "POST /webhook/default HTTP/1.1\r\nHost: h\r\nContent-Length: +0\r\n\r\n" + inner,
		"behind an unknown transfer coding":    "POST /webhook/default HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n" + inner,
		"behind chunked with a vertical tab":   "POST /webhook/default HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\vchunked\r\n\r\n" + chunked,
		"behind a chunk size that overflows":   "POST /webhook/default HTTP/1.1\r\nHost: h\r\n" + credentials + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n" + inner,
		"behind a negative length":             "POST /webhook/default HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n" + inner,
		"with two hosts":                       "POST /webhook/default HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n" + inner,
		"without a host":                       "POST /webhook/default HTTP/1.1\r\n\r\n" + inner,
		"behind a version that does not exist": "POST /webhook/default HTTP/9.9\r\nHost: h\r\n\r\n" + inner,
		"behind a preface of HTTP/2":           "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + inner,
		"behind an upgrade to HTTP/2":          "POST /webhook/absent HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nContent-Length: 1\r\n\r\n" + inner,
	} {
		conn := dial(t, s.address(t))
		_, _ = io.WriteString(conn, text) // it may be hung up on before its end
		r := bufio.NewReader(conn)
		if got := heard(t, r, http.MethodPost); got.status < 400 {
			t.Errorf("%s: status %d", name, got.status)
		}
		if rest, _ := io.ReadAll(r); len(rest) > 0 {
			t.Errorf("%s: there is a second answer: %.80s", name, rest)
		}
	}
	if n := s.taken(t); n != 0 {
		t.Errorf("%d events were stored", n)
	}
}

func TestARefusedRequestIsNotAskedForItsBody(t *testing.T) {
	t.Parallel()
	s := start(t, configuration(t.TempDir()), off())
	for _, lines := range []string{"", authorized(sign(hs256, `{}`, "wrong"))} {
		got := say(t, s.address(t), "POST /webhook/default HTTP/1.1\r\nHost: h\r\n"+lines+"Expect: 100-continue\r\nContent-Length: 8000000\r\n\r\n")
		if got.status != got401 {
			t.Errorf("the first answer has status %d, want 401", got.status)
		}
	}
	good := authorized(sign(hs256, `{}`, string(secret)))
	if got := say(t, s.address(t), "POST /webhook/default HTTP/1.1\r\nHost: h\r\n"+good+"Expect: 100-continue\r\nContent-Length: 10\r\n\r\n"); got.status != http.StatusContinue {
		t.Errorf("an authentic one gets status %d first, want 100", got.status)
	}
}

// A trailer comes after the body, which would have been read for anybody.
func TestCredentialsInATrailerAreNone(t *testing.T) {
	t.Parallel()
	s := start(t, configuration(t.TempDir()), off())
	credentials := authorized(sign(hs256, `{}`, string(secret)))
	body := hook("trailer")
	got := say(t, s.address(t), fmt.Sprintf("POST /webhook/default HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: Authorization\r\n\r\n%x\r\n%s\r\n0\r\n%s\r\n", len(body), body, credentials))
	if got.status != got401 || s.taken(t) != 0 {
		t.Errorf("status %d, %d events stored", got.status, s.taken(t))
	}
}

func TestItDoesNotStartWithAWebConfigThatIsWrongAndQuotesNothingOfIt(t *testing.T) {
	t.Parallel()
	for _, web := range []string{
		"basic_auth_users: hunter2", "basic_auth_users: {admin: hunter2}", "basic_auth_users: [hunter2]", "tls_server_config: hunter2",
		"basic_auth_user: {admin: x}", "hunter2", "basic_auth_users: {admin: *hunter2}",
	} {
		cfg := configuration(t.TempDir())
		cfg.Admin.WebConfig = secretFile(t, web)
		_, err := exporter.New(t.Context(), cfg, off())
		if err == nil || !strings.HasPrefix(err.Error(), "admin.web_config: ") || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", web, err)
		}
	}
}
