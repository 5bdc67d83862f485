package receiver

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/golang-jwt/jwt/v5"
)

// FuzzHeader: whatever header a request has, it is accepted only with a token that
// was signed with the secret, and a refusal says nothing of the reason.
func FuzzHeader(f *testing.F) {
	good := token(f, secret, jwt.MapClaims{})
	var vectors struct {
		Vectors []struct {
			Headers map[string]string `json:"headers"`
		} `json:"vectors"`
	}
	recorded, err := os.ReadFile(filepath.Join("testdata", "jwt_vectors.json"))
	if err != nil {
		f.Fatal(err)
	}
	if err := json.Unmarshal(recorded, &vectors); err != nil {
		f.Fatal(err)
	}
	for _, vector := range vectors.Vectors {
		for name, value := range vector.Headers {
			f.Add(name + ": " + value)
		}
	}
	for _, seed := range []string{
		"", "Authorization: " + good, "Authorization:\r\n " + good, "authorization: bearer " + good + "\r\nAUTHENTICATION: " + good,
		"Authorization: " + good + "\r\nAuthorization: " + good, "Authorization : " + good, "Cookie: a=" + good, "Proxy-Authorization: " + good,
		"Transfer-Encoding: chunked\r\nTrailer: Authorization", "Content-Length: 1\r\nContent-Encoding: gzip", "Content-Type: multipart/form-data",
	} {
		f.Add(seed)
	}
	r, err := New(Config{
		Path: "/webhook", Sources: map[string]Source{"default": jwtSource()}, Now: nowOf, Accept: nilAccept,
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, header string) {
		raw := "POST /webhook HTTP/1.1\r\nHost: h\r\n" + header + "\r\nConnection: close\r\n\r\n" + cdr
		req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
		if err != nil {
			return // net/http answers 400
		}
		recorder := httptest.NewRecorder()
		r.ServeHTTP(recorder, req)
		switch recorder.Code {
		case unauthorized:
			if got := recorder.Body.String(); got != `{"error":"unauthorized"}` {
				t.Errorf("the refusal says %s", got)
			}
		case http.StatusOK, http.StatusBadRequest: // authentic, whatever the body
			if !holdsToken(raw) {
				t.Errorf("%q got in", header)
			}
		}
	})
}

// holdsToken looks for a signed token anywhere in a request.
func holdsToken(raw string) bool {
	apart := func(c rune) bool { return c <= ' ' || strings.ContainsRune(":,;=\"", c) }
	for word := range strings.FieldsFuncSeq(raw, apart) {
		if signedByUs(word) {
			return true
		}
	}
	return false
}

// FuzzIntake: compressed, in one piece or two, a body gets the answer and becomes
// the event that it would become plain; cut short it is refused; and without
// credentials not one byte of it is read (I6).
func FuzzIntake(f *testing.F) {
	names, err := filepath.Glob("testdata/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		body, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body, uint16(7), uint16(0))
		f.Add(body, uint16(0), uint16(9))
	}
	for _, seed := range []string{
		"", cdr, `[`, `{"event":{"name":"cdr_logged"},"payload":` + strings.Repeat("[", 10001) + strings.Repeat("]", 10001) + `}`,
		`{"event":{"name":"x"},"payload":1e999999}`, `{"event":{"name":"x"},"payload":` + strings.Repeat("9", 5000) + `}`,
		`{"event":{"name":"\ud800"},"payload":"\ud800"}`, `{"event":{"name":"x"},"event":null}`, "\xef\xbb\xbf{}",
		string(compressed(f, []byte(cdr))),
	} {
		f.Add([]byte(seed), uint16(1), uint16(0))
	}
	var accepted []Event
	r, err := New(Config{
		Path:    "/webhook",
		Sources: map[string]Source{"default": {Auth: Auth{None: true}}, "locked": jwtSource()},
		MaxBody: 1 << 20,
		Accept: func(_ context.Context, e Event) (Outcome, error) {
			accepted = append(accepted, e)
			return OutcomeAccepted, nil
		},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte, split, cut uint16) {
		if len(body) > 1<<20 {
			t.Skip("larger than the limit")
		}
		accepted = nil
		plain := serve(t, r, bytes.NewReader(body), "", http.Header{})
		sent := inPieces(t, body, int(split))
		whole := serve(t, r, bytes.NewReader(sent), "gzip", http.Header{})
		if plain != whole {
			t.Errorf("plain it is answered %d, compressed %d", plain, whole)
		}
		if len(accepted) == 2 && !bytes.Equal(accepted[0].Payload, accepted[1].Payload) {
			t.Errorf("plain the payload is %q, compressed %q", accepted[0].Payload, accepted[1].Payload)
		}
		// Of the second member, if there is one, at least the trailer is missing.
		if n := int(cut % 8); n > 0 {
			if short := serve(t, r, bytes.NewReader(sent[:len(sent)-n]), "gzip", http.Header{}); short != http.StatusBadRequest {
				t.Errorf("cut short by %d bytes it is answered %d", n, short)
			}
		}
		unread := &countingReader{r: bytes.NewReader(sent)}
		req := httptest.NewRequest(http.MethodPost, "/webhook/locked", io.MultiReader(unread))
		req.Header.Set("Content-Encoding", "gzip")
		req.Header.Set("Authorization", string(bytes.ToValidUTF8(body, nil)))
		recorder := httptest.NewRecorder()
		r.ServeHTTP(recorder, req)
		if recorder.Code != unauthorized || unread.n != 0 {
			t.Errorf("without credentials: status %d after %d bytes", recorder.Code, unread.n)
		}
	})
}

// inPieces compresses body as two gzip members, cut at split, or as one.
func inPieces(t testing.TB, body []byte, split int) []byte {
	t.Helper()
	var out bytes.Buffer
	split = min(split, len(body))
	for _, piece := range [][]byte{body[:split], body[split:]} {
		if len(piece) == 0 && out.Len() > 0 {
			break
		}
		w := gzip.NewWriter(&out)
		if _, err := w.Write(piece); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}
