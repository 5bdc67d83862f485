package receiver

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
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

// sign makes an HS256 token of any header and any claims.
func sign(header, claims, key string) string {
	encode := base64.RawURLEncoding.EncodeToString
	signing := encode([]byte(header)) + "." + encode([]byte(claims))
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(signing))
	return signing + "." + encode(mac.Sum(nil))
}

func TestEveryRecordedTokenIsDecidedAsItsVectorSays(t *testing.T) {
	t.Parallel()
	var vectors struct {
		Secret  configopaque.String `json:"secret"`
		Now     int64               `json:"now"`
		Vectors []struct {
			Name    string            `json:"name"`
			Headers map[string]string `json:"headers"`
			Expect  string            `json:"expect"`
		} `json:"vectors"`
	}
	if err := json.Unmarshal(sample(t, "jwt_vectors.json"), &vectors); err != nil {
		t.Fatal(err)
	}
	if vectors.Now != instant.Unix() || vectors.Secret != secret {
		t.Fatal("the vectors are for another clock or secret")
	}
	plain := JWTAuth{Secrets: secrets(vectors.Secret), Leeway: time.Minute}
	strict := plain
	strict.RequireExp = true
	long := plain
	long.Algorithms = []string{"HS256", "HS384", "HS512"}
	static := HeaderAuth{Name: "Authorization", Values: secrets("Basic dXNlcjpwYXNz")}
	// The statuses under each configuration, by what the vector says.
	const reject = "reject 401"
	configurations := []struct {
		name     string
		auth     Auth
		statuses map[string]int // 401 for what is not listed
	}{
		{"defaults", Auth{JWT: &plain}, map[string]int{
			"accept at t in [iat,exp]+leeway": ok, "accept": ok, "accept (tolerant)": ok, "accept unless require-exp is on": ok,
		}},
		{"require_exp", Auth{JWT: &strict}, map[string]int{
			"accept at t in [iat,exp]+leeway": ok, "accept": ok, "accept (tolerant)": ok,
		}},
		{"HS512 allowed", Auth{JWT: &long}, map[string]int{
			"accept at t in [iat,exp]+leeway": ok, "accept": ok, "accept (tolerant)": ok, "accept unless require-exp is on": ok,
			"accept only if HS384/HS512 allow-listed": ok,
		}},
		{"static header", Auth{Header: &static}, map[string]int{"accept only in static-header mode": ok}},
	}
	for _, configuration := range configurations {
		t.Run(configuration.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, withAuth(configuration.auth))
			for _, vector := range vectors.Vectors {
				header := http.Header{}
				for name, value := range vector.Headers {
					header.Set(name, value)
				}
				want, listed := configuration.statuses[vector.Expect]
				if !listed || vector.Expect == reject {
					want = unauthorized
				}
				if got := b.withHeader(header); got.status != want {
					t.Errorf("%s: status %d, want %d", vector.Name, got.status, want)
				}
			}
		})
	}
}

func TestJWTAuthentication(t *testing.T) {
	t.Parallel()
	const hs256 = `{"alg":"HS256","typ":"JWT"}`
	good := sign(hs256, `{}`, secret)
	other := sign(hs256, `{"sub":"other"}`, secret)
	unix := func(d time.Duration) int64 { return instant.Add(d).Unix() }
	claims := func(name string, d time.Duration) string {
		return token(t, secret, jwt.MapClaims{name: unix(d)})
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rs256, err := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{}).SignedString(rsaKey)
	if err != nil {
		t.Fatal(err)
	}
	ps256, err := jwt.NewWithClaims(jwt.SigningMethodPS256, jwt.MapClaims{}).SignedString(rsaKey)
	if err != nil {
		t.Fatal(err)
	}
	none, err := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{}).SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good, ".")
	flipped := []byte(good)
	flipped[len(flipped)-5] ^= 1

	b := setup(t, nil)
	cases := []struct {
		name   string
		header http.Header
		want   int
	}{
		{"raw", authorize(good), ok},
		{"Bearer", authorize("Bearer " + good), ok},
		{"BEARER and several spaces", authorize("BEARER   " + good), ok},
		{"bearer and a tab", authorize("bearer\t" + good), ok},
		{"white space around", authorize("  " + good + "  "), ok},
		{"Authentication", http.Header{"Authentication": {good}}, ok},
		{"Authentication with Bearer", http.Header{"Authentication": {"bearer " + good}}, ok},
		{"both headers, same token", http.Header{"Authorization": {"Bearer " + good}, "Authentication": {good}}, ok},
		{"both headers, two good tokens", http.Header{"Authorization": {good}, "Authentication": {other}}, unauthorized},
		{"both headers, one bad", http.Header{"Authorization": {good}, "Authentication": {"x"}}, unauthorized},
		{"both headers, one empty", http.Header{"Authorization": {good}, "Authentication": {""}}, unauthorized},
		{"header twice, two tokens", http.Header{"Authorization": {good, other}}, unauthorized},
		{"header twice, same token", http.Header{"Authorization": {good, good}}, unauthorized},
		{"two tokens in one line", authorize(good + ", " + good), unauthorized},
		{"no header", http.Header{}, unauthorized},
		{"empty header", authorize(""), unauthorized},
		{"Bearer alone", authorize("Bearer"), unauthorized},
		{"Bearer twice", authorize("Bearer Bearer " + good), unauthorized},
		{"Bearer without a space", authorize("Bearer" + good), unauthorized},
		{"another scheme", authorize("Token " + good), unauthorized},
		{"the secret itself", authorize(secret), unauthorized},
		{"in another header", http.Header{"X-Authorization": {good}}, unauthorized},
		{"in a cookie", http.Header{"Cookie": {"token=" + good}}, unauthorized},
		{"quoted", authorize(`"` + good + `"`), unauthorized},
		{"padded base64", authorize(good + "="), unauthorized},
		{"white space inside", authorize(strings.Replace(good, ".", ". ", 1)), unauthorized},

		{"wrong secret", authorize(sign(hs256, `{}`, "purple unicorn ")), unauthorized},
		{"empty secret", authorize(sign(hs256, `{}`, "")), unauthorized},
		{"secret of 1024 characters, not ours", authorize(sign(hs256, `{}`, strings.Repeat("x", 1024))), unauthorized},
		{"secret in base64", authorize(sign(hs256, `{}`, base64.StdEncoding.EncodeToString([]byte(secret)))), unauthorized},
		{"one bit of the signature flipped", authorize(string(flipped)), unauthorized},
		{"signature missing", authorize(parts[0] + "." + parts[1] + "."), unauthorized},
		{"two parts", authorize(parts[0] + "." + parts[1]), unauthorized},
		{"four parts", authorize(good + "." + parts[2]), unauthorized},
		{"dots alone", authorize(".."), unauthorized},
		{"a claim exchanged", authorize(parts[0] + "." + strings.Split(other, ".")[1] + "." + parts[2]), unauthorized},

		{"alg none", authorize(none), unauthorized},
		{"alg None, signed", authorize(sign(`{"alg":"None"}`, `{}`, secret)), unauthorized},
		{"alg none, signed", authorize(sign(`{"alg":"none"}`, `{}`, secret)), unauthorized},
		{"alg RS256", authorize(rs256), unauthorized},
		{"alg PS256", authorize(ps256), unauthorized},
		{"alg RS256 in the header, HMAC in the signature", authorize(sign(`{"alg":"RS256"}`, `{}`, secret)), unauthorized},
		{"alg HS512 in the header, HS256 in the signature", authorize(sign(`{"alg":"HS512"}`, `{}`, secret)), unauthorized},
		{"alg in lower case", authorize(sign(`{"alg":"hs256"}`, `{}`, secret)), unauthorized},
		{"alg missing", authorize(sign(`{}`, `{}`, secret)), unauthorized},
		{"alg a number", authorize(sign(`{"alg":256}`, `{}`, secret)), unauthorized},
		{"header not JSON", authorize(sign(`alg`, `{}`, secret)), unauthorized},
		{"crit", authorize(sign(`{"alg":"HS256","crit":["exp"]}`, `{}`, secret)), unauthorized},
		{"crit empty", authorize(sign(`{"alg":"HS256","crit":[]}`, `{}`, secret)), unauthorized},
		{"kid is not looked at", authorize(sign(`{"alg":"HS256","kid":"../../dev/null"}`, `{}`, secret)), ok},
		{"jku and x5u are not looked at", authorize(sign(`{"alg":"HS256","jku":"http://127.0.0.1:1/","x5u":"http://127.0.0.1:1/"}`, `{}`, secret)), ok},
		{"nested token", authorize(sign(`{"alg":"HS256","cty":"JWT"}`, good, secret)), unauthorized},
		{"claims an array", authorize(sign(hs256, `[]`, secret)), unauthorized},
		{"claims of any type", authorize(sign(hs256, `{"sub":1,"aud":{},"iss":[],"iat":"yesterday"}`, secret)), ok},

		{"exp to come", authorize(claims("exp", time.Second)), ok},
		{"exp just within the leeway", authorize(claims("exp", -59*time.Second)), ok},
		{"exp at the leeway", authorize(claims("exp", -60*time.Second)), unauthorized},
		{"exp 0", authorize(sign(hs256, `{"exp":0}`, secret)), unauthorized},
		{"exp negative", authorize(sign(hs256, `{"exp":-1}`, secret)), unauthorized},
		{"exp text", authorize(sign(hs256, `{"exp":"never"}`, secret)), unauthorized},
		{"exp beyond numbers", authorize(sign(hs256, `{"exp":1e999}`, secret)), unauthorized},
		{"nbf past", authorize(claims("nbf", -time.Second)), ok},
		{"nbf at the leeway", authorize(claims("nbf", 60*time.Second)), ok},
		{"nbf beyond the leeway", authorize(claims("nbf", 61*time.Second)), unauthorized},
		{"iat to come is not looked at", authorize(claims("iat", time.Hour)), ok},

		{"token of 8 kB", authorize(sign(hs256, `{"sub":"`+strings.Repeat("x", 5900)+`"}`, secret)), ok},
		{"token over 8 kB, well signed", authorize(sign(hs256, `{"sub":"`+strings.Repeat("x", 8<<10)+`"}`, secret)), unauthorized},
		{"50 kB of dots", authorize(strings.Repeat(".", 50<<10)), unauthorized},
	}
	for _, c := range cases {
		got := b.withHeader(c.header)
		if got.status != c.want {
			t.Errorf("%s: status %d, want %d", c.name, got.status, c.want)
		}
		if got.status == unauthorized && (got.header.Get("WWW-Authenticate") != bearerChallenge || got.body != `{"error":"unauthorized"}`) {
			t.Errorf("%s: answer tells more or less than it should: %q %q", c.name, got.header.Get("WWW-Authenticate"), got.body)
		}
	}
}

func TestAPublicKeyIsNoHMACSecretForItsOwnTokens(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public := configopaque.String(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	b := setup(t, withAuth(Auth{JWT: &JWTAuth{Secrets: secrets(public)}}))
	rs256, err := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{}).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	wantStatus(t, b.withHeader(authorize(rs256)), unauthorized)
}

func TestAFoldedHeaderLineIsOneValue(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	body := string(sample(t, "failed_without_turns.cdr.json"))
	got := b.raw("POST /webhook HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer\r\n " + token(t, secret, nil) +
		"\r\nContent-Length: " + length(body) + "\r\n\r\n" + body)
	wantStatus(t, got, ok)
}

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

func TestUnusualSecretsAreUsedAsRawBytes(t *testing.T) {
	t.Parallel()
	for _, unusual := range []string{"$$", "${x}", "${env:HOME}", "two\nlines", "trailing\n", " ", "\x00", "日本", strings.Repeat("s", 1024)} {
		b := setup(t, withAuth(Auth{JWT: &JWTAuth{Secrets: secrets(configopaque.String(unusual))}}))
		wantStatus(t, b.withHeader(authorize(token(t, unusual, nil))), ok)
		wantStatus(t, b.withHeader(authorize(token(t, strings.TrimSpace(unusual)+"x", nil))), unauthorized)
	}
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
