package client

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var instant = time.Unix(1709650810, 0)

func TestATokenIsWhatThePlatformSends(t *testing.T) {
	t.Parallel()
	for _, ttl := range []time.Duration{0, time.Hour} {
		c := Client{Secret: "purple unicorn", TTL: ttl}
		signed, err := c.Token(instant)
		if err != nil {
			t.Fatal(err)
		}
		if ttl == 0 {
			ttl = 30 * time.Second
		}
		var claims jwt.RegisteredClaims
		_, err = jwt.ParseWithClaims(signed, &claims, func(*jwt.Token) (any, error) { return []byte("purple unicorn"), nil },
			jwt.WithValidMethods([]string{"HS256"}), jwt.WithTimeFunc(func() time.Time { return instant }))
		if err != nil {
			t.Fatal(err)
		}
		if !claims.IssuedAt.Equal(instant) || !claims.ExpiresAt.Equal(instant.Add(ttl)) || claims.Subject == "" || claims.Issuer == "" {
			t.Errorf("claims %+v", claims)
		}
	}
}

func TestAnEmptySecretSignsNothing(t *testing.T) {
	t.Parallel()
	c := Client{URL: "http://127.0.0.1:1"}
	if _, err := c.Token(instant); err == nil {
		t.Error("a token was signed with the empty secret")
	}
	if _, _, err := c.Post(t.Context(), nil); err == nil {
		t.Error("a webhook was posted without a token")
	}
}

func TestPostSendsTheBodySignedAndReturnsTheAnswer(t *testing.T) {
	t.Parallel()
	cases := []struct {
		status     int
		retryAfter string
		want       time.Duration
	}{
		{200, "", 0},
		{503, "7", 7 * time.Second},
		{503, "soon", 0},
		{503, "-1", 0},
		{503, "Tue, 05 Mar 2024 15:00:00 GMT", 0}, // past
	}
	for _, c := range cases {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil || string(body) != "{}" || r.Method != "POST" || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Authorization") == "" {
				t.Errorf("request %s %v %q %v", r.Method, r.Header, body, err)
			}
			w.Header().Set("Retry-After", c.retryAfter)
			w.WriteHeader(c.status)
		}))
		client := Client{URL: server.URL, Secret: "s", HTTPClient: server.Client()}
		status, retryAfter, err := client.Post(t.Context(), []byte("{}"))
		if err != nil || status != c.status || retryAfter != c.want {
			t.Errorf("%+v: %d %s %v", c, status, retryAfter, err)
		}
		server.Close()
	}
}

func TestRetryAfterMayBeADate(t *testing.T) {
	t.Parallel()
	if got := parseRetryAfter(instant.Add(90*time.Second).UTC().Format(http.TimeFormat), instant); got != 90*time.Second {
		t.Errorf("%s", got)
	}
}

// Not parallel: it uses the transport that every httptest.Server closes.
func TestARedirectDoesNotGetTheToken(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer other.Close()
	server := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	own := NewHTTPClient(1)
	defer own.CloseIdleConnections()
	for _, h := range []*http.Client{nil, own} {
		c := Client{URL: server.URL, Secret: "s", HTTPClient: h}
		status, _, err := c.Post(t.Context(), []byte("{}"))
		if err != nil || status != http.StatusTemporaryRedirect {
			t.Errorf("%d %v", status, err)
		}
	}
}

func TestNoAnswerIsAnError(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, url := range []string{"http://127.0.0.1:1/webhook", "::"} {
		c := Client{URL: url, Secret: "s"}
		if status, _, err := c.Post(ctx, nil); err == nil {
			t.Errorf("%s: status %d", url, status)
		}
	}
}

func TestASourceWithoutTokensGetsTheSecretAsItIs(t *testing.T) {
	t.Parallel()
	var got http.Header
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header }))
	defer server.Close()
	c := Client{URL: server.URL, Secret: "s", Header: "X-Key", HTTPClient: server.Client()}
	if _, err := c.Send(t.Context(), nil); err != nil || got.Get("X-Key") != "s" || got.Get("Authorization") != "" {
		t.Errorf("%v %v", got, err)
	}
	c = Client{URL: server.URL, Secret: "s", User: "ibm", HTTPClient: server.Client()}
	if _, err := c.Send(t.Context(), nil); err != nil || got.Get("Authorization") != "Basic aWJtOnM=" {
		t.Errorf("%v %v", got, err)
	}
}

func TestOnlyARefusalHasAReason(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 2*maxReason)
	cases := []struct {
		status     int
		text, want string
	}{
		{400, `{"error": "no event name"}`, "no event name"},
		{400, `{"error": "` + long + `"}`, long[:maxReason]},
		{400, `{"error": 1}`, ""},
		{502, "<html>bad gateway</html>", ""},
		{503, "", ""},
		{200, `{"error": "none"}`, ""},
	}
	for _, c := range cases {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.text)
		}))
		client := Client{URL: server.URL, Secret: "s", HTTPClient: server.Client()}
		answer, err := client.Send(t.Context(), nil)
		if err != nil || answer.Status != c.status || answer.Reason != c.want {
			t.Errorf("%d %s: %+v %v", c.status, c.text, answer, err)
		}
		server.Close()
	}
}

// Concurrent posters use their connections again, or thousands of them would wait
// to be forgotten.
func TestAsManyConnectionsAsPostersAreKept(t *testing.T) {
	t.Parallel()
	const posters = 8
	var opened atomic.Int64
	var together sync.WaitGroup
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		together.Done()
		together.Wait()
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	c := Client{URL: server.URL, Secret: "s", HTTPClient: NewHTTPClient(posters)}
	defer c.HTTPClient.CloseIdleConnections()
	for range 5 {
		together.Add(posters)
		var posting sync.WaitGroup
		for range posters {
			posting.Go(func() {
				if _, err := c.Send(t.Context(), nil); err != nil {
					t.Error(err)
				}
			})
		}
		posting.Wait()
	}
	// A connection comes back a moment after its answer was read, so that now and
	// then one more is opened. With the standard two kept it would be thirty.
	if n := opened.Load(); n < posters || n >= 2*posters {
		t.Errorf("%d connections for %d posters", n, posters)
	}
}
