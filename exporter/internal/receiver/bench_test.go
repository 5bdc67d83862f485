package receiver

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func nowOf() time.Time { return instant }

// discard is a ResponseWriter that keeps nothing.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// BenchmarkServeHTTP is the handler alone: authentication, envelope, answer; no
// connection and no store.
func BenchmarkServeHTTP(b *testing.B) {
	r, err := New(Config{Path: "/webhook", Sources: map[string]Source{"default": jwtSource()}, Now: nowOf, Accept: nilAccept})
	if err != nil {
		b.Fatal(err)
	}
	body := sample(b, "dtmf_call.cdr.json")
	credential := token(b, secret, jwt.MapClaims{"exp": instant.Add(time.Minute).Unix()})
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			req := httptest.NewRequest(http.MethodPost, "/webhook", bytes.NewReader(body))
			req.Header.Set("Authorization", credential)
			r.ServeHTTP(discard{http.Header{}}, req)
		}
	})
}

func BenchmarkEnvelope(b *testing.B) {
	body := sample(b, "dtmf_call.cdr.json")
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseEnvelope(body); err != nil {
			b.Fatal(err)
		}
	}
}
