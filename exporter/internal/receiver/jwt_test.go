package receiver

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/golang-jwt/jwt/v5"
	"go.opentelemetry.io/collector/config/configopaque"
)

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
		{"12 kB of dots", authorize(strings.Repeat(".", 12<<10)), unauthorized},
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

// The client is told neither: see TestJWTAuthentication.
func TestATokenWithAnotherAlgorithmIsToldFromOneWithAnotherSecret(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	with := func(method jwt.SigningMethod, key any) string {
		text, err := jwt.NewWithClaims(method, jwt.MapClaims{}).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for name, c := range map[string]struct {
		token string
		want  Reason
	}{
		"HS384":                       {with(jwt.SigningMethodHS384, []byte(secret)), ReasonAlgorithm},
		"HS512":                       {with(jwt.SigningMethodHS512, []byte(secret)), ReasonAlgorithm},
		"none":                        {with(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType), ReasonAlgorithm},
		"none, signed all the same":   {sign(`{"alg":"none"}`, `{}`, secret), ReasonAlgorithm},
		"HS384 with another secret":   {with(jwt.SigningMethodHS384, []byte("other")), ReasonBadCredentials},
		"HS256 with another secret":   {with(jwt.SigningMethodHS256, []byte("other")), ReasonBadCredentials},
		"none, signed with no secret": {sign(`{"alg":"none"}`, `{}`, "other"), ReasonBadCredentials},
	} {
		got, answer := b.withHeader(authorize(c.token)), <-b.answers
		if got.status != unauthorized || got.body != `{"error":"unauthorized"}` || answer.Reason != c.want || answer.Outcome != OutcomeUnauthorized {
			t.Errorf("%s: %d %s, %s, %s; want %s", name, got.status, got.body, answer.Outcome, answer.Reason, c.want)
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

func TestUnusualSecretsAreUsedAsRawBytes(t *testing.T) {
	t.Parallel()
	for _, unusual := range []string{"$$", "${x}", "${env:HOME}", "two\nlines", "trailing\n", " ", "\x00", "日本", strings.Repeat("s", 1024)} {
		b := setup(t, withAuth(Auth{JWT: &JWTAuth{Secrets: secrets(configopaque.String(unusual))}}))
		wantStatus(t, b.withHeader(authorize(token(t, unusual, nil))), ok)
		wantStatus(t, b.withHeader(authorize(token(t, strings.TrimSpace(unusual)+"x", nil))), unauthorized)
	}
}
