package exporter_test

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// secretAttempts are signed with what is not the secret, or no longer, or also.
func secretAttempts() []attempt {
	signed := func(key string) string { return authorized(sign(hs256, `{}`, key)) }
	kilobyte := strings.Repeat("k", 1024)
	return []attempt{
		{"the secret", "default", signed(string(secret)), got200},
		{"a wrong secret", "default", signed("purple unicorm"), got401},
		{"no secret", "default", signed(""), got401},
		{"a blank", "default", signed(" "), got401},
		{"NUL", "default", signed("\x00"), got401},
		{"the secret and a blank", "default", signed(string(secret) + " "), got401},
		// RFC 2104 fills a key with zeros: these two keys are one.
		{"the secret and the zero that HMAC fills it with", "default", signed(string(secret) + "\x00"), got200},
		{"the secret and a line break", "default", signed(string(secret) + "\n"), got401},
		{"the secret in upper case", "default", signed(strings.ToUpper(string(secret))), got401},
		{"the secret's beginning", "default", signed(string(secret[:6])), got401},
		{"the secret in base64", "default", signed(base64.StdEncoding.EncodeToString([]byte(secret))), got401},
		{"the secret in quotes", "default", signed(`"` + string(secret) + `"`), got401},
		{"undefined, as JavaScript writes what is missing", "default", signed("undefined"), got401},
		{"null", "default", signed("null"), got401},
		{"1024 characters", "kilobyte", signed(kilobyte), got200},
		{"1023 of 1024 characters", "kilobyte", signed(kilobyte[1:]), got401},
		{"1024 characters of another", "kilobyte", signed(strings.Repeat("K", 1024)), got401},
		{"1024 characters where the secret is short", "default", signed(kilobyte), got401},
		{"1025 characters", "kilobyte", signed(kilobyte + "k"), got401},
		{"rotation: the new secret", "rotating", signed("silver unicorn"), got200},
		{"rotation: the old secret", "rotating", signed(string(secret)), got200},
		{"rotation: neither", "rotating", signed("green unicorn"), got401},
		{"rotation: both at once", "rotating", signed("silver unicorn" + string(secret)), got401},
		{"rotation: the new one where it is not live yet", "default", signed("silver unicorn"), got401},
		{"another source's secret", "default", signed("green unicorn"), got401},
		{"this one's secret at another source", "other", signed(string(secret)), got401},
		{"its own secret at another source", "other", signed("green unicorn"), got200},
	}
}

// tokenAttempts are made of a good token, or hide one.
func tokenAttempts() []attempt {
	good := sign(hs256, `{}`, string(secret))
	other := sign(hs256, `{"sub":"other"}`, string(secret))
	part, otherPart := strings.Split(good, "."), strings.Split(other, ".")
	flipped := []byte(good)
	flipped[len(flipped)-5] ^= 1
	attempts := []attempt{
		{"kid is not looked at", "default", authorized(sign(`{"alg":"HS256","kid":"../../../dev/null"}`, `{}`, string(secret))), got200},
		{"kid that injects SQL is not looked at", "default", authorized(sign(`{"alg":"HS256","kid":"x' UNION SELECT 'aa"}`, `{}`, string(secret))), got200},
		{"jku, x5u and jwk are not looked at", "default", authorized(sign(`{"alg":"HS256","jku":"http://127.0.0.1:1/","x5u":"http://127.0.0.1:1/","jwk":{"kty":"oct","k":""}}`, `{}`, string(secret))), got200},
		{"claims of any type but exp and nbf", "default", authorized(sign(hs256, `{"sub":1,"aud":{},"iss":[],"iat":"yesterday","jti":null}`, string(secret))), got200},
		{"kid of an empty key", "default", authorized(sign(`{"alg":"HS256","kid":"/dev/null"}`, `{}`, "")), got401},
		{"jwk that brings its own key", "default", authorized(sign(`{"alg":"HS256","jwk":{"kty":"oct","k":"b3du"}}`, `{}`, "own")), got401},
		{"nearly 8 kB, well signed", "default", authorized(sign(hs256, `{"sub":"`+strings.Repeat("x", 5900)+`"}`, string(secret))), got200},
		{"over 8 kB, well signed", "default", authorized(sign(hs256, `{"sub":"`+strings.Repeat("x", 8<<10)+`"}`, string(secret))), got401},
		{"64 kB, well signed", "default", authorized(sign(hs256, `{"sub":"`+strings.Repeat("x", 48<<10)+`"}`, string(secret))), 431},
	}
	for name, token := range map[string]string{
		"crit":                    sign(`{"alg":"HS256","crit":["exp"]}`, `{}`, string(secret)),
		"crit that nobody knows":  sign(`{"alg":"HS256","crit":["x"],"x":1}`, `{}`, string(secret)),
		"crit empty":              sign(`{"alg":"HS256","crit":[]}`, `{}`, string(secret)),
		"crit null":               sign(`{"alg":"HS256","crit":null}`, `{}`, string(secret)),
		"a token in a token":      sign(`{"alg":"HS256","cty":"JWT"}`, good, string(secret)),
		"a token in text":         sign(`{"alg":"HS256","cty":"JWT"}`, `"`+good+`"`, string(secret)),
		"claims a list":           sign(hs256, `[]`, string(secret)),
		"claims no JSON":          sign(hs256, `exp`, string(secret)),
		"claims empty":            sign(hs256, ``, string(secret)),
		"claims cut short":        sign(hs256, `{"sub":`, string(secret)),
		"a bit of the signature":  string(flipped),
		"signature missing":       part[0] + "." + part[1] + ".",
		"signature of another":    part[0] + "." + part[1] + "." + otherPart[2],
		"claims exchanged":        part[0] + "." + otherPart[1] + "." + part[2],
		"header exchanged":        segment(`{"alg":"none"}`) + "." + part[1] + "." + part[2],
		"half a signature":        good[:len(good)-20],
		"two parts":               part[0] + "." + part[1],
		"one part":                part[0],
		"four parts":              good + "." + part[2],
		"five parts, as in JWE":   good + ".." + part[2],
		"signature first":         part[2] + "." + part[0] + "." + part[1],
		"dots alone":              "..",
		"one dot":                 ".",
		"8 kB of dots":            strings.Repeat(".", 8<<10),
		"padded":                  good + "=",
		"padded header":           part[0] + "=." + part[1] + "." + part[2],
		"in standard base64":      strings.NewReplacer("-", "+", "_", "/").Replace(sign(hs256, `{"sub":"ÿÿÿ>>>???"}`, string(secret))) + "+/",
		"in percent signs":        strings.ReplaceAll(good, ".", "%2e"),
		"in quotes":               `"` + good + `"`,
		"in brackets":             "<" + good + ">",
		"with a blank inside":     strings.Replace(good, ".", ". ", 1),
		"with a tab inside":       strings.Replace(good, ".", ".\t", 1),
		"with text after it":      good + " x",
		"with a comma after it":   good + ",",
		"with a semicolon":        good + "; charset=utf-8",
		"twice with a comma":      good + ", " + good,
		"twice with a blank":      good + " " + good,
		"in upper case":           strings.ToUpper(good),
		"in lower case":           strings.ToLower(good),
		"backwards":               backwards(good),
		"beyond ASCII":            "ü" + good,
		"the secret itself":       string(secret),
		"JSON":                    `{"alg":"HS256"}`,
		"the JSON serialization":  `{"payload":"` + part[1] + `","protected":"` + part[0] + `","signature":"` + part[2] + `"}`,
		"format strings":          "%s%n%x",
		"another server's cookie": "null",
	} {
		attempts = append(attempts, attempt{"token: " + name, "default", authorized(token), got401})
	}
	return attempts
}

func backwards(s string) string {
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}

// headerAttempts differ in where and how the credentials stand in the header.
func headerAttempts() []attempt {
	good := sign(hs256, `{}`, string(secret))
	other := sign(hs256, `{"sub":"other"}`, string(secret))
	bad := sign(hs256, `{}`, "wrong")
	var attempts []attempt
	try := func(want int, name, lines string) {
		attempts = append(attempts, attempt{name, "default", lines, want})
	}
	try(got200, "raw", authorized(good))
	for _, scheme := range []string{"Bearer ", "bearer ", "BEARER   ", "bEaReR\t", "Bearer \t "} {
		try(got200, fmt.Sprintf("scheme %q", scheme), authorized(scheme+good))
	}
	try(got200, "white space around", "Authorization: \t "+good+" \t \r\n")
	try(got200, "no white space", "Authorization:"+good+"\r\n")
	try(got200, "name in lower case", "authorization: "+good+"\r\n")
	try(got200, "name in mixed case", "aUTHORIZATION: "+good+"\r\n")
	try(got200, "folded after the scheme", "Authorization: Bearer\r\n "+good+"\r\n")
	try(got200, "folded before the scheme", "Authorization:\r\n\tBearer "+good+"\r\n")
	try(got200, "in Authentication, as IBM's sample reads it", line("Authentication", good))
	try(got200, "in both, the same", authorized("Bearer "+good)+line("Authentication", good))

	try(got401, "none", "")
	try(got401, "empty", "Authorization:\r\n")
	try(got401, "blank", "Authorization:  \t \r\n")
	for _, scheme := range []string{"Bearer", "Bearer ", "Bearer Bearer ", "Bearer:", "Bearer=", "Bearer, ", "JWT ", "Token ", "Basic ", "Bearer\u00a0", "MAC id="} {
		credentials := scheme + good
		if strings.TrimSpace(scheme) == "Bearer" {
			credentials = scheme
		}
		try(got401, fmt.Sprintf("%q", scheme), authorized(credentials))
	}
	try(got401, "Bearer without a blank", authorized("Bearer"+good))
	try(got401, "folded onto another header's line", "X-A: a\r\n Authorization: "+good+"\r\n")
	try(got401, "folded inside the token", "Authorization: "+good[:20]+"\r\n "+good[20:]+"\r\n")
	try(got401, "twice, the same", authorized(good)+authorized(good))
	try(got401, "twice, two good ones", authorized(good)+authorized(other))
	try(got401, "twice, the bad one first", authorized(bad)+authorized(good))
	try(got401, "twice, the bad one last", authorized(good)+authorized(bad))
	try(got401, "twice, one of them empty", authorized("")+authorized(good))
	try(got401, "twice, in other case", authorized(good)+line("authorization", bad))
	try(got401, "a thousand times", strings.Repeat("Authorization: x\r\n", 500)+authorized(good))
	try(got401, "in both, two good ones", authorized(good)+line("Authentication", other))
	try(got401, "in both, one bad", authorized(good)+line("Authentication", bad))
	try(got401, "in both, one bad, the other way round", authorized(bad)+line("Authentication", good))
	try(got401, "in both, one empty", authorized(good)+"Authentication:\r\n")
	try(got401, "Authentication twice", line("Authentication", good)+line("Authentication", good))
	for _, name := range []string{
		"X-Authorization", "Proxy-Authorization", "WWW-Authenticate", "X-Forwarded-Authorization", "Authorisation", "Authorization2",
		"X-Original-Authorization", "X-Api-Key", "Token", "Cookie", "Authorization_", "HTTP_AUTHORIZATION", "X-Watson-Assistant-Webhook-Return",
	} {
		try(got401, "in "+name, line(name, good))
	}
	try(got401, "in a cookie", line("Cookie", "Authorization="+good+"; token="+good))
	try(got401, "in a trailer that is announced", line("Trailer", "Authorization"))
	try(got401, "after what a proxy says", line("X-Forwarded-For", "127.0.0.1")+line("X-Forwarded-User", "admin")+line("X-Real-Ip", "127.0.0.1"))
	try(got401, "with another method in a header", line("X-HTTP-Method-Override", "GET")+line("X-Original-URL", "/webhook/open")+line("X-Rewrite-URL", "/webhook/open"))

	// net/http refuses these before anybody looks at credentials.
	try(400, "a blank before the colon", "Authorization : "+good+"\r\n")
	try(400, "no colon", "Authorization\r\n")
	try(400, "NUL in the value", "Authorization: "+good+"\x00\r\n")
	try(400, "a carriage return in the value", "Authorization: x\rAuthorization: "+good+"\r\n")
	try(400, "no name", ": "+good+"\r\n")
	try(400, "a name with a blank", "X Authorization: "+good+"\r\n")
	try(431, "20 kB of header", line("X-Long", strings.Repeat("x", 21<<10))+authorized(good))
	try(431, "5000 headers", strings.Repeat("x: 1\r\n", 5000)+authorized(good))
	return attempts
}

// fixedAttempts are against a fixed header, and basic authentication.
func fixedAttempts() []attempt {
	good := sign(hs256, `{}`, string(secret))
	basic := func(pair string) string {
		return authorized("Basic " + base64.StdEncoding.EncodeToString([]byte(pair)))
	}
	return []attempt{
		{"the value", "fixed", authorized("Basic dXNlcjpwYXNz"), got200},
		{"the value in Authentication", "fixed", line("Authentication", "Basic dXNlcjpwYXNz"), got200},
		{"another value", "fixed", authorized("Basic dXNlcjpwYXNT"), got401},
		{"the value in lower case", "fixed", authorized("basic dxnlcjpwyxnz"), got401},
		{"the value and more", "fixed", authorized("Basic dXNlcjpwYXNz="), got401},
		{"the value's beginning", "fixed", authorized("Basic dXNlcjpwYXN"), got401},
		{"the value twice", "fixed", authorized("Basic dXNlcjpwYXNz") + authorized("Basic dXNlcjpwYXNz"), got401},
		{"a token where a value is expected", "fixed", authorized(good), got401},
		{"nothing where a value is expected", "fixed", "", got401},

		{"the key", "key", line("X-Api-Key", "open sesame"), got200},
		{"the key, name in lower case", "key", line("x-api-key", "open sesame"), got200},
		{"another key", "key", line("X-Api-Key", "open sesam"), got401},
		{"the key in upper case", "key", line("X-Api-Key", "OPEN SESAME"), got401},
		{"the key after Bearer", "key", line("X-Api-Key", "Bearer open sesame"), got401},
		{"the key in Authorization", "key", authorized("open sesame"), got401},
		{"the key twice", "key", line("X-Api-Key", "open sesame") + line("X-Api-Key", "open sesame"), got401},
		{"the key with a comma", "key", line("X-Api-Key", "open sesame, open sesame"), got401},
		{"an empty key", "key", "X-Api-Key:\r\n", got401},
		{"a token where a key is expected", "key", authorized(good), got401},

		{"user and password", "basic", basic("u:pass:word"), got200},
		{"user and next password", "basic", basic("u:next"), got200},
		{"the scheme in lower case", "basic", authorized("basic " + base64.StdEncoding.EncodeToString([]byte("u:next"))), got200},
		{"a wrong password", "basic", basic("u:pass"), got401},
		{"a wrong user", "basic", basic("v:next"), got401},
		{"user in upper case", "basic", basic("U:next"), got401},
		{"no password", "basic", basic("u:"), got401},
		{"no user", "basic", basic(":next"), got401},
		{"no colon", "basic", basic("unext"), got401},
		{"nothing", "basic", "", got401},
		{"scheme alone", "basic", authorized("Basic"), got401},
		{"not base64", "basic", authorized("Basic u:next"), got401},
		{"the pair without scheme", "basic", authorized(base64.StdEncoding.EncodeToString([]byte("u:next"))), got401},
		{"the pair as Bearer", "basic", authorized("Bearer " + base64.StdEncoding.EncodeToString([]byte("u:next"))), got401},
		{"another user's password after a NUL", "basic", basic("u:next\x00"), got401},
		{"a token where a password is expected", "basic", authorized(good), got401},

		{"no credentials where none are asked for", "open", "", got200},
		{"bad credentials where none are asked for", "open", authorized("x") + authorized("y"), got200},
	}
}

// sourceAttempts look for a way around the source's own authentication.
func sourceAttempts() []attempt {
	good := authorized(sign(hs256, `{}`, string(secret)))
	attempts := []attempt{
		{"the default source by its name", "default?source=open", good, got200},
		{"another source in the query", "default?source=open", "", got401},
		{"the token in the query", "default?authorization=" + sign(hs256, `{}`, string(secret)), "", got401},
	}
	for _, path := range []string{
		"absent", "DEFAULT", "default//", "/default", "default/open", "open/../default", "default/../open", "./default", "default%2f..%2fopen",
		"default%00", "default;open", "default%20", "default.", "%2e%2e/webhook/default", "..", "open/..", "..%2fwebhook%2fopen",
	} {
		// Even with a good token: the source is what the path says, or nothing.
		attempts = append(attempts, attempt{"no such source", path, good, 404})
	}
	return attempts
}
