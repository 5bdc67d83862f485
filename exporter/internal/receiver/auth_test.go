package receiver

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"cdr2otel/internal/client"

	"github.com/golang-jwt/jwt/v5"
	"go.opentelemetry.io/collector/config/configopaque"
)

const (
	ok           = http.StatusOK
	unauthorized = http.StatusUnauthorized
)

func secrets(s ...configopaque.String) []configopaque.String { return s }

func withAuth(auth Auth) func(*Config) {
	return func(c *Config) { c.Sources = map[string]Source{"default": {Auth: auth}} }
}

func authorize(value string) http.Header { return http.Header{"Authorization": {value}} }

func TestHeaderAuthentication(t *testing.T) {
	t.Parallel()
	static := setup(t, withAuth(Auth{Header: &HeaderAuth{Name: "Authorization", Values: secrets("Bearer open sesame", "second")}}))
	key := setup(t, withAuth(Auth{Header: &HeaderAuth{Name: "x-api-key", Values: secrets(" open sesame ")}}))
	cases := []struct {
		name   string
		b      *bundle
		header http.Header
		want   int
	}{
		{"value with its scheme", static, authorize("Bearer open sesame"), ok},
		{"value without its scheme", static, authorize("open sesame"), ok},
		{"scheme in another case", static, authorize("bearer open sesame"), ok},
		{"second live value", static, authorize("second"), ok},
		{"value in another case", static, authorize("Open Sesame"), unauthorized},
		{"start of the value", static, authorize("open"), unauthorized},
		{"longer than the value", static, authorize("open sesame!"), unauthorized},
		{"empty", static, authorize(""), unauthorized},
		{"none", static, http.Header{}, unauthorized},
		{"both live values at once", static, http.Header{"Authorization": {"second"}, "Authentication": {"open sesame"}}, unauthorized},
		{"API key", key, http.Header{"X-Api-Key": {"open sesame"}}, ok},
		{"API key beside another's Authorization", key, http.Header{"X-Api-Key": {"open sesame"}, "Authorization": {"Basic eA=="}}, ok},
		{"API key in Authorization", key, authorize("open sesame"), unauthorized},
		{"API key with Bearer", key, http.Header{"X-Api-Key": {"Bearer open sesame"}}, unauthorized},
		{"API key twice", key, http.Header{"X-Api-Key": {"open sesame", "open sesame"}}, unauthorized},
		{"wrong API key", key, http.Header{"X-Api-Key": {"sesame"}}, unauthorized},
		{"no API key", key, http.Header{}, unauthorized},
	}
	for _, c := range cases {
		if got := c.b.withHeader(c.header); got.status != c.want {
			t.Errorf("%s: status %d, want %d", c.name, got.status, c.want)
		}
	}
}

func TestBasicAuthentication(t *testing.T) {
	t.Parallel()
	b := setup(t, withAuth(Auth{Basic: &BasicAuth{Username: "ibm", Passwords: secrets("pass:word", "$$new")}}))
	basic := func(pair string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair)) }
	cases := []struct {
		name   string
		header http.Header
		want   int
	}{
		{"password with a colon", authorize(basic("ibm:pass:word")), ok},
		{"second live password", authorize(basic("ibm:$$new")), ok},
		{"scheme in lower case", authorize("basic  " + basic("ibm:$$new")[6:]), ok},
		{"other user", authorize(basic("IBM:$$new")), unauthorized},
		{"no password", authorize(basic("ibm:")), unauthorized},
		{"no user", authorize(basic(":$$new")), unauthorized},
		{"colon moved", authorize(basic("ibm:pass") + ":word"), unauthorized},
		{"not base64", authorize("Basic ibm:$$new"), unauthorized},
		{"no scheme", authorize(basic("ibm:$$new")[6:]), unauthorized},
		{"Bearer scheme", authorize("Bearer " + basic("ibm:$$new")[6:]), unauthorized},
		{"twice", http.Header{"Authorization": {basic("ibm:$$new"), basic("ibm:$$new")}}, unauthorized},
		{"none", http.Header{}, unauthorized},
	}
	for _, c := range cases {
		got := b.withHeader(c.header)
		if got.status != c.want {
			t.Errorf("%s: status %d, want %d", c.name, got.status, c.want)
		}
		if got.status == unauthorized && !strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Basic ") {
			t.Errorf("%s: challenge %q", c.name, got.header.Get("WWW-Authenticate"))
		}
	}
}

func TestASourceWithoutAuthTakesEventsOnlyIfItSaysSo(t *testing.T) {
	t.Parallel()
	b := setup(t, withAuth(Auth{None: true}))
	wantStatus(t, b.withHeader(http.Header{}), ok)
	wantStatus(t, b.withHeader(http.Header{"Authorization": {"a", "b"}}), ok)
}

// Each option that narrows who gets in, beside a request that only it refuses.
func TestEverySecurityOptionRefusesSomethingThatPassesWithoutIt(t *testing.T) {
	t.Parallel()
	hs512, err := jwt.NewWithClaims(jwt.SigningMethodHS512, jwt.MapClaims{}).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	expired := token(t, secret, jwt.MapClaims{"exp": instant.Add(-30 * time.Second).Unix()})
	cases := []struct {
		option        string
		with, without Auth
		header        http.Header
	}{
		{"secrets", Auth{JWT: &JWTAuth{Secrets: secrets("x")}}, Auth{JWT: &JWTAuth{Secrets: secrets("x", secret)}}, authorize(token(t, secret, nil))},
		{"algorithms", Auth{JWT: &JWTAuth{Secrets: secrets(secret)}}, Auth{JWT: &JWTAuth{Secrets: secrets(secret), Algorithms: []string{"HS512"}}}, authorize(hs512)},
		{"algorithms without HS256", Auth{JWT: &JWTAuth{Secrets: secrets(secret), Algorithms: []string{"HS512"}}}, Auth{JWT: &JWTAuth{Secrets: secrets(secret)}}, authorize(token(t, secret, nil))},
		{"leeway", Auth{JWT: &JWTAuth{Secrets: secrets(secret)}}, Auth{JWT: &JWTAuth{Secrets: secrets(secret), Leeway: time.Minute}}, authorize(expired)},
		{"require_exp", Auth{JWT: &JWTAuth{Secrets: secrets(secret), RequireExp: true}}, Auth{JWT: &JWTAuth{Secrets: secrets(secret)}}, authorize(token(t, secret, nil))},
		{"header.name", Auth{Header: &HeaderAuth{Name: "X-Key", Values: secrets("v")}}, Auth{Header: &HeaderAuth{Name: "X-Other", Values: secrets("v")}}, http.Header{"X-Other": {"v"}}},
		{"header.values", Auth{Header: &HeaderAuth{Name: "X-Key", Values: secrets("v")}}, Auth{Header: &HeaderAuth{Name: "X-Key", Values: secrets("w")}}, http.Header{"X-Key": {"w"}}},
		{"basic.username", Auth{Basic: &BasicAuth{Username: "a", Passwords: secrets("p")}}, Auth{Basic: &BasicAuth{Username: "b", Passwords: secrets("p")}}, authorize("Basic Yjpw")},
		{"basic.passwords", Auth{Basic: &BasicAuth{Username: "b", Passwords: secrets("q")}}, Auth{Basic: &BasicAuth{Username: "b", Passwords: secrets("p")}}, authorize("Basic Yjpw")},
		{"none", Auth{JWT: &JWTAuth{Secrets: secrets(secret)}}, Auth{None: true}, http.Header{}},
	}
	for _, c := range cases {
		if got := setup(t, withAuth(c.with)).withHeader(c.header); got.status != unauthorized {
			t.Errorf("%s is ignored: status %d", c.option, got.status)
		}
		if got := setup(t, withAuth(c.without)).withHeader(c.header); got.status != ok {
			t.Errorf("%s: refused for another reason: status %d", c.option, got.status)
		}
	}
}

func TestCredentialsOfOneSourceDoNotOpenAnother(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *Config) {
		c.Sources["live"] = Source{Auth: Auth{JWT: &JWTAuth{Secrets: secrets("other")}}}
	})
	req := b.request(bytes.NewReader(sample(t, "failed_without_turns.cdr.json")))
	req.URL.Path = "/webhook/live"
	wantStatus(t, b.do(req), unauthorized)
}

func TestSecretsRotateUnderLoadWithoutARefusal(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	body := sample(t, "failed_without_turns.cdr.json")
	rotated := func(s ...configopaque.String) map[string]Source {
		return map[string]Source{"default": {Auth: Auth{JWT: &JWTAuth{Secrets: s}}}}
	}
	var posting sync.WaitGroup
	for range 4 {
		posting.Go(func() {
			for range 25 {
				resp, err := b.client.Do(b.request(bytes.NewReader(body)))
				if err != nil {
					t.Error(err)
					return
				}
				resp.Body.Close()
				if resp.StatusCode != ok {
					t.Errorf("status %d while secrets rotate", resp.StatusCode)
				}
			}
		})
	}
	for range 50 {
		for _, live := range [][]configopaque.String{{"new", secret}, {secret, "new"}, {secret}} {
			if err := b.receiver.Reload(rotated(live...)); err != nil {
				t.Error(err)
			}
		}
	}
	posting.Wait()

	if err := b.receiver.Reload(rotated("new")); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, b.post(body), unauthorized)
	if err := b.receiver.Reload(rotated("")); err == nil {
		t.Fatal("an empty secret was loaded")
	}
	wantStatus(t, b.withHeader(authorize(token(t, "new", nil))), ok)
	wantStatus(t, b.withHeader(authorize(token(t, "", nil))), unauthorized)
}

func TestThePlatformsTokenAsOurClientMakesItGetsIn(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *Config) { c.Now = time.Now })
	c := client.Client{URL: "http://" + b.address + "/webhook", Secret: secret, HTTPClient: b.client}
	status, _, err := c.Post(t.Context(), []byte(cdr))
	if err != nil || status != ok {
		t.Errorf("status %d, error %v", status, err)
	}
	b.receiver.Drain()
	status, retryAfter, err := c.Post(t.Context(), []byte(cdr))
	if err != nil || status != http.StatusServiceUnavailable || retryAfter < 5*time.Second {
		t.Errorf("status %d, Retry-After %s, error %v", status, retryAfter, err)
	}
}
