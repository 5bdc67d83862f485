package exporter_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.opentelemetry.io/collector/config/configopaque"

	"cdr2otel/exporter/config"
)

// attempt is a request to a source and the status it must get. All but 200 must
// leave the ledger as it was.
type attempt struct {
	name   string
	source string // path below /webhook/
	lines  string // header lines, each with its line break
	want   int
}

const (
	got200 = http.StatusOK
	got401 = http.StatusUnauthorized
)

// vectors are the recorded tokens of the receiver's tests.
type vectors struct {
	Secret  configopaque.String `json:"secret"`
	Now     int64               `json:"now"`
	Vectors []struct {
		Name    string            `json:"name"`
		Headers map[string]string `json:"headers"`
		Expect  string            `json:"expect"`
	} `json:"vectors"`
}

func recordedTokens(t testing.TB) vectors {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("internal", "receiver", "testdata", "jwt_vectors.json"))
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// sourcesUnderAttack have every way to authenticate.
func sourcesUnderAttack(public string) map[string]config.Source {
	token := func(change func(*config.JWT)) config.Source {
		j := config.JWT{Secrets: []configopaque.String{secret}, Algorithms: []string{"HS256"}, Leeway: time.Minute}
		change(&j)
		return config.Source{Auth: config.Auth{JWT: &j}, Messages: config.MessagesExpected}
	}
	fixed := func(name string, value configopaque.String) config.Source {
		return config.Source{Auth: config.Auth{Header: &config.Header{Name: name, Values: []configopaque.String{value}}}, Messages: config.MessagesExpected}
	}
	return map[string]config.Source{
		"default":  token(func(*config.JWT) {}),
		"strict":   token(func(j *config.JWT) { j.RequireExp = true }),
		"exact":    token(func(j *config.JWT) { j.Leeway = 0 }),
		"long":     token(func(j *config.JWT) { j.Algorithms = []string{"HS256", "HS384", "HS512"} }),
		"only512":  token(func(j *config.JWT) { j.Algorithms = []string{"HS512"} }),
		"rotating": token(func(j *config.JWT) { j.Secrets = []configopaque.String{"silver unicorn", secret} }),
		"other":    token(func(j *config.JWT) { j.Secrets = []configopaque.String{"green unicorn"} }),
		"kilobyte": token(func(j *config.JWT) { j.Secrets = []configopaque.String{configopaque.String(strings.Repeat("k", 1024))} }),
		"public":   token(func(j *config.JWT) { j.Secrets = []configopaque.String{configopaque.String(public)} }),
		"fixed":    fixed("Authorization", "Basic dXNlcjpwYXNz"),
		"key":      fixed("X-Api-Key", "open sesame"),
		"basic": {Auth: config.Auth{Basic: &config.Basic{Username: "u", Passwords: []configopaque.String{"pass:word", "next"}}},
			Messages: config.MessagesExpected},
		"open": {Auth: config.Auth{None: true}, Messages: config.MessagesExpected},
	}
}

func TestNobodyGetsInWithoutTheSecret(t *testing.T) {
	t.Parallel()
	recorded := recordedTokens(t)
	if recorded.Secret != secret {
		t.Fatal("the recorded tokens are for another secret")
	}
	now := time.Unix(recorded.Now, 0)
	rsaKey, public := rsaPair(t)
	cfg := configuration(t.TempDir())
	cfg.Sources = sourcesUnderAttack(public)
	opts := off()
	opts.Now = func() time.Time { return now }
	s := start(t, cfg, opts)
	attempts := slices.Concat(
		recordedAttempts(recorded), algorithmAttempts(t, rsaKey, public), lifetimeAttempts(now),
		secretAttempts(), tokenAttempts(), headerAttempts(), fixedAttempts(), sourceAttempts(),
	)
	refused, letIn, kept := 0, 0, 0
	for i, a := range attempts {
		before := s.taken(t)
		got := say(t, s.address(t), post("/webhook/"+a.source, a.lines, hook(fmt.Sprint("attempt-", i))))
		after := s.taken(t)
		if got.status != a.want {
			t.Errorf("%s: %s: status %d, want %d: %s", a.source, a.name, got.status, a.want, got.body)
		}
		if stored := after - before; (stored == 1) != (a.want == got200) {
			t.Errorf("%s: %s: %d events were stored", a.source, a.name, stored)
		}
		switch {
		case a.want == got200:
			kept++
			continue
		case got.status == got200 || after != before:
			letIn++
		default:
			refused++
		}
		saysNothing(t, a, got)
	}
	t.Logf("%d requests to %d sources, %d recorded tokens among them: %d authentic ones taken, %d bad ones refused, let in: %d",
		len(attempts), len(cfg.Sources), len(recorded.Vectors), kept, refused, letIn)
}

// saysNothing fails when a refusal tells why, or repeats what was sent.
func saysNothing(t *testing.T, a attempt, got answer) {
	t.Helper()
	if got.status == got401 && got.body != `{"error":"unauthorized"}` {
		t.Errorf("%s: %s: the refusal says %s", a.source, a.name, got.body)
	}
	usual := []string{"Connection", "Content-Length", "Content-Type", "Date", "Www-Authenticate", "X-Content-Type-Options"}
	for name, values := range got.header {
		if !slices.Contains(usual, name) {
			t.Errorf("%s: %s: the refusal has the header %s: %s", a.source, a.name, name, values)
		}
	}
	if strings.Contains(got.body, "eyJ") || strings.Contains(got.body, "unicorn") {
		t.Errorf("%s: %s: the refusal repeats credentials: %s", a.source, a.name, got.body)
	}
	challenge := `Bearer realm="cdr2otel"`
	if strings.HasPrefix(a.source, "basic") {
		challenge = `Basic realm="cdr2otel", charset="UTF-8"`
	}
	if got.status == got401 && got.header.Get("Www-Authenticate") != challenge {
		t.Errorf("%s: %s: the challenge is %q", a.source, a.name, got.header.Get("Www-Authenticate"))
	}
}

// recordedAttempts are the recorded tokens under each configuration, by what the
// record expects.
func recordedAttempts(recorded vectors) []attempt {
	lasting := []string{"accept at t in [iat,exp]+leeway", "accept", "accept (tolerant)"}
	always := append([]string{"accept unless require-exp is on"}, lasting...)
	accepts := map[string][]string{
		"default":  always,
		"rotating": always,
		"strict":   lasting,
		"long":     append([]string{"accept only if HS384/HS512 allow-listed"}, always...),
		"only512":  {"accept only if HS384/HS512 allow-listed"},
		"fixed":    {"accept only in static-header mode"},
		"other":    nil, "kilobyte": nil, "key": nil, "basic": nil,
	}
	var attempts []attempt
	for _, source := range slices.Sorted(maps.Keys(accepts)) {
		for _, v := range recorded.Vectors {
			a := attempt{name: v.Name, source: source, want: got401}
			if slices.Contains(accepts[source], v.Expect) {
				a.want = got200
			}
			for name, value := range v.Headers {
				a.lines += line(name, value)
			}
			attempts = append(attempts, a)
		}
	}
	return attempts
}

func rsaPair(t testing.TB) (key *rsa.PrivateKey, public string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return key, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// algorithmAttempts confuse one algorithm with another.
func algorithmAttempts(t testing.TB, key *rsa.PrivateKey, public string) []attempt {
	t.Helper()
	by := func(method jwt.SigningMethod, key any) string {
		token, err := jwt.NewWithClaims(method, jwt.MapClaims{}).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return authorized(token)
	}
	headed := func(header string) string { return authorized(sign(header, `{}`, string(secret))) }
	unsigned := func(header string) string {
		token := sign(header, `{}`, "")
		return authorized(token[:strings.LastIndexByte(token, '.')+1])
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	attempts := []attempt{
		{"HS512 where it is allowed", "only512", authorized(hs512Token(`{}`, string(secret))), got200},
		{"HS256 where only HS512 is", "only512", authorized(sign(hs256, `{}`, string(secret))), got401},
		{"HS256 said, HS512 signed", "long", authorized(strings.Replace(hs512Token(`{}`, string(secret)), segment(hs512), segment(hs256), 1)), got401},
		{"public key as HMAC secret of its own RS256 token", "public", by(jwt.SigningMethodRS256, key), got401},
		{"public key as HMAC secret, RS256 said, HS256 signed", "public", authorized(sign(`{"alg":"RS256"}`, `{}`, public)), got401},
	}
	for name, lines := range map[string]string{
		"RS256": by(jwt.SigningMethodRS256, key), "RS512": by(jwt.SigningMethodRS512, key), "PS256": by(jwt.SigningMethodPS256, key), "ES256": by(jwt.SigningMethodES256, curve),
		"none": by(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType), "None": unsigned(`{"alg":"None"}`),
		"NONE": unsigned(`{"alg":"NONE"}`), "nOnE": unsigned(`{"alg":"nOnE"}`), "no algorithm, unsigned": unsigned(`{}`),
		"none, signed": headed(`{"alg":"none"}`), "RS256 said, HS256 signed": headed(`{"alg":"RS256"}`),
		"ES256 said, HS256 signed": headed(`{"alg":"ES256"}`), "EdDSA said, HS256 signed": headed(`{"alg":"EdDSA"}`),
		"HS384 said, HS256 signed": headed(`{"alg":"HS384"}`), "HS512 said, HS256 signed": headed(`{"alg":"HS512"}`),
		"hs256 in lower case": headed(`{"alg":"hs256"}`), "with a blank": headed(`{"alg":"HS256 "}`), "empty": headed(`{"alg":""}`),
		"null": headed(`{"alg":null}`), "a list": headed(`{"alg":["HS256"]}`), "a number": headed(`{"alg":256}`), "missing": headed(`{}`),
		"first HS256, last none":  headed(`{"alg":"HS256","alg":"none"}`),
		"a header that is a list": headed(`["HS256"]`), "a header that is no JSON": headed(`HS256`), "a header that is empty": headed(``),
		"HS512": authorized(hs512Token(`{}`, string(secret))), "DIR said": headed(`{"alg":"dir","enc":"A256GCM"}`),
	} {
		attempts = append(attempts, attempt{"algorithm " + name, "default", lines, got401})
	}
	return attempts
}

func segment(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// lifetimeAttempts stand on both sides of each edge, to the second.
func lifetimeAttempts(now time.Time) []attempt {
	claims := func(name string, after time.Duration) string {
		return authorized(sign(hs256, fmt.Sprintf(`{"%s":%d}`, name, now.Add(after).Unix()), string(secret)))
	}
	literal := func(claims string) string { return authorized(sign(hs256, claims, string(secret))) }
	half := func(after float64) string {
		return literal(fmt.Sprintf(`{"exp":%d.5}`, now.Unix()+int64(after)))
	}
	return []attempt{
		{"exp in a second", "default", claims("exp", time.Second), got200},
		{"exp now", "default", claims("exp", 0), got200},
		{"exp 59 s ago, leeway 60 s", "default", claims("exp", -59*time.Second), got200},
		{"exp 60 s ago, leeway 60 s", "default", claims("exp", -60*time.Second), got401},
		{"exp 61 s ago, leeway 60 s", "default", claims("exp", -61*time.Second), got401},
		{"exp 59.5 s ago, whose half is cut off", "default", half(-60), got401},
		{"exp 60.5 s ago, leeway 60 s", "default", half(-61), got401},
		{"nbf in 59 s, leeway 60 s", "default", claims("nbf", 59*time.Second), got200},
		{"nbf in 60 s, leeway 60 s", "default", claims("nbf", 60*time.Second), got200},
		{"nbf in 61 s, leeway 60 s", "default", claims("nbf", 61*time.Second), got401},
		{"iat in an hour, which nobody looks at", "default", claims("iat", time.Hour), got200},
		{"exp in a second, no leeway", "exact", claims("exp", time.Second), got200},
		{"exp now, no leeway", "exact", claims("exp", 0), got401},
		{"exp a second ago, no leeway", "exact", claims("exp", -time.Second), got401},
		{"nbf now, no leeway", "exact", claims("nbf", 0), got200},
		{"nbf in a second, no leeway", "exact", claims("nbf", time.Second), got401},
		{"no exp where it is required", "strict", literal(`{}`), got401},
		{"exp null where it is required", "strict", literal(`{"exp":null}`), got401},
		{"nbf alone where exp is required", "strict", claims("nbf", -time.Second), got401},
		{"exp where it is required", "strict", claims("exp", time.Second), got200},
		{"exp 60 s ago where it is required", "strict", claims("exp", -60*time.Second), got401},
		{"exp 0", "default", literal(`{"exp":0}`), got401},
		{"exp below 0", "default", literal(`{"exp":-1}`), got401},
		{"exp to come, a number in quotes", "default", literal(`{"exp":"9999999999"}`), got200},
		{"exp past, a number in quotes", "default", literal(`{"exp":"1"}`), got401},
		{"exp text", "default", literal(`{"exp":"never"}`), got401},
		{"exp true", "default", literal(`{"exp":true}`), got401},
		{"exp a list", "default", literal(`{"exp":[9999999999]}`), got401},
		{"exp beyond numbers", "default", literal(`{"exp":1e999}`), got401},
		{"exp first to come, last past", "default", literal(`{"exp":9999999999,"exp":1}`), got401},
		{"nbf beyond numbers", "default", literal(`{"nbf":1e999}`), got401},
		{"nbf to come, a number in quotes", "default", literal(`{"nbf":"9999999999"}`), got401},
		{"nbf text", "default", literal(`{"nbf":"now"}`), got401},
	}
}
